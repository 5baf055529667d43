// Image files that are not what they look like yet, with the real programs.

#include <gmock/gmock.h>

#include <fstream>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;

std::string web(const std::string& arguments = "") {
  return policyManifest("shop", "eu-1") +
         unikernelManifest("shop", "web",
                           "  image: {path: images/web.hvt}\n  arguments: [" + arguments + "]");
}

// As scp, rsync --inplace and cp write.
TEST(ImageFile, IsNotDeployedWhileItIsWrittenInPlace) {
  Cluster cluster;
  cluster.image("images/web.hvt", {.size = 200'000, .content = "one"});
  cluster.write("shop.yaml", web());
  cluster.run();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running")) << cluster.controller().err();
  const std::size_t before = cluster.server().mutations();

  const std::string bytes = images::makeImage({.size = 200'000, .content = "two"});
  std::ofstream copy(cluster.manifests() / "images/web.hvt", std::ios::binary | std::ios::trunc);
  copy << bytes.substr(0, 150'000) << std::flush;
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "BeingWritten")) << cluster.controller().err();
  // A controller that begins with half an image leaves alone what runs, too.
  EXPECT_EQ(cluster.controller().terminate(), 0) << cluster.controller().err();
  cluster.run();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "BeingWritten")) << cluster.controller().err();
  EXPECT_EQ(cluster.server().mutations(), before) << cluster.server().journal();
  EXPECT_EQ(cluster.rookery({"validate", "-f", cluster.manifests().string()}), 1);
  EXPECT_THAT(cluster.err, testing::HasSubstr("is being written"));

  copy << bytes.substr(150'000);
  copy.close();
  ASSERT_TRUE(eventually([&] { return cluster.server().count("force-create", "shop:web") == 1; }))
      << cluster.controller().err();
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running"));
  EXPECT_EQ(cluster.server().mutations(), before + 1) << cluster.server().journal();
  EXPECT_EQ(cluster.controller().terminate(), 0) << cluster.controller().err();
}

// It takes no room, and an hour to read.
TEST(ImageFile, OneThatTakesLongToReadHoldsUpNeitherOthersNorTheEnd) {
  Cluster cluster;
  cluster.image("images/web.hvt");
  cluster.image("images/huge.hvt");
  fs::resize_file(cluster.manifests() / "images/huge.hvt", std::uintmax_t{1} << 40);
  cluster.write("shop.yaml", web());
  cluster.write("huge.yaml", unikernelManifest("shop", "huge", "  image: {path: images/huge.hvt}"));
  cluster.run({"--resync", "1s", "--max-image-size", "2Ti"});
  ASSERT_TRUE(cluster.waitForReason("shop", "web", "Running")) << cluster.controller().err();
  ASSERT_TRUE(cluster.waitForReason("shop", "huge", "ImageBeingRead")) << cluster.controller().err();

  cluster.write("shop.yaml", web("--color=red"));
  ASSERT_TRUE(eventually([&] { return cluster.server().count("restart", "shop:web") == 1; }))
      << cluster.controller().err();
  EXPECT_EQ(cluster.reason("shop", "huge"), "ImageBeingRead");
  EXPECT_EQ(cluster.controller().terminate(), 0) << cluster.controller().err();

  EXPECT_EQ(cluster.rookery({"validate", "-f", cluster.manifests().string()}), 1);
  EXPECT_THAT(cluster.err,
              testing::HasSubstr("has 1099511627776 bytes, and one may have 4294967296 at most"));
}

}  // namespace
}  // namespace rookery::integration
