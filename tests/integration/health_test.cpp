// Health checks and rollbacks: the real programs, and what they check is a server of the test.

#include <gmock/gmock.h>

#include <fstream>
#include <string>

#include "images/image_server.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::AllOf;
using testing::HasSubstr;

/// Emulated servers start anything: whether a unikernel is well, the test's server says.
class Health : public testing::Test {
 protected:
  Health() {
    cluster_.writeInstances();
    cluster_.write("policy.yaml", policyManifest("shop", "eu-1"));
    image("a");
    target_.put("/healthz", {.bytes = "well"});
  }

  /// The file of the image has another content now.
  void image(const std::string& content) {
    images::ImageSpec spec;
    spec.content = content;
    cluster_.image("web.hvt", spec);
  }
  void want(const std::string& arguments, const std::string& path, const std::string& more) {
    cluster_.write("web.yaml", unikernelManifest("shop", "web",
                                                 "  image: {path: web.hvt}\n  arguments: [" + arguments +
                                                     "]\n  healthCheck: {http: {url: \"" + target_.url(path) +
                                                     "\"}, interval: 1s, timeout: 3s" + more +
                                                     "}\n  minReadySeconds: 1\n"));
  }
  std::string message() const {
    const auto object = cluster_.unikernel("shop", "web");
    if (object.is_null()) return "";
    for (const auto& condition : object["status"].value("conditions", nlohmann::json::array()))
      if (condition["type"] == "Ready") return condition["message"];
    return "";
  }
  std::string digest() const {
    const auto object = cluster_.unikernel("shop", "web");
    return object.is_null() ? "" : object["status"].value("digest", "");
  }

  Cluster cluster_;
  images::ImageServer target_;
};

TEST_F(Health, ApplyWaitsForItAndSaysWhatIsWrong) {
  want("a", "/healthz", "");
  EXPECT_EQ(cluster_.rookery({"apply", "-f", cluster_.manifests().string()}), 0) << cluster_.err;
  EXPECT_GE(target_.countOf("/healthz"), 1u);
  want("a", "/ill", "");
  EXPECT_EQ(cluster_.rookery({"apply", "-f", cluster_.manifests().string()}), 1);
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("did not get healthy within 3 s"), HasSubstr("answers 404")));
}

TEST_F(Health, ReadyFollowsIt) {
  want("a", "/healthz", ", failureThreshold: 2");
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Running"));
  target_.put("/healthz", {.bytes = "ill", .status = 503});
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Unhealthy"));
  EXPECT_THAT(message(), AllOf(HasSubstr("2 checks in a row"), HasSubstr("answers 503")));
  target_.put("/healthz", {.bytes = "well"});
  EXPECT_TRUE(cluster_.waitForReason("shop", "web", "Running"));
  EXPECT_EQ(cluster_.server().mutations(), 2u) << "the policy and the create: nothing is done about it";
}

TEST_F(Health, AnUpdateThatDiesIsTakenBackWithItsImageAndItsArguments) {
  want("a", "/healthz", ", rollback: true");
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Running"));
  const std::string good = digest();
  image("b");
  want("\"say=no-disk\", exit=2, \"after=300\"", "/healthz", ", rollback: true");
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "RolledBack")) << cluster_.controller().err();
  EXPECT_TRUE(eventually([&] { return message().find("runs again") != std::string::npos; })) << message();
  EXPECT_EQ(digest(), good);
  EXPECT_THAT(message(), AllOf(HasSubstr("It ended."), HasSubstr("sha256:" + good),
                               HasSubstr("The last lines of its console: no-disk")));
  const std::size_t mutations = cluster_.server().mutations();
  EXPECT_EQ(cluster_.metric("rookery_unikernel_rollbacks_total"), 1);
  cluster_.controller().kill();
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "RolledBack"));
  EXPECT_EQ(cluster_.server().mutations(), mutations) << "it is not tried again";
  want("a", "/healthz", ", rollback: true");
  EXPECT_TRUE(cluster_.waitForReason("shop", "web", "Running"));
}

TEST_F(Health, AnUpdateThatDoesNotGetHealthyIsTakenBackByApply) {
  want("a", "/healthz", ", rollback: true");
  const std::vector<std::string> apply = {"apply", "-f", cluster_.manifests().string()};
  ASSERT_EQ(cluster_.rookery(apply), 0) << cluster_.err;
  want("b", "/ill", ", rollback: true");
  EXPECT_EQ(cluster_.rookery(apply), 1);
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("RolledBack"), HasSubstr("did not get healthy within 3 s")));
  EXPECT_EQ(cluster_.server().count("restart", "shop:web"), 2u) << "there and back";
}

TEST_F(Health, WithoutRollbackNothingIsPutBack) {
  want("a", "/healthz", "");
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Running"));
  image("b");
  want("a", "/ill", "");
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Unhealthy"));
  EXPECT_EQ(cluster_.server().count("force-create", "shop:web"), 1u);
}

}  // namespace
}  // namespace rookery::integration
