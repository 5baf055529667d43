// Unikernels on several instances, and how an update goes from one to the next: the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <string>

#include "images/image_server.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using testing::AllOf;
using testing::HasSubstr;

/// By hand, with as many as one likes.
std::size_t serversWanted() {
  const char* wanted = std::getenv("ROOKERY_ROLLOUT_SERVERS");
  return wanted == nullptr ? 3 : std::stoul(wanted);
}

/// shop/web runs on all servers, whose first to get an update is a canary.
class Rollouts : public testing::Test {
 protected:
  Rollouts() {
    std::string policies;
    for (std::size_t i = 0; i < count_; ++i) policies += policyManifest("shop", Cluster::instance(i));
    cluster_.write("policies.yaml", policies);
    image("a");
    target_.put("/healthz", {.bytes = "well"});
  }

  void image(const std::string& content) {
    images::ImageSpec spec;
    spec.content = content;
    cluster_.image("web.hvt", spec);
  }
  void want(const std::string& arguments, const std::string& annotation = "") {
    std::string manifest = unikernelManifest(
        "shop", "web",
        fmt::format("  image: {{path: web.hvt}}\n  arguments: [{}]\n"
                    "  placement: {{instanceSelector: {{}}, replicas: All}}\n"
                    "  update: {{maxUnavailable: 1, pauseAfter: 1}}\n  minReadySeconds: 1\n"
                    "  healthCheck: {{http: {{url: \"{}\"}}, interval: 1s, timeout: 5s, rollback: true}}\n",
                    arguments, target_.url("/healthz")));
    const std::string name = "name: web";
    if (!annotation.empty())
      manifest.replace(manifest.find(name), name.size(), name + ", annotations: {" + annotation + "}");
    cluster_.write("web.yaml", manifest);
  }
  int rollout(const std::string& verb, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"rollout",
                                          verb,
                                          "web",
                                          "-n",
                                          "shop",
                                          "--server",
                                          fmt::format("http://127.0.0.1:{}", cluster_.port())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cluster_.rookery(arguments);
  }
  /// How often each server was told to run something else than at first.
  std::vector<std::size_t> replaced() {
    std::vector<std::size_t> counts;
    for (std::size_t i = 0; i < count_; ++i)
      counts.push_back(cluster_.server(i).count("force-create", "shop:web") +
                       cluster_.server(i).count("create", "shop:web") - 1);
    return counts;
  }
  std::vector<std::size_t> replacedOnFirst(std::size_t times) const {
    std::vector<std::size_t> counts(count_, 0);
    counts.front() = times;
    return counts;
  }
  std::int64_t updated() const {
    const auto object = cluster_.unikernel("shop", "web");
    return object.is_null() ? 0 : object["status"]["rollout"].value("updated", std::int64_t{0});
  }

  const std::size_t count_ = serversWanted();
  Cluster cluster_{count_};
  images::ImageServer target_;
};

TEST_F(Rollouts, ABadImageReachesExactlyOneAndAGoodOneAll) {
  want("a");
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Running")) << cluster_.controller().err();
  EXPECT_EQ(rollout("status"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr(fmt::format("{0} of {0} updated, {0} Ready.", count_)));

  image("b");
  want("exit=2, \"after=300\"");
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "RolledBack")) << cluster_.controller().err();
  ASSERT_TRUE(eventually([&] { return replaced() == replacedOnFirst(2); })) << "there and back";
  EXPECT_EQ(rollout("status", {"-w"}), 1);
  cluster_.controller().kill();
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "RolledBack")) << cluster_.controller().err();
  EXPECT_EQ(replaced(), replacedOnFirst(2)) << "nobody else got it, nor gets it";

  image("c");
  want("c");
  ASSERT_TRUE(eventually([&] {
    return replaced() == replacedOnFirst(3) && cluster_.reason("shop", "web") == "UpdatePending";
  })) << cluster_.controller().err();
  EXPECT_EQ(rollout("status"), 1) << "it is not done";
  EXPECT_THAT(cluster_.out, HasSubstr("rookery rollout resume web -n shop"));
  EXPECT_EQ(rollout("resume"), 1);
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("rookery.dev/rollout-resume"), HasSubstr("web.yaml")));
  const std::string revision = cluster_.unikernel("shop", "web")["status"]["rollout"]["revision"];
  want("c", fmt::format("rookery.dev/rollout-resume: \"{}\"", revision));
  ASSERT_EQ(rollout("status", {"-w"}), 0) << cluster_.out << cluster_.err;
  EXPECT_EQ(updated(), static_cast<std::int64_t>(count_));
  std::vector<std::size_t> all(count_, 1);
  all.front() = 3;
  EXPECT_EQ(replaced(), all);

  const std::vector<std::string> get = {
      "get", "uk", "-n", "shop", "--server", fmt::format("http://127.0.0.1:{}", cluster_.port())};
  EXPECT_EQ(cluster_.rookery(get), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("eu-1,eu-"));
}

}  // namespace
}  // namespace rookery::integration
