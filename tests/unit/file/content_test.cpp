#include "file/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "fixtures/temp_dir.h"

namespace rookery::file {
namespace {

namespace fs = std::filesystem;
using Kind = Unread::Kind;
using ::testing::HasSubstr;

constexpr std::size_t most = 1'000;

struct Unusable {
  std::string name;
  void (*make)(const fs::path& path);
  Kind kind;
  std::string why;
};

class UnusableContent : public ::testing::TestWithParam<Unusable> {};

TEST_P(UnusableContent, IsRefusedWithoutWaiting) {
  const fixtures::TempDir dir;
  const fs::path path = dir.path() / "a";
  GetParam().make(path);
  const auto content = read(path, most);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().kind, GetParam().kind);
  EXPECT_THAT(content.error().why, HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    All, UnusableContent,
    ::testing::Values(
        Unusable{"Missing", [](const fs::path&) {}, Kind::Missing, "No such file"},
        Unusable{"Directory", [](const fs::path& path) { fs::create_directory(path); }, Kind::Directory,
                 "a directory"},
        Unusable{"Fifo", [](const fs::path& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
                 Kind::NotRegular, "a FIFO or a device"},
        Unusable{"Device", [](const fs::path& path) { fs::create_symlink("/dev/zero", path); },
                 Kind::NotRegular, "a FIFO or a device"},
        Unusable{"LinkLoop", [](const fs::path& path) { fs::create_symlink(path, path); }, Kind::Unreadable,
                 "Too many levels"},
        Unusable{"Large", [](const fs::path& path) { std::ofstream(path) << std::string(most + 1, 'x'); },
                 Kind::TooLarge, "more than 1000 bytes"},
        Unusable{"Sparse",
                 [](const fs::path& path) {
                   std::ofstream(path).flush();
                   fs::resize_file(path, std::uintmax_t{1} << 36);
                 },
                 Kind::TooLarge, "more than 1000 bytes"}),
    [](const auto& test) { return test.param.name; });

TEST(Content, IsTheWholeFileAndItsStamp) {
  const fixtures::TempDir dir;
  const std::string bytes = std::string(most - 1, 'x') + '\0';
  const fs::path path = dir.write("a", bytes);
  Settling settling;
  const auto content = read(path, most, &settling);
  ASSERT_TRUE(content) << content.error().why;
  EXPECT_EQ(content->bytes, bytes);
  EXPECT_EQ(content->stamp, stampOf(path));
  EXPECT_EQ(read(dir.write("empty", ""), most)->bytes, "");
}

TEST(Content, DoesNotCountWhileSomebodyWrites) {
  const fixtures::TempDir dir;
  const fs::path path = dir.path() / "a";
  Settling settling;
  {
    std::ofstream writer(path);
    writer << "half" << std::flush;
    const auto content = read(path, most, &settling);
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().kind, Kind::BeingWritten);
    EXPECT_THAT(content.error().why, HasSubstr("is being written"));
    EXPECT_GT(content.error().lookAgainIn.count(), 0);
    const auto first = read(path, most);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().kind, Kind::BeingWritten);
    writer << " and half";
  }
  settling.closed(path);
  const auto content = read(path, most, &settling);
  ASSERT_TRUE(content) << content.error().why;
  EXPECT_EQ(content->bytes, "half and half");
}

// Each version is one letter; a mixture would be two versions. That the name is given to another file changes
// the times of the one that is being read, so that somebody who does it all the time may keep it from
// counting.
TEST(Content, IsOneVersion) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("a", std::string(most, 'a'));
  std::atomic<bool> done = false;
  const std::jthread writer([&] {
    for (int i = 0; i < 2'000; ++i) dir.replace("a", std::string(most, static_cast<char>('a' + i % 26)));
    done = true;
  });
  bool last = false;
  while (!last) {
    last = done;
    const auto content = read(path, most);
    if (!content && !last) {
      ASSERT_EQ(content.error().kind, Kind::BeingWritten) << content.error().why;
      continue;
    }
    ASSERT_TRUE(content) << content.error().why;
    ASSERT_EQ(content->bytes, std::string(most, content->bytes.front()));
  }
}

}  // namespace
}  // namespace rookery::file
