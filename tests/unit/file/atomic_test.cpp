#include "file/atomic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "file/content.h"
#include "file/disk.h"
#include "fixtures/limits.h"
#include "fixtures/temp_dir.h"

namespace rookery::file {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> namesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

mode_t modeOf(const fs::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777u;
}

TEST(WriteWhole, MakesAFileAndReplacesIt) {
  const fixtures::TempDir dir;
  const fs::path path = dir.path() / "a";
  EXPECT_EQ(writeWhole(path, "first"), 0);
  EXPECT_EQ(fixtures::readFile(path), "first");
  EXPECT_EQ(modeOf(path), 0600u);
  EXPECT_EQ(writeWhole(path, "", {.mode = 0640}), 0);
  EXPECT_EQ(fixtures::readFile(path), "");
  EXPECT_EQ(modeOf(path), 0640u);
  EXPECT_THAT(namesIn(dir.path()), ElementsAre("a"));
}

TEST(WriteWhole, LeavesTheOldFileWhenTheDiskIsFull) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("a", "old");
  {
    const fixtures::FullDisk full;
    EXPECT_EQ(writeWhole(path, "new"), EFBIG);
    EXPECT_EQ(writeWhole(dir.path() / "b", "new"), EFBIG);
  }
  EXPECT_EQ(fixtures::readFile(path), "old");
  EXPECT_THAT(namesIn(dir.path()), ElementsAre("a"));
}

TEST(WriteWhole, SaysWhyItCannot) {
  const fixtures::TempDir dir;
  EXPECT_EQ(writeWhole(dir.path() / "missing" / "a", "x"), ENOENT);
  fs::create_directory(dir.path() / "folder");
  EXPECT_EQ(writeWhole(dir.path() / "folder", "x"), EISDIR);
  EXPECT_THAT(namesIn(dir.path()), ElementsAre("folder"));
}

TEST(WriteWhole, IsSeenWholeByWhoReadsMeanwhile) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("a", std::string(50'000, '0'));
  std::atomic<bool> over = false;
  std::jthread writer([&] {
    for (char digit = '1'; digit <= '9'; ++digit) EXPECT_EQ(writeWhole(path, std::string(50'000, digit)), 0);
    over = true;
  });
  while (!over) {
    const auto content = read(path, 50'000);
    if (!content && content.error().kind == Unread::Kind::BeingWritten) continue;  // another each time
    ASSERT_TRUE(content) << content.error().why;
    ASSERT_EQ(content->bytes, std::string(50'000, content->bytes.at(0)));
  }
}

TEST(Draft, KeepsWhatIsPresentWhereThatIsToStay) {
  const fixtures::TempDir dir;
  const fs::path path = dir.path() / "a";
  {
    Draft first(path);
    ASSERT_EQ(first.write("first"), 0);
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(first.takePlace(Draft::Present::Keep), 0);
    Draft second(path);
    ASSERT_EQ(second.write("second"), 0);
    EXPECT_EQ(second.takePlace(Draft::Present::Keep), EEXIST);
  }
  EXPECT_EQ(fixtures::readFile(path), "first");
  EXPECT_THAT(namesIn(dir.path()), ElementsAre("a"));
}

TEST(Draft, IsKnownByItsNameAndGoneWhenItIsNotUsed) {
  const fixtures::TempDir dir;
  {
    Draft draft(dir.path() / "a");
    ASSERT_EQ(draft.write("x"), 0);
    ASSERT_EQ(namesIn(dir.path()).size(), 1u);
    EXPECT_TRUE(isDraft(dir.path() / namesIn(dir.path()).front()));
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
  for (const char* name : {"a", ".rookery-notes", "rookery-x.tmp", ".a.tmp"})
    EXPECT_FALSE(isDraft(name)) << name;
}

TEST(MakeFolder, IsForItsOwnerAlone) {
  const fixtures::TempDir dir;
  for (int time = 0; time < 2; ++time) EXPECT_EQ(makeFolder(dir.path() / "a" / "b" / ""), 0);
  EXPECT_EQ(modeOf(dir.path() / "a" / "b"), 0700u);
  dir.write("file", "");
  EXPECT_EQ(makeFolder(dir.path() / "file" / "a"), ENOTDIR);
}

TEST(DiskRoom, SaysWhatStaysFree) {
  EXPECT_EQ(noRoomBut(0),
            "No space left on device, but for 0 bytes that stay free so that state can be written");
  EXPECT_EQ(inUnits((std::uint64_t{1} << 20) - 1), "1048575 bytes");
  EXPECT_EQ(inUnits((std::uint64_t{1} << 20) + 1), "2 MiB");
}

TEST(RemedyFor, IsOneSentenceForAFullDisk) {
  EXPECT_EQ(remedyFor(ENOSPC, "/srv"), "Make room on its file system, or raise the quota, and try again.");
  EXPECT_EQ(remedyFor(EDQUOT, "/srv"), remedyFor(ENOSPC, "/var"));
  for (const int cause : {EACCES, EPERM, ENOENT}) EXPECT_THAT(remedyFor(cause, "/srv"), HasSubstr("/srv"));
}

}  // namespace
}  // namespace rookery::file
