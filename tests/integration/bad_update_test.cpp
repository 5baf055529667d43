// What becomes of updates that are bad in each of the usual ways, with and without a rollback: the real
// programs. Prints how long it took until what was well ran again.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "image/digest.h"
#include "image/image.h"
#include "images/image_server.h"
#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;

/// What is wrong with the new image.
struct Fault {
  const char* name;
  const char* image;      // of the spec; TARGET is a web server with images, DIGEST that of the new one
  const char* arguments;  // boot arguments, and what else is in the spec
  const char* path;       // that is asked whether it is well
  const char* reason;     // of its Ready condition, without a rollback
  bool reachesTheServer;  // else nothing that runs is touched
  std::vector<std::string> networks = {};  // devices that the manifest does not have
  friend std::ostream& operator<<(std::ostream& out, const Fault& fault) { return out << fault.name; }
};

const Fault faults[] = {
    {"Unreachable", "{url: \"http://127.0.0.1:1/web.hvt\", sha256: DIGEST}", "[a]", "/well",
     "ImagePullBackOff", false},
    {"WrongDigest", "{url: \"TARGET/web.hvt\", sha256: OTHER}", "[a]", "/well", "DigestMismatch", false},
    {"WrongDevice", "{path: bad.hvt}", "[a]", "/well", "DeviceMismatch", false, {"service"}},
    {"BootsAndDies", "{path: bad.hvt}", "[exit=2, \"after=300\"]", "/well", "CrashLoopBackOff", true},
    {"BootsAndLoops", "{path: bad.hvt}", "[exit=2, \"after=300\"]\n  failBehaviour: {restart: true}", "/well",
     "CrashLoopBackOff", true},
    {"NeverHealthy", "{path: bad.hvt}", "[a]", "/ill", "Unhealthy", true},
    {"HealthyAndDies", "{path: bad.hvt}", "[exit=2, \"after=AFTER\"]", "/well", "CrashLoopBackOff", true},
};

class BadUpdate : public testing::TestWithParam<std::tuple<Fault, bool>> {
 protected:
  using Clock = std::chrono::steady_clock;

  BadUpdate() {
    cluster_.writeInstances();
    cluster_.write("policy.yaml", policyManifest("shop", "eu-1"));
    cluster_.image("web.hvt", {});
    target_.put("/well", {.bytes = "well"});
  }
  const Fault& fault() const { return std::get<0>(GetParam()); }
  bool takesBack() const { return std::get<1>(GetParam()); }

  void want(const std::string& image, const std::string& arguments, const std::string& path) {
    cluster_.write(
        "web.yaml",
        unikernelManifest("shop", "web",
                          fmt::format("  image: {}\n  arguments: {}\n  minReadySeconds: 1\n"
                                      "  healthCheck: {{http: {{url: \"{}\"}}, interval: 1s, timeout: "
                                      "3s, rollback: {}}}\n",
                                      image, arguments, target_.url(path), takesBack())));
  }
  void wantTheBadOne() {
    images::ImageSpec spec{.networks = fault().networks, .content = "bad"};
    cluster_.image("bad.hvt", spec);
    const std::string bytes = images::makeImage(spec);
    target_.put("/web.hvt", {.bytes = bytes});
    image::Sha256 sum;
    sum.update(bytes);
    const std::pair<std::string, std::string> values[] = {{"TARGET", target_.url("")},
                                                          {"DIGEST", image::toHex(sum.finish())},
                                                          {"OTHER", std::string(64, 'a')},
                                                          {"AFTER", diesAfter()}};
    const auto filled = [&](std::string text) {
      for (const auto& [name, value] : values) {
        if (const auto at = text.find(name); at != std::string::npos) text.replace(at, name.size(), value);
      }
      return text;
    };
    want(filled(fault().image), filled(fault().arguments), fault().path);
  }
  /// By hand, as long as one likes.
  static std::string diesAfter() {
    const char* wanted = std::getenv("ROOKERY_DIES_AFTER");
    return wanted == nullptr ? "2500" : wanted;
  }
  std::size_t sent() {
    return cluster_.server().count("create", "shop:web") +
           cluster_.server().count("force-create", "shop:web");
  }
  std::string digest() const {
    const auto object = cluster_.unikernel("shop", "web");
    return object.is_null() ? "" : object["status"].value("digest", "");
  }
  bool hasReason(const std::string& reason) {
    return eventually([&] { return cluster_.reason("shop", "web") == reason; }, std::chrono::minutes(4));
  }

  Cluster cluster_;
  images::ImageServer target_;
};

TEST_P(BadUpdate, LeavesNothingWorseThanItWas) {
  want("{path: web.hvt}", "[a]", "/well");
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "web", "Running")) << cluster_.controller().err();
  const std::string good = digest();
  const std::size_t before = cluster_.server().mutations();
  const auto begin = Clock::now();
  wantTheBadOne();
  const bool back = takesBack() && fault().reachesTheServer;
  ASSERT_TRUE(hasReason(back ? "RolledBack" : fault().reason))
      << cluster_.reason("shop", "web") << cluster_.controller().err();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const double told = seconds();
  std::string outcome = "the bad one is left to itself, and that is told";
  if (!fault().reachesTheServer) {
    EXPECT_EQ(cluster_.server().mutations(), before);
    outcome = "what ran was not touched";
  } else if (back) {
    ASSERT_TRUE(eventually([&] { return digest() == good; })) << cluster_.controller().err();
    EXPECT_EQ(cluster_.reason("shop", "web"), "RolledBack");
    outcome = fmt::format("what was well runs again after {:.1f} s", seconds());
  } else {
    EXPECT_NE(digest(), good);
  }
  std::printf("%-15s rollback: %-5s  told after %5.1f s; %s (images sent: %zu)\n", fault().name,
              takesBack() ? "true" : "false", told, outcome.c_str(), sent() - 1);
}

INSTANTIATE_TEST_SUITE_P(Updates, BadUpdate, testing::Combine(testing::ValuesIn(faults), testing::Bool()),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param).name) +
                                  (std::get<1>(each.param) ? "TakenBack" : "Told");
                         });

}  // namespace
}  // namespace rookery::integration
