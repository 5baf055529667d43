#include "source/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "fixtures/temp_dir.h"
#include "unit/source/overflow.h"

namespace rookery::source {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class WatcherTest : public testing::Test {
 protected:
  void watch(const std::function<void()>& round) {
    watcher_.begin();
    round();
    watcher_.end();
  }

  fs::path path(const std::string& name) const { return folder_.path() / name; }

  fixtures::TempDir folder_;
  Watcher watcher_;
};

TEST_F(WatcherTest, EveryChangeInAWatchedFolderCounts) {
  const fs::path file = folder_.write("watched/file", "1");
  fs::create_directory(path("other"));
  watch([&] { watcher_.watchFolder(path("watched")); });
  EXPECT_FALSE(watcher_.drain());

  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"written in place", [&] { std::ofstream(file) << "2"; }},
      {"replaced", [&] { folder_.replace("watched/file", "3"); }},
      {"mode", [&] { fs::permissions(file, fs::perms::owner_read); }},
      {"moved out", [&] { fs::rename(file, path("other/file")); }},
      {"moved in", [&] { fs::rename(path("other/file"), file); }},
      {"new folder", [&] { fs::create_directory(path("watched/new")); }},
      {"link", [&] { fs::create_symlink("nowhere", path("watched/link")); }},
      {"removed", [&] { fs::remove(file); }},
      {"the folder moved away", [&] { fs::rename(path("watched"), path("moved")); }},
      {"the folder removed", [&] { fs::remove_all(path("moved")); }},
  };
  for (const auto& [name, change] : changes) {
    change();
    EXPECT_TRUE(watcher_.drain()) << name;
  }
}

TEST_F(WatcherTest, OfAnEntryOnlyItsNameCounts) {
  fs::create_directory(path("git"));
  watch([&] { watcher_.watchEntry(path("git"), "index.lock"); });

  folder_.write("git/FETCH_HEAD", "");
  EXPECT_FALSE(watcher_.drain());
  folder_.write("git/index.lock", "");
  EXPECT_TRUE(watcher_.drain());
  fs::remove(path("git/index.lock"));
  EXPECT_TRUE(watcher_.drain());
}

TEST_F(WatcherTest, FollowsEveryNameOnTheWayToAPath) {
  folder_.write("a/rev-1/deep/file", "");
  folder_.write("a/rev-2/deep/file", "");
  fs::create_symlink("rev-1", path("a/current"));
  fs::create_symlink("../a/./current/deep/file", path("a/link"));
  const auto follow = [&] { watcher_.follow(path("a/link")); };
  watch(follow);
  folder_.write("a/other", "");
  folder_.write("a/rev-2/other", "");
  EXPECT_FALSE(watcher_.drain());

  fs::create_symlink("rev-2", path("a/next"));
  fs::rename(path("a/next"), path("a/current"));
  EXPECT_TRUE(watcher_.drain());
  watch(follow);
  folder_.write("a/rev-2/deep/file", "new");
  EXPECT_TRUE(watcher_.drain());
  folder_.write("a/rev-1/deep/file", "new");
  EXPECT_FALSE(watcher_.drain()) << "nobody asks for the old revision any more";
  fs::rename(path("a"), path("b"));
  EXPECT_TRUE(watcher_.drain());
}

TEST_F(WatcherTest, FollowsAPathThatIsNotThereYet) {
  const auto follow = [&] { watcher_.follow(path("a/b/c")); };
  for (const std::string step : {"a", "a/b", "a/b/c"}) {
    watch(follow);
    EXPECT_FALSE(watcher_.drain());
    fs::create_directory(path(step));
    EXPECT_TRUE(watcher_.drain()) << step;
  }
}

TEST_F(WatcherTest, ALinkInACircleEnds) {
  fs::create_symlink("b", path("a"));
  fs::create_symlink("a", path("b"));
  watch([&] { watcher_.follow(path("a/c")); });
  fs::remove(path("b"));
  EXPECT_TRUE(watcher_.drain());
}

TEST_F(WatcherTest, AnOverflowCountsAndTheWatchesAreMadeAnew) {
  fs::create_directory(path("busy"));
  const auto entry = [&] { watcher_.watchEntry(path("busy"), "wanted"); };
  watch(entry);
  overflow(path("busy"));
  EXPECT_TRUE(watcher_.drain()) << "only the overflow can have told";

  watch(entry);
  fs::create_directory(path("busy/unwanted"));
  EXPECT_FALSE(watcher_.drain());
  fs::create_directory(path("busy/wanted"));
  EXPECT_TRUE(watcher_.drain());
}

TEST(WatcherLimit, SaysWhichLimitToRaise) {
  const fixtures::TempDir folder;
  Watcher watcher(+[](int, const char*, std::uint32_t) {
    errno = ENOSPC;
    return -1;
  });
  watcher.begin();
  watcher.watchFolder(folder.path());
  watcher.end();
  ASSERT_TRUE(watcher.problem());
  EXPECT_EQ(watcher.problem()->origin.file, folder.path());
  EXPECT_THAT(watcher.problem()->message, HasSubstr("fs.inotify.max_user_watches"));
}

TEST(WatcherLimit, AFolderThatIsNotThereIsNoProblem) {
  Watcher watcher;
  watcher.begin();
  watcher.watchFolder("/nowhere/at/all");
  watcher.end();
  EXPECT_FALSE(watcher.problem());
}

}  // namespace
}  // namespace rookery::source
