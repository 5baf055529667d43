// What a machine does to the programs that run on it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "fixtures/process.h"
#include "fixtures/relay.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using testing::HasSubstr;

/// One unikernel on one server, which runs.
class Machine : public testing::Test {
 protected:
  static constexpr std::size_t large = std::size_t{32} << 20;  // more than the sockets hold

  void SetUp() override {
    cluster_.image("images/web.hvt");
    cluster_.image("images/large.hvt", {.size = large, .content = "large"});
    declare("one");
  }

  void start() {
    cluster_.run({"--resync", "200ms"});
    ASSERT_TRUE(eventually([this] { return cluster_.ready() == 1; })) << cluster_.controller().err();
    changes_ = changes();
  }

  /// So many commands have changed it.
  std::size_t changes() {
    std::size_t count = 0;
    for (const char* command : {"create", "force-create", "restart", "destroy"})
      count += server().count(command, "shop:web");
    return count;
  }

  void declare(const std::string& argument, const std::string& image = "web") {
    cluster_.write("shop.yaml", policyManifest("shop", "eu-1") +
                                    unikernelManifest("shop", "web",
                                                      fmt::format("  image: {{path: images/{}.hvt}}\n"
                                                                  "  arguments: [\"{}\"]",
                                                                  image, argument)));
  }

  /// The last change has been carried out, by so many commands, and nothing more is done.
  void expectChanged(const std::string& command, std::size_t commands = 1) {
    EXPECT_TRUE(eventually([&] { return server().count(command, "shop:web") == 1 && cluster_.ready() == 1; }))
        << cluster_.controller().err() << server().journal();
    expectQuiet(commands);
  }

  /// In some more looks no more was sent than that.
  void expectQuiet(std::size_t commands) {
    const std::size_t looks = server().count("info");
    EXPECT_TRUE(eventually([&] { return server().count("info") >= looks + 5; }))
        << cluster_.controller().err();
    EXPECT_EQ(changes(), changes_ + commands) << server().journal();
    EXPECT_EQ(server().count("destroy"), 0u) << server().journal();
    EXPECT_EQ(cluster_.ready(), 1u);
  }

  std::size_t lines(const std::string& that) {
    const std::string log = cluster_.controller().err();
    std::size_t count = 0;
    for (std::size_t at = log.find(that); at != std::string::npos; at = log.find(that, at + 1)) ++count;
    return count;
  }

  /// The controller sees the state directory in file systems of its own, which `mount` makes: a shell command
  /// in which $0 is the directory. False: the kernel lets nobody do that.
  bool mountState(const std::string& mount) {
    fs::create_directories(cluster_.stateDir());
    cluster_.wrapper = {
        "/usr/bin/unshare", "--user", "--map-root-user",         "--mount",
        "/bin/sh",          "-c",     mount + " && exec \"$@\"", cluster_.stateDir().string()};
    std::vector<std::string> attempt = cluster_.wrapper;
    attempt.emplace_back("/bin/true");
    fixtures::Process process(attempt, cluster_.folder().path() / "mount");
    return process.wait() == 0;
  }

  ServerProcess& server() { return cluster_.server(); }

  Cluster cluster_{1, {.keepsState = true}};
  std::size_t changes_ = 0;  // when it was declared first
};

TEST_F(Machine, AFullDiskHoldsUpChangesAndNothingThatRuns) {
  if (!mountState("mount -t tmpfs -o size=1m none \"$0\""))
    GTEST_SKIP() << "No file system can be mounted here.";
  ASSERT_NO_FATAL_FAILURE(start());
  const fs::path filler =
      fmt::format("/proc/{}/root{}/filler", cluster_.controller().pid(), cluster_.stateDir().string());
  std::ofstream(filler) << std::string(std::size_t{2} << 20, 'x');
  // What there is room for is still written down.
  std::size_t edits = 0;
  const auto isFull = [&] { return cluster_.reason("shop", "web") == "StateUnwritable"; };
  while (!isFull() && edits < 100) {
    declare(fmt::format("edit {}", ++edits));
    ASSERT_TRUE(eventually([&] { return isFull() || changes() == changes_ + edits; }))
        << cluster_.controller().err();
  }
  ASSERT_TRUE(isFull());
  EXPECT_THAT(cluster_.controller().err(), HasSubstr("No space left on device"));
  EXPECT_LT(lines("No space left on device"), 5u) << cluster_.controller().err();
  fs::remove(filler);
  EXPECT_TRUE(eventually([this] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  expectQuiet(edits);
}

TEST_F(Machine, AStateDirectoryThatBecomesReadOnlyIsToldAndCostsNothing) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(cluster_.controller().terminate(), 0);
  if (!mountState("mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\""))
    GTEST_SKIP() << "No file system can be mounted here.";
  EXPECT_EQ(cluster_.rookery({"run", "--manifests", cluster_.manifests().string(), "--state-dir",
                              cluster_.stateDir().string(), "--listen", "127.0.0.1:0"}),
            1);
  EXPECT_THAT(cluster_.err, HasSubstr(cluster_.stateDir().string()));
  EXPECT_THAT(cluster_.err, HasSubstr("Read-only file system"));
  EXPECT_EQ(cluster_.err.find("error: "), cluster_.err.rfind("error: ")) << cluster_.err;
  cluster_.wrapper.clear();
  cluster_.run({"--resync", "200ms"});
  EXPECT_TRUE(eventually([this] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  expectQuiet(0);
}

TEST_F(Machine, WithoutDescriptorsNothingIsLostAndTheLogStaysShort) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = cluster_.controller().pid();
  rlimit before{};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{.rlim_cur = 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &none, nullptr), 0);
  declare("two");
  cluster_.controller().waitForError("Too many open files");
  // Somebody knocks, and the looks go on.
  fixtures::Process knock({"/usr/bin/curl", "--silent", "--max-time", "3",
                           fmt::format("http://127.0.0.1:{}/healthz", cluster_.port())},
                          cluster_.folder().path() / "knock");
  knock.wait();
  EXPECT_LT(lines("\n"), 60u) << cluster_.controller().err();
  EXPECT_EQ(lines("Operation canceled"), 0u) << "that is not the cause";
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &before, nullptr), 0);
  expectChanged("restart");
}

TEST_F(Machine, AServerThatIsStoppedForLongerThanItIsWaitedForGoesOn) {
  cluster_.writeInstances("  timeouts: {connect: 500ms, command: 500ms}\n");
  ASSERT_NO_FATAL_FAILURE(start());
  server().process().signal(SIGSTOP);
  declare("two");
  EXPECT_TRUE(cluster_.waitForReason("shop", "web", "InstanceUnavailable")) << cluster_.controller().err();
  server().process().signal(SIGCONT);
  expectChanged("restart");
}

/// By way of a relay, which holds up an image after its beginning.
class MachineAmidAnImage : public Machine {
 protected:
  static int portOf(const std::string& address) { return std::stoi(address.substr(address.rfind(':') + 1)); }

  void SetUp() override {
    Machine::SetUp();
    cluster_.writeInstances(fmt::format("  timeouts: {{stream: {}s}}\n", streamTimeout.count()));
    std::string text = fixtures::readFile(cluster_.manifests() / "instances.yaml");
    const std::string& address = server().address();
    text.replace(text.find(address), address.size(), fmt::format("127.0.0.1:{}", between_.port()));
    cluster_.write("instances.yaml", text);
    ASSERT_NO_FATAL_FAILURE(start());
    between_.holdAfter(std::size_t{1} << 20);
    declare("one", "large");
    ASSERT_TRUE(between_.waitUntilHeld());
  }

  static constexpr std::chrono::seconds streamTimeout{3};
  fixtures::Relay between_{portOf(server().address())};
};

TEST_F(MachineAmidAnImage, AServerThatIsKilledGetsItWhenItIsBack) {
  server().restart();
  between_.release();
  expectChanged("force-create");
}

TEST_F(MachineAmidAnImage, AServerThatIsStoppedGetsItWhenItGoesOn) {
  server().process().signal(SIGSTOP);
  between_.release();
  cluster_.controller().waitForError("(timeouts.stream)");
  server().process().signal(SIGCONT);
  expectChanged("force-create");
}

TEST_F(MachineAmidAnImage, AControllerThatIsStoppedTriesAgain) {
  cluster_.controller().signal(SIGSTOP);
  between_.release();
  fixtures::pause(streamTimeout);
  cluster_.controller().signal(SIGCONT);
  expectChanged("force-create");
}

TEST_F(MachineAmidAnImage, AControllerThatIsKilledIsFollowedByOneThatTriesAgain) {
  cluster_.controller().kill();
  between_.release();
  cluster_.run({"--resync", "200ms"});
  expectChanged("force-create");
}

/// The wall clock of the controller can be set.
class MachineWithAClock : public Machine {
 protected:
  void SetUp() override {
    Machine::SetUp();
    set(std::chrono::seconds(0));
    cluster_.environment = {{"LD_PRELOAD", MOVED_CLOCK}, {"ROOKERY_TEST_CLOCK", clock_.string()}};
    ASSERT_NO_FATAL_FAILURE(start());
  }

  /// So far ahead.
  void set(std::chrono::seconds time) const {
    const std::int64_t seconds = time.count();
    std::fstream file(clock_, std::ios::in | std::ios::out | std::ios::binary);
    if (!file.is_open()) file.open(clock_, std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&seconds), sizeof seconds);
  }

  const fs::path clock_ = cluster_.folder().path() / "clock";
};

TEST_F(MachineWithAClock, NothingThatRunsIsTouchedHoweverItIsSet) {
  using std::chrono::hours;
  for (const hours ahead : {hours(1), hours(-1), hours(24 * 400), hours(-24 * 400)}) {
    SCOPED_TRACE(ahead.count());
    set(ahead);
    const double rounds = cluster_.metric("rookery_reconcile_total");
    EXPECT_TRUE(eventually([&] { return cluster_.metric("rookery_reconcile_total") >= rounds + 5; }));
    set(hours(0));
    expectQuiet(0);
  }
  set(hours(1));
  declare("two");
  set(hours(0));
  expectChanged("restart");
}

}  // namespace
}  // namespace rookery::integration
