// Stock kubectl programs, old and new, against a running controller and emulated servers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "integration/secure_api.h"

namespace rookery::integration {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// The programs that tests/kubernetes/install fetched, and the machine's own where it has one.
std::vector<std::string> kubectls() {
  std::vector<std::string> found;
  const char* tools = std::getenv("ROOKERY_TEST_TOOLS");
  const char* home = std::getenv("HOME");
  const fs::path folder = tools != nullptr ? fs::path(tools) : fs::path(home) / ".cache/rookery-test-tools";
  std::error_code none;
  for (const auto& file : fs::directory_iterator(folder, none)) {
    if (file.path().filename().string().starts_with("kubectl-")) found.push_back(file.path().string());
  }
  if (fs::exists("/usr/bin/kubectl")) found.emplace_back("/usr/bin/kubectl");
  return found;
}

class Kubectl : public testing::TestWithParam<std::string> {
 protected:
  Kubectl() {
    cluster_.image("images/web.hvt");
    cluster_.write("shop.yaml",
                   policyManifest("shop", "eu-1") +
                       unikernelManifest("shop", "git", "  instance: eu-1\n  image: {path: images/web.hvt}"));
  }

  /// A controller that writes, over TLS with a token.
  void run() {
    cluster_.run(api_.options(cluster_));
    config_ = api_.kubeconfig(cluster_);
  }

  int kubectl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), GetParam());
    fixtures::Process process(arguments, files_.path() / fmt::format("kubectl-{}", ++runs_), environment());
    const int status = process.wait();
    out_ = process.out();
    err_ = process.err();
    return status;
  }
  std::map<std::string, std::string> environment() const {
    return {{"KUBECONFIG", config_.string()},
            {"HOME", files_.path().string()},
            {"KUBE_EDITOR", "sed -i s/64Mi/48Mi/"}};
  }
  fs::path manifest(const std::string& name, const std::string& text) {
    return files_.write(name + ".yaml", unikernelManifest("shop", name, text));
  }

  Cluster cluster_{1};
  SecureApi api_;
  fs::path config_;  // empty: kubectl has none
  fixtures::TempDir files_;
  std::string out_, err_;
  unsigned runs_ = 0;
};

constexpr auto webSpec = "  instance: eu-1\n  image: {path: ../images/web.hvt}\n  memory: 64Mi";

TEST_P(Kubectl, ReadsWithoutAnyConfiguration) {
  cluster_.run();
  ASSERT_TRUE(cluster_.waitForReason("shop", "git", "Running"));
  const std::string server = fmt::format("--server=http://127.0.0.1:{}", cluster_.port());
  ASSERT_EQ(kubectl({server, "get", "uk", "-A"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("NAMESPACE"));
  EXPECT_THAT(out_, HasSubstr("git"));
  EXPECT_EQ(
      kubectl({server, "get", "uk", "git", "-n", "shop", "-o", "jsonpath={.status.conditions[0].reason}"}),
      0);
  EXPECT_EQ(out_, "Running");
  EXPECT_EQ(kubectl({server, "get", "alba", "-o", "wide"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("eu-1"));
  EXPECT_EQ(kubectl({server, "get", "uk", "-A", "-o", "yaml"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("kind: Unikernel"));
  EXPECT_EQ(kubectl({server, "describe", "uk", "git", "-n", "shop"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Created"));
  EXPECT_EQ(kubectl({server, "explain", "uk.spec.image"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("sha256"));
  EXPECT_EQ(kubectl({server, "api-resources"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("unikernelpolicies"));
  EXPECT_EQ(kubectl({server, "get", "uk", "-A", "-l", "no=such"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("git")));
  EXPECT_EQ(kubectl({server, "get", "uk", "-A", "--field-selector", "metadata.name=git"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("git"));
  EXPECT_EQ(kubectl({server, "wait", "--for=condition=Ready", "uk/git", "-n", "shop", "--timeout=30s"}), 0)
      << err_;
  EXPECT_EQ(kubectl({server, "get", "events", "-n", "shop"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Created"));
  EXPECT_EQ(kubectl({server, "version"}), 0) << err_;
  EXPECT_NE(kubectl({server, "delete", "uk", "git", "-n", "shop"}), 0) << "nobody may write here";
  EXPECT_EQ(cluster_.reason("shop", "git"), "Running");
}

TEST_P(Kubectl, AppliesFromAManifestToARunningUnikernel) {
  run();
  ASSERT_EQ(kubectl({"apply", "-f", manifest("web", webSpec).string()}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("unikernel.rookery.dev/web created"));
  ASSERT_EQ(kubectl({"wait", "--for=condition=Ready", "uk/web", "-n", "shop", "--timeout=60s"}), 0) << err_;
  EXPECT_TRUE(fs::exists(cluster_.manifests() / "api/unikernel.shop.web.yaml"));
  EXPECT_EQ(kubectl({"apply", "-f", manifest("web", webSpec).string()}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("unchanged"));

  const fs::path changed = manifest("web", std::string(webSpec) + "\n  arguments: [--hello]");
  EXPECT_EQ(kubectl({"diff", "-f", changed.string()}), 1) << err_;
  EXPECT_THAT(out_, HasSubstr("+  - --hello"));
  ASSERT_EQ(kubectl({"apply", "-f", changed.string(), "--dry-run=server"}), 0) << err_;
  ASSERT_EQ(kubectl({"get", "uk", "web", "-n", "shop", "-o", "jsonpath={.spec.arguments}"}), 0);
  EXPECT_THAT(out_, IsEmpty());
  ASSERT_EQ(kubectl({"apply", "-f", changed.string()}), 0) << err_;
  ASSERT_EQ(kubectl({"get", "uk", "web", "-n", "shop", "-o", "jsonpath={.spec.arguments}"}), 0);
  EXPECT_THAT(out_, HasSubstr("--hello"));

  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", "shop", "--timeout=60s"}), 0) << err_;
  EXPECT_FALSE(fs::exists(cluster_.manifests() / "api/unikernel.shop.web.yaml"));
  EXPECT_NE(kubectl({"get", "uk", "web", "-n", "shop"}), 0);
  EXPECT_THAT(err_, HasSubstr("Error from server (NotFound): unikernels.rookery.dev \"web\" not found"));
}

TEST_P(Kubectl, CreatesPatchesLabelsAndEdits) {
  run();
  const std::string file = manifest("web", webSpec).string();
  ASSERT_EQ(kubectl({"create", "-f", file}), 0) << err_;
  EXPECT_NE(kubectl({"create", "-f", file}), 0);
  EXPECT_THAT(err_, HasSubstr("(AlreadyExists)"));
  EXPECT_THAT(err_, HasSubstr("unikernels.rookery.dev \"web\" already exists"));
  ASSERT_EQ(kubectl({"label", "uk", "web", "-n", "shop", "app=web"}), 0) << err_;
  ASSERT_EQ(kubectl({"annotate", "uk", "web", "-n", "shop", "note=hello"}), 0) << err_;
  ASSERT_EQ(kubectl({"get", "uk", "-A", "-l", "app=web", "-o", "name"}), 0) << err_;
  EXPECT_EQ(out_, "unikernel.rookery.dev/web\n");
  ASSERT_EQ(kubectl({"patch", "uk", "web", "-n", "shop", "--type=merge", "-p",
                     R"({"spec":{"arguments":["--a"]}})"}),
            0)
      << err_;
  ASSERT_EQ(kubectl({"patch", "uk", "web", "-n", "shop", "--type=json", "-p",
                     R"([{"op":"add","path":"/spec/arguments/-","value":"--b"}])"}),
            0)
      << err_;
  ASSERT_EQ(kubectl({"edit", "uk", "web", "-n", "shop"}), 0) << err_;
  ASSERT_EQ(kubectl({"get", "uk", "web", "-n", "shop", "-o", "json"}), 0) << err_;
  const json object = json::parse(out_);
  EXPECT_EQ(object["spec"]["arguments"], json({"--a", "--b"}));
  EXPECT_EQ(object["spec"]["memory"], "48Mi");
  EXPECT_EQ(object["metadata"]["annotations"]["note"], "hello");
  ASSERT_EQ(kubectl({"replace", "-f", file}), 0) << err_;
  ASSERT_EQ(kubectl({"get", "uk", "web", "-n", "shop", "-o", "jsonpath={.spec.memory}"}), 0) << err_;
  EXPECT_EQ(out_, "64Mi");
}

TEST_P(Kubectl, IsToldWhatIsWrong) {
  run();
  EXPECT_NE(kubectl({"apply", "-f", manifest("web", std::string(webSpec) + "\n  colour: red").string()}), 0);
  EXPECT_THAT(err_, HasSubstr("colour"));
  EXPECT_NE(kubectl({"apply", "--validate=false", "-f",
                     manifest("web", "  image: {path: x}\n  memory: \"32\"").string()}),
            0);
  EXPECT_THAT(err_, HasSubstr("spec.memory"));
  ASSERT_EQ(kubectl({"wait", "--for=condition=Ready", "uk/git", "-n", "shop", "--timeout=60s"}), 0) << err_;
  EXPECT_NE(kubectl({"delete", "uk", "git", "-n", "shop"}), 0);
  EXPECT_THAT(err_, HasSubstr("(MethodNotAllowed)"));
  EXPECT_THAT(err_, HasSubstr("shop.yaml")) << "the file that has to be changed";
  EXPECT_NE(kubectl({"apply", "--server-side", "-f", manifest("web", webSpec).string()}), 0);
  EXPECT_THAT(err_, HasSubstr("server-side apply is not supported"));
  config_ = api_.kubeconfig(cluster_, SecureApi::viewerToken);
  EXPECT_EQ(kubectl({"get", "uk", "-n", "shop"}), 0) << err_;
  EXPECT_NE(kubectl({"get", "uk", "-n", "db"}), 0);
  EXPECT_THAT(err_, HasSubstr("(Forbidden)"));
  EXPECT_NE(kubectl({"delete", "uk", "git", "-n", "shop"}), 0);
  EXPECT_THAT(
      err_, HasSubstr("User \"viewer\" cannot delete resource \"unikernels\" in API group \"rookery.dev\""));
  config_ = api_.kubeconfig(cluster_, "forged");
  EXPECT_NE(kubectl({"get", "uk", "-n", "shop"}), 0);
}

TEST_P(Kubectl, AsksWhatItMay) {
  run();
  EXPECT_EQ(kubectl({"auth", "can-i", "delete", "uk", "-n", "shop"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("yes"));
  config_ = api_.kubeconfig(cluster_, SecureApi::viewerToken);
  EXPECT_EQ(kubectl({"auth", "can-i", "get", "unikernels.rookery.dev", "-n", "shop"}), 0) << err_;
  EXPECT_NE(kubectl({"auth", "can-i", "delete", "uk/git", "-n", "shop"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("no"), HasSubstr("do not name delete")));
  EXPECT_NE(kubectl({"auth", "can-i", "get", "uk", "-n", "db"}), 0);
  EXPECT_NE(kubectl({"auth", "can-i", "list", "alba"}), 0);
}

TEST_P(Kubectl, Watches) {
  run();
  fixtures::Process watching({GetParam(), "get", "uk", "-n", "shop", "-w", "-o", "name"},
                             files_.path() / "watch", environment());
  watching.waitForOutput("unikernel.rookery.dev/git");
  ASSERT_EQ(kubectl({"apply", "-f", manifest("web", webSpec).string()}), 0) << err_;
  watching.waitForOutput("unikernel.rookery.dev/web");
  watching.kill();
}

INSTANTIATE_TEST_SUITE_P(Versions, Kubectl, testing::ValuesIn(kubectls()), [](const auto& program) {
  std::string name;
  for (const char c : program.param) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace
}  // namespace rookery::integration
