// The fixture itself: kubectl and a real API server.

#include "kubernetes/api_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rookery::kubernetes {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr auto unikernel = R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {name: web, namespace: default}
spec: {instance: eu-1, image: {path: images/web.hvt}}
)";

class ApiServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!ApiServer::available()) return;
    shared =
        std::make_unique<ApiServer>(ApiServer::Options{.users = {{"viewer", "viewer-token", {"viewers"}}}});
  }
  static void TearDownTestSuite() { shared.reset(); }

  void SetUp() override {
    ASSERT_TRUE(ApiServer::available()) << ApiServer::missing;
    ASSERT_FALSE(program("kubectl-1.35").empty()) << "run tests/kubernetes/install";
    install(*shared);
  }

  /// The kinds of Rookery, and one Unikernel.
  void install(const ApiServer& server) {
    ASSERT_EQ(kubectl(server, {"apply", "-f", CRDS}), 0) << err_;
    ASSERT_EQ(kubectl(server, {"wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"}), 0)
        << err_;
    ASSERT_EQ(kubectl(server, {"apply", "-f", files_.write("web.yaml", unikernel).string()}), 0) << err_;
  }

  int kubectl(const ApiServer& server, std::vector<std::string> arguments,
              const std::string& user = "admin") {
    arguments.insert(arguments.begin(), program("kubectl-1.35").string());
    fixtures::Process process(
        arguments, files_.path() / "kubectl",
        {{"KUBECONFIG", server.kubeconfig(user).string()}, {"HOME", files_.path().string()}, goCollects});
    const int status = process.wait();
    out_ = process.out();
    err_ = process.err();
    return status;
  }

  static httplib::Result get(const ApiServer& server, const std::string& path) {
    httplib::Client client(server.url());
    client.set_ca_cert_path(server.caFile().c_str());
    client.set_bearer_token_auth(server.adminToken().c_str());
    return client.Get("/apis/rookery.dev/v1alpha1/unikernels" + path);
  }

  static inline std::unique_ptr<ApiServer> shared;
  fixtures::TempDir files_;
  std::string out_, err_;
};

TEST_F(ApiServerTest, KeepsWhatKubectlWritesOverARestart) {
  // What kubectl asks first, which kinds there are, is known only a little after the API server is ready.
  const auto memory = [this] {
    fixtures::eventually(
        [this] { return kubectl(*shared, {"get", "uk", "web", "-o", "jsonpath={.spec.memory}"}) == 0; });
    return out_;
  };
  EXPECT_EQ(memory(), "32Mi") << "the default of the CRD: " << err_;
  shared->stop();
  shared->start();
  EXPECT_EQ(memory(), "32Mi") << err_;
  shared->kill();
  EXPECT_NE(kubectl(*shared, {"get", "uk", "web"}), 0);
  shared->start();
  EXPECT_EQ(memory(), "32Mi") << err_;
}

TEST_F(ApiServerTest, LetsUsersDoWhatTheirRolesSay) {
  EXPECT_NE(kubectl(*shared, {"get", "uk"}, "viewer"), 0);
  EXPECT_THAT(err_, HasSubstr("User \"viewer\" cannot list resource \"unikernels\""));
  ASSERT_EQ(kubectl(*shared, {"create", "clusterrole", "viewer", "--verb=list", "--resource=unikernels"}), 0)
      << err_;
  ASSERT_EQ(
      kubectl(*shared, {"create", "clusterrolebinding", "viewer", "--clusterrole=viewer", "--group=viewers"}),
      0)
      << err_;
  EXPECT_TRUE(fixtures::eventually([&] { return kubectl(*shared, {"get", "uk"}, "viewer") == 0; })) << err_;
}

TEST_F(ApiServerTest, CountsRequests) {
  const auto before = shared->requests();
  ASSERT_TRUE(get(*shared, ""));
  ASSERT_TRUE(get(*shared, ""));
  const ApiServer::Operation list{"LIST", "unikernels"};
  const auto counted = before.find(list);
  EXPECT_EQ(shared->requests()[list], (counted == before.end() ? 0 : counted->second) + 2);
}

TEST_F(ApiServerTest, ForgetsOldVersionsWhenCompacted) {
  const ApiServer server({.users = {}, .flags = {"--watch-cache=false"}});
  install(server);
  const json list = json::parse(get(server, "")->body);
  const std::string old = list["metadata"]["resourceVersion"];
  ASSERT_EQ(kubectl(server, {"label", "uk", "web", "app=web"}), 0) << err_;
  const std::string watch = "?watch=1&timeoutSeconds=1&resourceVersion=" + old;
  EXPECT_THAT(get(server, watch)->body, HasSubstr("MODIFIED"));
  server.compact();
  EXPECT_THAT(get(server, watch)->body, HasSubstr("\"code\":410"));
}

}  // namespace
}  // namespace rookery::kubernetes
