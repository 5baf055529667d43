#include "source/git.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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

const std::string sha1(40, 'a'), otherSha1(40, 'b'), sha256(64, 'c');

struct HeadCase {
  const char* name;
  std::function<void(const fixtures::TempDir& folder)> make;  // what is in "git" and around it
  std::string revision;                                       // empty: none can be told
};

class HeadOf : public testing::TestWithParam<HeadCase> {};

TEST_P(HeadOf, IsRead) {
  const fixtures::TempDir folder;
  fs::create_directory(folder.path() / "git");
  GetParam().make(folder);
  const auto revision = readHead(folder.path() / "git").revision;
  EXPECT_EQ(revision ? revision->toString() : "", GetParam().revision);
}

INSTANTIATE_TEST_SUITE_P(
    Readable, HeadOf,
    testing::Values(
        HeadCase{"Detached", [](const auto& in) { in.write("git/HEAD", sha1 + "\n"); }, "sha1:" + sha1},
        HeadCase{"OfTheLongerKind", [](const auto& in) { in.write("git/HEAD", sha256); }, "sha256:" + sha256},
        HeadCase{"ABranch",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/topic/new\n");
                   in.write("git/refs/heads/topic/new", sha1 + "\n");
                 },
                 "topic/new@sha1:" + sha1},
        HeadCase{"APackedBranch",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/main\n");
                   in.write("git/packed-refs", "# pack-refs with: peeled fully-peeled sorted\n" + otherSha1 +
                                                   " refs/heads/main2\n" + sha1 + " refs/heads/main\n^" +
                                                   otherSha1 + "\n");
                 },
                 "main@sha1:" + sha1},
        HeadCase{"ALooseBranchThatWasPackedBefore",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/main\n");
                   in.write("git/refs/heads/main", sha1 + "\n");
                   in.write("git/packed-refs", otherSha1 + " refs/heads/main\n");
                 },
                 "main@sha1:" + sha1},
        HeadCase{"OfALinkedWorkTree",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/live\n");
                   in.write("git/commondir", "../main\n");
                   in.write("main/refs/heads/live", sha1 + "\n");
                 },
                 "live@sha1:" + sha1},
        HeadCase{"ALinkOfFormerDays",
                 [](const auto& in) {
                   fs::create_symlink("refs/heads/main", in.path() / "git/HEAD");
                   in.write("git/refs/heads/main", sha1 + "\n");
                 },
                 "main@sha1:" + sha1},
        HeadCase{"ASymbolicBranch",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/alias\n");
                   in.write("git/refs/heads/alias", "ref: refs/heads/main\n");
                   in.write("git/refs/heads/main", sha1 + "\n");
                 },
                 "main@sha1:" + sha1}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    OfNoUse, HeadOf,
    testing::Values(
        HeadCase{"Missing", [](const auto&) {}, ""},
        HeadCase{"NotADigest", [](const auto& in) { in.write("git/HEAD", std::string(40, 'g')); }, ""},
        HeadCase{"TooLong", [](const auto& in) { in.write("git/HEAD", sha1 + std::string(1 << 20, '\n')); },
                 ""},
        HeadCase{"OfNoCommitYet", [](const auto& in) { in.write("git/HEAD", "ref: refs/heads/main\n"); }, ""},
        HeadCase{"OfReftables",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/.invalid\n");
                   in.write("git/refs/heads/.invalid", sha1);
                 },
                 ""},
        HeadCase{"OutsideItsRefs",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/../../secret\n");
                   in.write("secret", sha1);
                 },
                 ""},
        HeadCase{"ALinkToSomethingElse",
                 [](const auto& in) {
                   in.write("secret", sha1);
                   in.write("git/HEAD", "ref: refs/heads/main\n");
                   fs::create_directories(in.path() / "git/refs/heads");
                   fs::create_symlink("../../../secret", in.path() / "git/refs/heads/main");
                 },
                 ""},
        HeadCase{"ALinkOutside",
                 [](const auto& in) {
                   in.write("secret", sha1);
                   fs::create_symlink("../secret", in.path() / "git/HEAD");
                 },
                 ""},
        HeadCase{"AFifo", [](const auto& in) { ::mkfifo((in.path() / "git/HEAD").c_str(), 0600); }, ""},
        HeadCase{"ACircle",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/a\n");
                   in.write("git/refs/heads/a", "ref: refs/heads/a\n");
                 },
                 ""},
        HeadCase{"PackedWithoutADigest",
                 [](const auto& in) {
                   in.write("git/HEAD", "ref: refs/heads/main\n");
                   in.write("git/packed-refs", "secret refs/heads/main\n");
                 },
                 ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ReadHead, TellsNothingOfABranchThatCannotBeSeen) {
  const fixtures::TempDir folder;
  folder.write("git/HEAD",
               "ref: refs/heads/\xe2\x80\xae"
               "evil\n");
  folder.write(
      "git/refs/heads/\xe2\x80\xae"
      "evil",
      sha1);
  EXPECT_EQ(readHead(folder.path() / "git").revision->branch, "\\u202eevil");
}

}  // namespace
}  // namespace rookery::source
