// Where unikernels run and when: instances by labels, dependencies, local servers, servers of former
// releases.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::HasSubstr;
using testing::Not;

std::string webWith(const std::string& more) {
  return unikernelManifest("shop", "web", "  image: {path: images/web.hvt}\n" + more);
}

TEST(Dependencies, AreCreatedFirstAlsoOnAnotherServer) {
  Cluster cluster(2);
  cluster.image("images/web.hvt");
  cluster.write("shop.yaml",
                policyManifest("shop", "eu-1") + policyManifest("shop", "eu-2") +
                    webWith("  instance: eu-1\n  dependsOn: [{name: db}]") +
                    unikernelManifest("shop", "db", "  image: {path: images/web.hvt}\n  instance: eu-2"));
  cluster.write("shop.yaml", fixtures::readFile(cluster.manifests() / "shop.yaml"));
  const std::string state = cluster.stateDir().string(), folder = cluster.manifests().string();
  EXPECT_EQ(cluster.rookery({"plan", "-f", folder, "--state-dir", state}), 2) << cluster.err;
  EXPECT_THAT(cluster.out, HasSubstr("Unikernel shop/web on eu-1 (DependencyNotReady)"));
  EXPECT_EQ(cluster.rookery({"apply", "-f", folder, "--state-dir", state}), 0) << cluster.err;
  EXPECT_EQ(cluster.server(0).count("create", "shop:web"), 1u);
  EXPECT_EQ(cluster.server(1).count("create", "shop:db"), 1u);
  EXPECT_EQ(cluster.rookery({"plan", "-f", folder, "--state-dir", state}), 0) << cluster.out << cluster.err;
}

TEST(Dependencies, ThatAreACycleAreShown) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.write(
      "shop.yaml",
      policyManifest("shop", "eu-1") + webWith("  dependsOn: [{name: db}]") +
          unikernelManifest("shop", "db", "  image: {path: images/web.hvt}\n  dependsOn: [{name: web}]"));
  EXPECT_EQ(cluster.rookery({"validate", "-f", cluster.manifests().string()}), 1);
  EXPECT_THAT(cluster.out + cluster.err, HasSubstr("this unikernel depends on itself: db → web → db"));
  EXPECT_NE(cluster.rookery(
                {"plan", "-f", cluster.manifests().string(), "--state-dir", cluster.stateDir().string()}),
            0);
  EXPECT_THAT(cluster.out, HasSubstr("db → web → db"));
}

TEST(Selectors, PutAUnikernelOnOneOfTheInstancesAndLeaveItThere) {
  Cluster cluster(2);
  cluster.image("images/web.hvt");
  const auto label = [&](const std::string& first, const std::string& second) {
    std::string instances = fixtures::readFile(cluster.manifests() / "instances.yaml");
    for (const auto& [name, region] : {std::pair{"eu-1", first}, std::pair{"eu-2", second}}) {
      const std::size_t at = instances.find(std::string("name: ") + name);
      ASSERT_NE(at, std::string::npos) << instances;
      instances.insert(at + 10, ", labels: {region: " + region + "}");
    }
    cluster.write("instances.yaml", instances);
  };
  const std::string selected = "  instanceSelector: {matchLabels: {region: north}}\n";
  cluster.write("shop.yaml",
                policyManifest("shop", "eu-1") + policyManifest("shop", "eu-2") + webWith(selected));
  EXPECT_EQ(cluster.rookery({"validate", "-f", cluster.manifests().string()}), 1);
  EXPECT_THAT(cluster.out + cluster.err, HasSubstr("region=north selects no AlbatrossInstance"));
  label("south", "north");
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_EQ(cluster.unikernel("shop", "web")["status"]["instance"], "eu-2");
  EXPECT_EQ(cluster.server(1).count("create", "shop:web"), 1u);
}

TEST(Compression, SendsLessOfTheSameImage) {
  Cluster cluster;
  cluster.image("images/web.hvt", {.size = 1 << 20});
  cluster.write("shop.yaml", policyManifest("shop", "eu-1") +
                                 unikernelManifest("shop", "web",
                                                   "  image: {path: images/web.hvt, compressionLevel: 9}\n"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_LT(cluster.server().imageBytes(), 100'000u);
  EXPECT_EQ(cluster.server().count("create", "shop:web"), 1u);
}

TEST(LocalServers, AreReachedByTheirSockets) {
  const fixtures::TempDir sockets;
  Cluster cluster(1, {.arguments = {"--listen-unix", (sockets.path() / "util").string()}});
  cluster.image("images/web.hvt", {.blocks = {"disk"}});
  cluster.write(
      "instances.yaml",
      fmt::format("apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {{name: eu-1}}\n"
                  "spec: {{endpoint: \"unix://{}/util\"}}\n",
                  sockets.path().string()));
  cluster.write("data.img", "content");
  cluster.write(
      "shop.yaml",
      policyManifest("shop", "eu-1") +
          "---\napiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {name: data, namespace: "
          "shop}\nspec: {size: 1Mi, source: {path: data.img}}\n" +
          webWith("  blockDevices: [{name: disk, volumeName: data}]\n  arguments: [say=hello]"));
  EXPECT_EQ(cluster.rookery({"validate", "-f", cluster.manifests().string()}), 0)
      << cluster.out << cluster.err;
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("create", "shop:web"), 1u);
  EXPECT_EQ(cluster.server().count("block-set", "shop:data"), 1u);
  EXPECT_EQ(cluster.rookery({"logs", "web", "-n", "shop", "--server",
                             fmt::format("http://127.0.0.1:{}", cluster.port())}),
            0);
  EXPECT_THAT(cluster.out, HasSubstr("hello"));
  cluster.write("shop.yaml", policyManifest("shop", "eu-1"));
  EXPECT_TRUE(eventually([&] { return cluster.server().count("destroy", "shop:web") == 1; }))
      << cluster.controller().err();
}

class FormerReleases : public testing::TestWithParam<std::string> {};

TEST_P(FormerReleases, AreSpokenToInTheirForms) {
  Cluster cluster(1, {.arguments = {"--release", GetParam()}});
  cluster.image("images/web.hvt");
  const std::string limits = policyManifest("shop", "eu-1");
  cluster.write("shop.yaml", limits + webWith("  startup: 7"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  cluster.write("shop.yaml", limits + webWith("  startup: 7\n  arguments: [another]"));
  EXPECT_TRUE(eventually([&] { return cluster.server().count("restart", "shop:web") == 1; }))
      << cluster.controller().err();
  EXPECT_TRUE(eventually([&] { return cluster.ready() == 1; })) << cluster.controller().err();
  cluster.image("images/web.hvt", {.content = "another"});
  EXPECT_TRUE(eventually([&] { return cluster.server().count("force-create", "shop:web") == 1; }))
      << cluster.controller().err();
  cluster.write("shop.yaml", limits + webWith("  cpuIDs: [0, 1]"));
  EXPECT_TRUE(cluster.waitForReason("shop", "web", "TypeNotSupported")) << cluster.controller().err();
}

INSTANTIATE_TEST_SUITE_P(Releases, FormerReleases, testing::Values("2.5", "2.6"),
                         [](const auto& tested) { return tested.param == "2.5" ? "V25" : "V26"; });

/// Where the first one is gone for good as far as anybody can tell, it runs elsewhere, and it stays there.
TEST(Failover, PutsAnotherInPlaceOfWhatIsGoneAndRemovesTheSurplusWhenThatIsBack) {
  Cluster cluster(2, {.keepsState = true});
  cluster.image("images/web.hvt");
  cluster.write("shop.yaml", policyManifest("shop", "eu-1") + policyManifest("shop", "eu-2") +
                                 unikernelManifest(
                                     "shop", "web",
                                     "  image: {path: images/web.hvt}\n"
                                     "  placement: {instanceSelector: {}, replicas: 1, failoverAfter: 10s}"));
  cluster.run();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running")) << cluster.controller().err();
  const std::size_t first = cluster.server(0).count("create", "shop:web") == 1 ? 0 : 1;
  cluster.server(first).kill();
  ASSERT_TRUE(eventually([&] { return cluster.server(1 - first).count("create", "shop:web") == 1; }))
      << cluster.controller().err();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running")) << cluster.controller().err();
  cluster.server(first).restart();
  ASSERT_TRUE(eventually([&] { return cluster.server(first).count("destroy", "shop:web") == 1; }))
      << cluster.controller().err();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running")) << cluster.controller().err();
  EXPECT_EQ(cluster.server(1 - first).count("destroy"), 0u);
  EXPECT_EQ(cluster.server(first).count("create", "shop:web"), 1u);
}

}  // namespace
}  // namespace rookery::integration
