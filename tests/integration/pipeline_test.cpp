// What becomes of a step that was prepared while another was carried out, when the controller is killed.
#include <gtest/gtest.h>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;

TEST(Pipeline, AControllerThatIsKilledLeavesNothingHalfDone) {
  Cluster cluster(1, {.keepsState = true});
  cluster.writeInstances();
  cluster.write("policy.yaml", policyManifest("shop", "eu-1"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.server().count("policy-add") == 1; }));
  cluster.controller().terminate();

  // The reply to the first is on its way for as long as it takes to kill the controller.
  cluster.server().restart("delay=3s");
  cluster.image("images/web.hvt", {.size = 300'000});
  cluster.write("shop.yaml", unikernelManifest("shop", "a", "  image: {path: images/web.hvt}") +
                                 unikernelManifest("shop", "b", "  image: {path: images/web.hvt}"));
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.server().count("create") == 1; }))
      << cluster.controller().err();
  cluster.controller().kill();
  EXPECT_EQ(cluster.server().count("create"), 1u) << cluster.server().journal();

  cluster.server().restart();
  cluster.run();
  ASSERT_TRUE(eventually([&] { return cluster.ready() == 2; })) << cluster.controller().err();
  EXPECT_EQ(cluster.server().count("create", "shop:a"), 1u) << cluster.server().journal();
  EXPECT_EQ(cluster.server().count("create", "shop:b"), 1u) << cluster.server().journal();
}

}  // namespace
}  // namespace rookery::integration
