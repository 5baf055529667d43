#include "source/git.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "fixtures/temp_dir.h"

namespace rookery::source {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

TEST(GitFolder, IsTheEntryOrWhatItsFileNames) {
  const fixtures::TempDir folder;
  fs::create_directories(folder.path() / "main/.git");
  const fs::path linked = folder.write("linked/.git", "gitdir: /srv/repository/.git/worktrees/linked\n");
  const fs::path submodule = folder.write("main/library/.git", "gitdir: ../.git/modules/library\n");
  const fs::path other = folder.write("other/.git", "not a work tree\n");

  EXPECT_EQ(gitFolder(folder.path() / "main/.git"), folder.path() / "main/.git");
  EXPECT_EQ(gitFolder(linked), "/srv/repository/.git/worktrees/linked");
  EXPECT_EQ(gitFolder(submodule), folder.path() / "main/library/../.git/modules/library");
  EXPECT_EQ(gitFolder(other), std::nullopt);
  EXPECT_EQ(gitFolder(folder.path() / "missing/.git"), std::nullopt);
}

TEST(EnclosingGit, IsTheNearestAbove) {
  const fixtures::TempDir folder;
  fs::create_directories(folder.path() / "main/.git");
  fs::create_directories(folder.path() / "main/deploy/prod");
  fs::create_directory_symlink("main/deploy", folder.path() / "link");

  EXPECT_EQ(enclosingGit(folder.path() / "main"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "main/deploy/prod"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "link/prod"), folder.path() / "main/.git");
  EXPECT_EQ(enclosingGit(folder.path() / "missing"), std::nullopt);
}

/// A work tree with a lock, and the processes that there are.
class Lock : public testing::Test {
 protected:
  void process(const std::string& id, const std::string& name, const fs::path& at) const {
    folder_.write("proc/" + id + "/comm", name + "\n");
    fs::create_symlink(at, folder_.path() / "proc" / id / "cwd");
  }
  bool isStale(std::chrono::seconds age) const {
    const fs::path git = folder_.path() / "main/.git";
    const auto since = findGitLock(git, git, {}, folder_.path() / "proc")->since;
    return findGitLock(git, git, since + age, folder_.path() / "proc")->stale;
  }

  fixtures::TempDir folder_;
  const fs::path lock_ = folder_.write("main/.git/index.lock", "");
};

TEST_F(Lock, IsStaleWhenItIsOldAndNoGitIsAbout) {
  folder_.write("proc/uptime", "");
  process("1", "systemd", "/");
  process("7", "git", folder_.path());
  EXPECT_FALSE(isStale(staleLock));
  EXPECT_TRUE(isStale(staleLock + 1s));
  EXPECT_FALSE(isStale(-1h)) << "the clock was set back";
}

TEST_F(Lock, IsOfAGitThatWorksInTheTree) {
  fs::create_directories(folder_.path() / "proc");
  fs::create_directory_symlink("main", folder_.path() / "link");
  process("7", "git-remote-http", folder_.path() / "main/deploy");
  EXPECT_FALSE(isStale(24h));
}

TEST_F(Lock, MayBeOfAGitThatHidesWhereItWorks) {
  folder_.write("proc/7/comm", "git\n");
  EXPECT_FALSE(isStale(24h));
}

TEST_F(Lock, OfATimeThatTheClockCannotSayIsOfTheNearest) {
  const fs::path git = folder_.path() / "main/.git";
  const auto lockOf = [&](std::chrono::year year) {
    const timespec time{
        .tv_sec = std::chrono::sys_seconds(std::chrono::sys_days(year / 1 / 1)).time_since_epoch().count(),
        .tv_nsec = 0};
    const timespec times[] = {time, time};
    EXPECT_EQ(::utimensat(AT_FDCWD, lock_.c_str(), times, 0), 0);
    return *findGitLock(git, git, std::chrono::system_clock::now(), folder_.path() / "proc");
  };
  fs::create_directories(folder_.path() / "proc");
  const GitLock future = lockOf(std::chrono::year(2400));
  EXPECT_GT(future.since, std::chrono::system_clock::now() + std::chrono::years(200));
  EXPECT_FALSE(future.stale);
  EXPECT_TRUE(lockOf(std::chrono::year(1)).stale);
}

TEST_F(Lock, IsOneWhetherItCanBeReadOrNot) {
  const fs::path git = folder_.path() / "main/.git";
  EXPECT_EQ(findGitLock(git, git, {})->path, lock_);
  fs::remove(lock_);
  EXPECT_FALSE(findGitLock(git, git, {}));
  fs::create_symlink("nowhere", lock_);
  EXPECT_TRUE(findGitLock(git, git, {}));
}

}  // namespace
}  // namespace rookery::source
