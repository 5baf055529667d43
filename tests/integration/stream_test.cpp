// What servers tell beside what is observed, and restarts on request, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>

#include "albatross/client/client.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::HasSubstr;
using testing::Not;

class Streams : public testing::Test {
 protected:
  Streams() { cluster_.image("images/web.hvt"); }

  /// A guest that prints a line when it starts, and more five times a second.
  void declare(const std::string& restartedAt = "") {
    std::string web = unikernelManifest(
        "shop", "web", "  image: {path: images/web.hvt}\n  arguments: [\"say=hello world\", every=200]");
    if (!restartedAt.empty()) {
      const std::string name = "namespace: shop}";
      web.replace(
          web.find(name), name.size(),
          fmt::format("namespace: shop, annotations: {{rookery.dev/restartedAt: \"{}\"}}}}", restartedAt));
    }
    cluster_.write("shop.yaml", policyManifest("shop", "eu-1") + web);
  }
  void run() {
    cluster_.run({"--resync", "10m"});
    ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", cluster_.port()); }

  /// `rookery logs -f`, as a process.
  std::unique_ptr<fixtures::Process> follow(const std::string& log) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "rookery";
    return std::make_unique<fixtures::Process>(
        std::vector<std::string>{program.string(), "logs", "web", "-n", "shop", "-f", "--server", url()},
        cluster_.folder().path() / log);
  }
  static std::size_t hellos(const fixtures::Process& follower) {
    const std::string text = follower.out();
    std::size_t count = 0;
    for (std::size_t at = text.find("hello world\n"); at != std::string::npos;
         at = text.find("hello world\n", at + 1))
      ++count;
    return count;
  }

  /// As somebody else with a credential would.
  void destroyPastRookery() {
    const auto& server = cluster_.server();
    albatross::ClientOptions options;
    options.endpoint = *albatross::Endpoint::parse(server.address());
    options.credential = *albatross::Credential::load({fixtures::readFile(server.pki() / "cacert.pem"),
                                                       fixtures::readFile(server.pki() / "admin.pem"),
                                                       fixtures::readFile(server.pki() / "admin.key")});
    const auto client = albatross::makeTlsClient(std::move(options));
    const albatross::Policy asDeclared{{0, 1, 2, 3}, 1000, 2048, 100, {"br0"}};
    boost::asio::io_context context;
    auto result = boost::asio::co_spawn(
        context,
        client->call(
            {{{"shop", asDeclared}}, "web", albatross::UnikernelCommand(albatross::unikernel::Destroy{})}),
        boost::asio::use_future);
    context.run();
    const auto reply = result.get();
    ASSERT_TRUE(reply) << reply.error().error.message;
  }

  Cluster cluster_{1, {.statisticsInterval = 100}};
};

TEST_F(Streams, FollowAUnikernelThroughARestartAndItsEnd) {
  declare();
  run();
  const auto one = follow("one"), two = follow("two");
  EXPECT_TRUE(eventually([&] { return hellos(*one) == 1 && one->out().contains("tick 2\n"); })) << one->err();
  EXPECT_TRUE(eventually([&] { return hellos(*two) == 1; })) << two->err();
  EXPECT_EQ(cluster_.server().count("console-subscribe", "shop:web"), 1) << "however many read it";

  EXPECT_TRUE(eventually([&] {
    return cluster_.rookery({"top", "-n", "shop", "--server", url()}) == 0 && cluster_.out.contains("25m");
  })) << cluster_.out
      << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("web"));
  EXPECT_GT(cluster_.metric("rookery_unikernel_memory_limit_bytes"), 0);

  declare("1");
  EXPECT_TRUE(eventually([&] { return cluster_.server().count("restart", "shop:web") == 1; }))
      << cluster_.controller().err();
  EXPECT_TRUE(eventually([&] { return hellos(*one) == 2 && hellos(*two) == 2; }));
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; }));

  // It is looked for because it is mentioned no more: the next look as such is ten minutes away.
  ASSERT_TRUE(eventually([&] { return cluster_.metric("rookery_unikernel_cpu_seconds_total") > 0; }));
  destroyPastRookery();
  EXPECT_TRUE(eventually([&] { return cluster_.server().count("create", "shop:web") == 2; }))
      << cluster_.controller().err();
  EXPECT_TRUE(eventually([&] { return hellos(*one) == 3; }));
  EXPECT_EQ(cluster_.server().count("restart", "shop:web"), 1);

  EXPECT_TRUE(eventually([&] {
    return cluster_.rookery({"logs", "web", "-n", "shop", "--tail", "1", "--server", url()}) == 0 &&
           cluster_.out.starts_with("tick ");
  })) << cluster_.out
      << cluster_.err;
  EXPECT_EQ(cluster_.controller().terminate(), 0) << cluster_.controller().err();
  EXPECT_NE(one->wait(), 0) << "a log that was broken off has not ended";
  EXPECT_NE(two->wait(), 0);
}

TEST_F(Streams, AreNothingThatAPlanOrAnApplyAsksFor) {
  declare();
  for (const char* verb : {"plan", "apply"}) {
    cluster_.rookery(
        {verb, "-f", cluster_.manifests().string(), "--state-dir", cluster_.stateDir().string()});
    EXPECT_THAT(cluster_.server().journal(), Not(HasSubstr("subscribe"))) << verb;
  }
  EXPECT_EQ(cluster_.server().count("create", "shop:web"), 1);
}

/// Where the statistics break off again and again, are not understood, or are none at all, the rest goes on.
TEST_F(Streams, ThatAreNoneKeepNothingFromConverging) {
  for (const char* fault : {"no-statistics", "stall-streams", "cut-stream-after=0", "unknown-data"}) {
    Cluster cluster(1, {.fault = fault, .statisticsInterval = 20});
    cluster.image("images/web.hvt");
    cluster.write("shop.yaml", policyManifest("shop", "eu-1") +
                                   unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
    cluster.run({"--resync", "1s"});
    EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; })) << fault << cluster.controller().err();
    EXPECT_EQ(cluster.controller().terminate(), 0) << fault;
  }
}

}  // namespace
}  // namespace rookery::integration
