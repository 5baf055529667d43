// Health checks and rollbacks: the real programs, and what they check is a server of the test.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

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

/// What the checks of many cost. By hand: ROOKERY_CHECKS=1000 says of how many.
TEST(HealthOfMany, CostsLittle) {
  const char* wanted = std::getenv("ROOKERY_CHECKS");
  if (wanted == nullptr) GTEST_SKIP() << "ROOKERY_CHECKS=1000 says of how many";
  const std::size_t count = std::stoul(wanted);
  Cluster cluster(1, {.memory = 65'536});
  images::ImageServer target;
  target.put("/well", {.bytes = "well"});
  target.put("/endless", {.bytes = std::string(2 << 20, 'x')});
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor deaf(context,
                                      {boost::asio::ip::address_v4::loopback(), 0});  // never accepts
  const auto http = [](const std::string& url) { return "http: {url: \"" + url + "\"}"; };
  const std::pair<const char*, std::string> kinds[] = {
      {"no check", ""},
      {"well", http(target.url("/well"))},
      {"endless body", http(target.url("/endless"))},
      {"refuses", "tcp: {address: \"127.0.0.1:1\"}"},
      {"hangs", http(fmt::format("http://127.0.0.1:{}/", deaf.local_endpoint().port()))}};
  cluster.writeInstances();
  cluster.write("policy.yaml", policyManifest("shop", "eu-1", "64Gi"));
  cluster.image("web.hvt");
  for (const auto& [name, check] : kinds) {
    std::string manifests;
    for (std::size_t i = 0; i < count; ++i)
      manifests +=
          unikernelManifest("shop", fmt::format("web-{}", i),
                            "  image: {path: web.hvt}\n  memory: 2Mi\n" +
                                (check.empty() ? "" : "  healthCheck: {" + check + ", interval: 10s}\n"));
    cluster.write("web.yaml", manifests);
    if (check.empty()) {
      cluster.run({"--resync", "30s"});
      ASSERT_TRUE(eventually([&] { return cluster.ready() == count; }, std::chrono::minutes(5)));
    }
    fixtures::pause(std::chrono::seconds(20));
    const double before = cluster.metric("process_cpu_seconds_total");
    double descriptors = 0;
    constexpr int seconds = 30;
    for (int i = 0; i < seconds; ++i) {
      fixtures::pause(std::chrono::seconds(1));
      descriptors = std::max(descriptors, cluster.metric("process_open_fds"));
    }
    std::printf(
        "%zu unikernels, every 10 s, %-12s  %5.1f %% of a CPU, at most %3.0f descriptors, %zu Ready\n", count,
        name, 100 * (cluster.metric("process_cpu_seconds_total") - before) / seconds, descriptors,
        cluster.ready());
  }
}

}  // namespace
}  // namespace rookery::integration
