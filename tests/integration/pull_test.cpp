// Images by URL, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "images/image_server.h"
#include "images/sha256.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using images::ImageServer;
using images::sha256Of;
using testing::HasSubstr;
using testing::Not;

/// One emulated server and one build server.
class Pulling : public testing::Test {
 protected:
  /// Publishes an image and returns what a manifest says of it.
  std::string publish(const std::string& path, const std::string& content) {
    const std::string bytes = images::makeImage({.size = 200'000, .content = content});
    builds_.put(path, {.bytes = bytes});
    return fmt::format("{{url: '{}', sha256: {}}}", builds_.url(path), sha256Of(bytes));
  }
  void declare(const std::string& name, const std::string& image, const std::string& more = "") {
    manifests_[name] = unikernelManifest("shop", name, fmt::format("  image: {}\n{}", image, more));
    std::string all = policyManifest("shop", "eu-1");
    for (const auto& [key, manifest] : manifests_) all += manifest;
    cluster_.write("shop.yaml", all);
  }
  bool waitFor(const std::string& name, const std::string& reason) const {
    return cluster_.waitForReason("shop", name, reason);
  }

  Cluster cluster_;
  ImageServer builds_;
  std::map<std::string, std::string> manifests_;
};

TEST_F(Pulling, BringsAnImageOnceForAll) {
  const std::string web = publish("/web.hvt", "web");
  for (const char* name : {"web-1", "web-2", "web-3"}) declare(name, web);
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 3; })) << cluster_.controller().err();
  EXPECT_EQ(builds_.asked().size(), 1u);
  EXPECT_EQ(cluster_.metric("rookery_image_pulls_total{result=\"success\"}"), 1);
  EXPECT_THAT(cluster_.controller().err(), HasSubstr("The image was pulled."));
}

TEST_F(Pulling, ABuildServerThatIsDownDisturbsNothing) {
  declare("web", publish("/1.hvt", "one"));
  cluster_.run();
  ASSERT_TRUE(waitFor("web", "Running")) << cluster_.controller().err();
  const std::string next = publish("/2.hvt", "two");
  builds_.stop();
  declare("web", next);
  declare("db", next);
  ASSERT_TRUE(waitFor("web", "ImagePullBackOff")) << cluster_.controller().err();
  ASSERT_TRUE(waitFor("db", "ImagePullBackOff"));
  EXPECT_EQ(cluster_.server().count("force-create"), 0u);
  EXPECT_EQ(cluster_.server().count("destroy"), 0u);

  // A controller whose images are gone leaves what runs as declared alone, and can still restart it.
  declare("web", publish("/1.hvt", "one"));
  ASSERT_TRUE(waitFor("web", "Running"));
  EXPECT_EQ(cluster_.controller().terminate(), 0);
  std::filesystem::remove_all(cluster_.stateDir() / "images");
  const std::size_t mutations = cluster_.server().mutations();
  cluster_.run();
  ASSERT_TRUE(waitFor("web", "Running")) << cluster_.controller().err();
  EXPECT_EQ(cluster_.server().mutations(), mutations);
  declare("web", publish("/1.hvt", "one"), "  arguments: [--color=red]\n");
  ASSERT_TRUE(eventually([&] { return cluster_.server().count("restart", "shop:web") == 1; }))
      << cluster_.controller().err();

  builds_.listen();
  ASSERT_TRUE(waitFor("db", "Running")) << cluster_.controller().err();
  declare("web", next, "  arguments: [--color=red]\n");
  ASSERT_TRUE(eventually([&] { return cluster_.server().count("force-create", "shop:web") == 1; }));
  ASSERT_TRUE(waitFor("web", "Running"));
}

TEST_F(Pulling, WhatIsNotTheImageReachesNoServer) {
  builds_.put("/web.hvt", {.bytes = images::makeImage({.content = "forged"})});
  declare("web", fmt::format("{{url: '{}?token=hunter2', sha256: {}}}", builds_.url("/web.hvt"),
                             sha256Of(images::makeImage({.content = "true"}))));
  cluster_.run();
  ASSERT_TRUE(waitFor("web", "DigestMismatch")) << cluster_.controller().err();
  EXPECT_EQ(cluster_.server().count("create"), 0u);
  EXPECT_THAT(cluster_.controller().err(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(cluster_.get("/metrics"), Not(HasSubstr("hunter2")));
}

TEST_F(Pulling, GoesOnAfterABreak) {
  const std::string web = publish("/web.hvt", "web");
  builds_.put("/web.hvt", {.bytes = images::makeImage({.size = 200'000, .content = "web"}),
                           .etag = "\"1\"",
                           .cutAfter = 150'000});
  declare("web", web);
  cluster_.run();
  ASSERT_TRUE(waitFor("web", "Running")) << cluster_.controller().err();
  ASSERT_EQ(builds_.asked().size(), 2u);
  EXPECT_EQ(builds_.asked()[1].range, "bytes=150000-");
}

TEST_F(Pulling, IsPartOfApplyButNotOfPlanOrValidate) {
  declare("web", publish("/web.hvt", "web"));
  const std::vector<std::string> files = {"-f", cluster_.manifests().string()};
  const std::vector<std::string> state = {"--state-dir", cluster_.stateDir().string()};
  const auto verb = [&](std::vector<std::string> arguments, bool remembers = true) {
    arguments.insert(arguments.end(), files.begin(), files.end());
    if (remembers) arguments.insert(arguments.end(), state.begin(), state.end());
    return cluster_.rookery(arguments);
  };
  EXPECT_EQ(verb({"validate"}, false), 0) << cluster_.err;
  EXPECT_EQ(verb({"plan"}), 2) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("create"));
  EXPECT_EQ(builds_.asked().size(), 0u);
  EXPECT_EQ(verb({"apply"}), 0) << cluster_.err;
  EXPECT_THAT(cluster_.err, HasSubstr("/web.hvt: 195.3 KiB pulled in"));
  EXPECT_EQ(verb({"plan"}), 0) << cluster_.out;

  declare("db", fmt::format("{{url: '{}', sha256: {}}}", builds_.url("/none.hvt"), sha256Of("none")));
  EXPECT_EQ(verb({"apply"}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("Unikernel shop/db is not Ready (ImageNotFound)"));
}

}  // namespace
}  // namespace rookery::integration
