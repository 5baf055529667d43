// From a folder of manifests to unikernels, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::HasSubstr;

TEST(Convergence, AFolderBecomesUnikernelsOnTwoInstancesAndIsFollowed) {
  Cluster cluster(2);
  cluster.image("images/web.hvt", {.networks = {"service"}, .size = 100'000, .content = "one"});
  cluster.image("images/db.hvt", {.content = "db"});
  cluster.write(
      "shop.yaml",
      policyManifest("shop", "eu-1") +
          unikernelManifest("shop", "web",
                            "  instance: eu-1\n  image: {path: images/web.hvt}\n  arguments: [--color=red]\n"
                            "  networkInterfaces: [{name: service, bridge: br0}]"));
  cluster.write("db.yaml",
                policyManifest("db", "eu-2") +
                    unikernelManifest("db", "ledger", "  instance: eu-2\n  image: {path: images/db.hvt}") +
                    unikernelManifest("db", "cache", "  instance: eu-2\n  image: {path: images/db.hvt}") +
                    unikernelManifest("db", "extra", "  instance: eu-2\n  image: {path: images/db.hvt}"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 4; })) << cluster.controller().err();
  EXPECT_EQ(cluster.server(0).count("create", "shop:web"), 1u);
  EXPECT_EQ(cluster.server(1).count("create"), 3u);
  EXPECT_FALSE(cluster.get("/readyz").empty());

  const std::uint64_t sent = cluster.server(0).imageBytes();
  cluster.write(
      "shop.yaml",
      policyManifest("shop", "eu-1") +
          unikernelManifest("shop", "web",
                            "  instance: eu-1\n  image: {path: images/web.hvt}\n  arguments: [--color=blue]\n"
                            "  networkInterfaces: [{name: service, bridge: br0}]"));
  ASSERT_TRUE(eventually([&] { return cluster.server(0).count("restart", "shop:web") == 1; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server(0).imageBytes(), sent);

  cluster.image("images/web.hvt", {.networks = {"service"}, .size = 100'000, .content = "two"});
  ASSERT_TRUE(eventually([&] { return cluster.server(0).count("force-create", "shop:web") == 1; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server(0).imageBytes(), 2 * sent);

  cluster.write("db.yaml",
                policyManifest("db", "eu-2") +
                    unikernelManifest("db", "ledger", "  instance: eu-2\n  image: {path: images/db.hvt}") +
                    unikernelManifest("db", "cache", "  instance: eu-2\n  image: {path: images/db.hvt}"));
  ASSERT_TRUE(eventually([&] { return cluster.server(1).count("destroy", "db:extra") == 1; }))
      << cluster.controller().err();
  ASSERT_TRUE(eventually([&] { return cluster.unikernel("db", "extra").is_null(); }));
  EXPECT_EQ(cluster.server(1).mutations(), 5u) << cluster.server(1).journal();
  EXPECT_EQ(cluster.controller().terminate(), 0) << cluster.controller().err();
}

TEST(Convergence, SteadyStateSendsOnlyObservations) {
  constexpr std::size_t servers = 4;
  constexpr std::size_t perServer = 20;
  Cluster cluster(servers, {.memory = 16'384});
  cluster.image("images/web.hvt", {.size = 8192});
  for (std::size_t i = 0; i < servers; ++i) {
    const std::string instance = Cluster::instance(i);
    std::string all = policyManifest("shop", instance, "8Gi");
    for (std::size_t n = 0; n < perServer; ++n) {
      all += unikernelManifest("shop", fmt::format("web-{}-{}", i, n),
                               fmt::format("  instance: {}\n  image: {{path: images/web.hvt}}", instance));
    }
    cluster.write(instance + ".yaml", all);
  }
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == servers * perServer; }, std::chrono::seconds(120)))
      << cluster.controller().err();

  std::vector<std::size_t> mutations, looks;
  std::vector<std::uint64_t> bytes;
  for (std::size_t i = 0; i < servers; ++i) {
    mutations.push_back(cluster.server(i).mutations());
    bytes.push_back(cluster.server(i).imageBytes());
    looks.push_back(cluster.server(i).count("info"));
  }
  for (std::size_t i = 0; i < servers; ++i) {
    ASSERT_TRUE(eventually([&] { return cluster.server(i).count("info") >= looks[i] + 10; }));
    EXPECT_EQ(cluster.server(i).mutations(), mutations[i]);
    EXPECT_EQ(cluster.server(i).imageBytes(), bytes[i]);
    EXPECT_EQ(cluster.server(i).count("create"), perServer);
  }
}

TEST(Convergence, ALargeImageIsStreamedInConstantMemory) {
  constexpr std::uint64_t size = 512u << 20;
  Cluster cluster;
  cluster.image("images/web.hvt", {.size = 4096});
  cluster.write("web.yaml", policyManifest("shop", "eu-1") +
                                unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  // What requests take on all threads of the listener is no part of this.
  for (int i = 0; i < 200; ++i) cluster.ready();
  const std::uint64_t before = cluster.controller().peakMemoryKiB();

  cluster.image("images/web.hvt", {.size = size});
  ASSERT_TRUE(eventually([&] { return cluster.server().count("force-create", "shop:web") == 1; },
                         std::chrono::seconds(120)))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server().imageBytes(), 4096 + size);
  const std::uint64_t after = cluster.controller().peakMemoryKiB();
  RecordProperty("peakKiBBefore", std::to_string(before));
  RecordProperty("peakKiBAfter", std::to_string(after));
  EXPECT_LE(after, before + 16 * 1024);
}

TEST(Convergence, TroubledInstancesDoNotHoldUpTheOthers) {
  Cluster cluster(4);
  cluster.image("images/web.hvt");
  cluster.server(0).restart("hang");
  cluster.server(1).restart("refuse");
  cluster.server(2).kill();
  std::string all;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string instance = Cluster::instance(i);
    all += policyManifest("shop", instance);
    for (int n = 0; n < 5; ++n) {
      all += unikernelManifest("shop", fmt::format("web-{}-{}", i, n),
                               fmt::format("  instance: {}\n  image: {{path: images/web.hvt}}", instance));
    }
  }
  cluster.write("shop.yaml", all);
  // The deadline of the one that hangs is far beyond the test's: only independence lets the fourth become
  // ready.
  cluster.writeInstances("  timeouts: {command: 10m}\n");
  cluster.run();
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 5; })) << cluster.controller().err();
  EXPECT_TRUE(cluster.waitForReason("shop", "web-2-0", "InstanceUnavailable"));
  EXPECT_EQ(cluster.controller().terminate(), 0);
}

TEST(Convergence, DriftIsRepairedAndEndedUnikernelsAreCreatedAgain) {
  Cluster cluster(1, {.keepsState = false});
  cluster.image("images/web.hvt");
  cluster.write("web.yaml", policyManifest("shop", "eu-1") +
                                unikernelManifest("shop", "web", "  image: {path: images/web.hvt}"));
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  cluster.server().restart();  // forgets all that ran, policies included
  EXPECT_TRUE(eventually([&] { return cluster.server().count("create", "shop:web") == 2; }))
      << cluster.controller().err();
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; }));
}

TEST(Convergence, ARestartThatIgnoresMemoryIsFollowedByAForceCreate) {
  Cluster cluster(1, {.fault = "restart-ignores-memory"});
  cluster.image("images/web.hvt");
  const auto declare = [&](int memory) {
    cluster.write(
        "web.yaml",
        policyManifest("shop", "eu-1") +
            unikernelManifest("shop", "web",
                              fmt::format("  image: {{path: images/web.hvt}}\n  memory: {}Mi", memory)));
  };
  declare(32);
  cluster.run({"--resync", "200ms"});
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  declare(64);
  ASSERT_TRUE(eventually([&] { return cluster.server().count("force-create", "shop:web") == 1; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("restart", "shop:web"), 1u);
  declare(48);
  ASSERT_TRUE(eventually([&] { return cluster.server().count("force-create", "shop:web") == 2; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("restart", "shop:web"), 1u) << "it was remembered for the instance";
}

}  // namespace
}  // namespace rookery::integration
