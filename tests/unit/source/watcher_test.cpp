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
using testing::ElementsAre;
using testing::HasSubstr;
using News = Watcher::News;

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

TEST_F(WatcherTest, EveryChangeOfAManifestInAWatchedFolderCounts) {
  const fs::path file = folder_.write("watched/web.yaml", "1");
  fs::create_directory(path("other"));
  watch([&] { watcher_.watchFolder(path("watched")); });
  EXPECT_EQ(watcher_.drain(), News::None);

  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"written in place", [&] { std::ofstream(file) << "2"; }},
      {"replaced", [&] { folder_.replace("watched/web.yaml", "3"); }},
      {"mode", [&] { fs::permissions(file, fs::perms::owner_read); }},
      {"moved out", [&] { fs::rename(file, path("other/web.yaml")); }},
      {"moved in", [&] { fs::rename(path("other/web.yaml"), file); }},
      {"new folder", [&] { fs::create_directory(path("watched/new")); }},
      {"link", [&] { fs::create_symlink("nowhere", path("watched/link")); }},
      {"removed", [&] { fs::remove(file); }},
      {"the folder moved away", [&] { fs::rename(path("watched"), path("moved")); }},
      {"the folder removed", [&] { fs::remove_all(path("moved")); }},
  };
  for (const auto& [name, change] : changes) {
    change();
    EXPECT_NE(watcher_.drain(), News::None) << name;
  }
}

TEST_F(WatcherTest, OfOtherFilesOnlyThoseThatWereNamedCount) {
  const fs::path log = folder_.write("watched/some.log", "1");
  const fs::path image = folder_.write("watched/web.hvt", "1");
  watch([&] {
    watcher_.watchFolder(path("watched"));
    watcher_.watchEntry(path("watched"), "web.hvt");
  });
  std::ofstream(log) << "2";
  folder_.replace("watched/other.log", "1");
  fs::create_directory(path("watched/.cache"));
  EXPECT_EQ(watcher_.drain(), News::None);
  std::ofstream(image) << "2";
  EXPECT_EQ(watcher_.drain(), News::Certain);
  folder_.write("watched/.rookeryignore", "");
  EXPECT_EQ(watcher_.drain(), News::Possible);
}

TEST_F(WatcherTest, TellsWhichFilesWereClosed) {
  fs::create_directory(path("watched"));
  watch([&] { watcher_.watchFolder(path("watched")); });
  std::ofstream writer(path("watched/web.yaml"));
  writer << "1" << std::flush;
  watcher_.drain();
  EXPECT_TRUE(watcher_.takeClosed().empty());
  writer.close();
  EXPECT_EQ(watcher_.drain(), News::Possible);
  EXPECT_THAT(watcher_.takeClosed(), ElementsAre(path("watched/web.yaml")));
  EXPECT_TRUE(watcher_.takeClosed().empty());
  folder_.replace("watched/api.yaml", "1");
  watcher_.drain();
  EXPECT_THAT(watcher_.takeClosed(), testing::Contains(path("watched/api.yaml")));
}

TEST_F(WatcherTest, OfAnEntryOnlyItsNameCounts) {
  fs::create_directory(path("git"));
  watch([&] { watcher_.watchEntry(path("git"), "index.lock"); });

  folder_.write("git/FETCH_HEAD", "");
  EXPECT_EQ(watcher_.drain(), News::None);
  folder_.write("git/index.lock", "");
  EXPECT_NE(watcher_.drain(), News::None);
  fs::remove(path("git/index.lock"));
  EXPECT_NE(watcher_.drain(), News::None);
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
  EXPECT_EQ(watcher_.drain(), News::None);

  fs::create_symlink("rev-2", path("a/next"));
  fs::rename(path("a/next"), path("a/current"));
  EXPECT_NE(watcher_.drain(), News::None);
  watch(follow);
  folder_.write("a/rev-2/deep/file", "new");
  EXPECT_NE(watcher_.drain(), News::None);
  folder_.write("a/rev-1/deep/file", "new");
  EXPECT_EQ(watcher_.drain(), News::None) << "nobody asks for the old revision any more";
  fs::rename(path("a"), path("b"));
  EXPECT_NE(watcher_.drain(), News::None);
}

TEST_F(WatcherTest, FollowsAPathThatIsNotThereYet) {
  const auto follow = [&] { watcher_.follow(path("a/b/c")); };
  for (const std::string step : {"a", "a/b", "a/b/c"}) {
    watch(follow);
    EXPECT_EQ(watcher_.drain(), News::None);
    fs::create_directory(path(step));
    EXPECT_NE(watcher_.drain(), News::None) << step;
  }
}

TEST_F(WatcherTest, ALinkInACircleEnds) {
  fs::create_symlink("b", path("a"));
  fs::create_symlink("a", path("b"));
  watch([&] { watcher_.follow(path("a/c")); });
  fs::remove(path("b"));
  EXPECT_NE(watcher_.drain(), News::None);
}

TEST_F(WatcherTest, AnOverflowCountsAndTheWatchesAreMadeAnew) {
  fs::create_directory(path("busy"));
  const auto entry = [&] { watcher_.watchEntry(path("busy"), "wanted"); };
  watch(entry);
  overflow(path("busy"));
  EXPECT_NE(watcher_.drain(), News::None) << "only the overflow can have told";

  watch(entry);
  fs::create_directory(path("busy/unwanted"));
  EXPECT_EQ(watcher_.drain(), News::None);
  fs::create_directory(path("busy/wanted"));
  EXPECT_NE(watcher_.drain(), News::None);
}

TEST(WatcherLimit, SaysWhichLimitToRaise) {
  const fixtures::TempDir folder;
  Watcher watcher(
      +[](int, const char*, std::uint32_t) {
        errno = ENOSPC;
        return -1;
      },
      "the scan every 30s");
  watcher.begin();
  watcher.watchFolder(folder.path());
  watcher.end();
  ASSERT_TRUE(watcher.problem());
  EXPECT_EQ(watcher.problem()->origin.file, folder.path());
  EXPECT_THAT(watcher.problem()->message, HasSubstr("fs.inotify.max_user_watches"));
  EXPECT_THAT(watcher.problem()->message, HasSubstr("only seen by the scan every 30s"));
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
