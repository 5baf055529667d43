// What a test starts, and what becomes of it when the test itself is killed.

#include "fixtures/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "fixtures/temp_dir.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using fixtures::Process;

TEST(ChildProcess, EndsWithATestThatIsKilled) {
  // What loses its parent becomes a child of this one then, which can wait for it.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const fixtures::TempDir files;
  std::array<int, 2> started{};
  ASSERT_EQ(::pipe2(started.data(), O_CLOEXEC), 0);
  const pid_t test = ::fork();
  ASSERT_GE(test, 0);
  if (test == 0) {
    const Process process({"/bin/sleep", "infinity"}, files.path() / "sleep");
    const pid_t pid = process.pid();
    [[maybe_unused]] const auto told = ::write(started[1], &pid, sizeof pid);
    for (;;) ::pause();
  }
  pid_t child = 0;
  const auto told = ::read(started[0], &child, sizeof child);
  ::kill(test, SIGKILL);
  ASSERT_EQ(::waitpid(test, nullptr, 0), test);
  ASSERT_EQ(told, static_cast<ssize_t>(sizeof child));
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; });
  EXPECT_TRUE(ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  if (!ended) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  for (const int end : started) ::close(end);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(ChildProcess, TellsWhatItWroteAndHowItEnded) {
  const fixtures::TempDir files;
  Process process({"/bin/sh", "-c", "echo \"$WORD\"; echo to err >&2; exit 3"}, files.path() / "sh",
                  {{"WORD", "out"}});
  EXPECT_EQ(process.wait(), 3);
  EXPECT_EQ(process.out(), "out\n");
  EXPECT_EQ(process.err(), "to err\n");
  Process killed({"/bin/sleep", "infinity"}, files.path() / "sleep");
  killed.kill();
  EXPECT_EQ(killed.wait(), 128 + SIGKILL);
}

TEST(ChildProcessDeathTest, IsNoProgramThatIsNotThere) {
  const fixtures::TempDir files;
  EXPECT_DEATH(Process({(files.path() / "none").string()}, files.path() / "log"), "can be started");
}

}  // namespace
}  // namespace rookery::integration
