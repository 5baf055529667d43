// rookery run --kubernetes against a real API server and emulated Albatross servers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "kubernetes/api_server.h"

namespace rookery::kubernetes {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using integration::ServerProcess;
using nlohmann::json;
using testing::HasSubstr;

fs::path programFolder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

/// One API server for all tests; each has a namespace, instances and controllers of its own.
class Controller : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (ApiServer::available())
      shared = std::make_unique<ApiServer>(ApiServer::Options{.users = {{"weak", "weak-token", {}}}});
  }
  static void TearDownTestSuite() { shared.reset(); }

  void SetUp() override {
    ASSERT_TRUE(ApiServer::available()) << ApiServer::missing;
    ASSERT_EQ(kubectl({"apply", "-f", CRDS}), 0) << err_;
    ASSERT_EQ(kubectl({"wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"}), 0) << err_;
    ASSERT_TRUE(eventually([&] { return kubectl({"get", "uk", "-A"}) == 0; })) << err_;
    ASSERT_EQ(kubectl({"create", "namespace", space_}), 0) << err_;
    fs::create_directories(files_.path() / "images");
    ASSERT_TRUE(images::writeImage({}, files_.path() / "images/web.hvt"));
    server_ = std::make_unique<ServerProcess>(files_.path() / "server", ServerProcess::Options{});
    writeInstance(instance(), *server_);
    apply(policy());
  }

  /// Objects that wait for a controller would be in the way of the next test.
  void TearDown() override {
    controllers_.clear();
    if (!shared) return;
    kubectl({"annotate", "uk", "--all", "-n", space_, "rookery.dev/release=true"});
    json all = json::parse(read({"get", "uk", "-n", space_, "-o", "json"}), nullptr, false);
    for (const json& object : all.is_object() ? all["items"] : json::array()) {
      kubectl({"patch", "uk", object["metadata"]["name"], "-n", space_, "--type=merge", "-p",
               R"({"metadata":{"finalizers":null}})"});
    }
    kubectl({"delete", "uk,ukpol", "--all", "-n", space_, "--wait=false"});
    kubectl({"delete", "alba", "--all", "--wait=false"});
    kubectl({"delete", "lease", "--all", "-n", space_});
  }

  int kubectl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program("kubectl-1.35").string());
    fixtures::Process process(
        arguments, files_.path() / "kubectl",
        {{"KUBECONFIG", shared->kubeconfig().string()}, {"HOME", files_.path().string()}});
    const int status = process.wait();
    out_ = process.out();
    err_ = process.err();
    return status;
  }
  std::string read(const std::vector<std::string>& arguments) { return kubectl(arguments) == 0 ? out_ : ""; }
  void apply(const std::string& manifest) {
    ASSERT_EQ(kubectl({"apply", "-f", files_.write("manifest.yaml", manifest).string()}), 0) << err_;
  }

  std::string instance(int number = 1) const { return fmt::format("{}-{}", space_, number); }

  void writeInstance(const std::string& name, const ServerProcess& server) {
    writeSecret(name, server);
    apply(fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {{name: {0}}}
spec: {{endpoint: "{1}", credentials: {{secretRef: {{namespace: {2}, name: {0}}}}}}}
)",
                      name, server.address(), space_));
  }
  void writeSecret(const std::string& name, const ServerProcess& server) {
    kubectl({"delete", "secret", name, "-n", space_, "--ignore-not-found"});
    ASSERT_EQ(kubectl({"create", "secret", "generic", name, "-n", space_,
                       "--from-file=ca.crt=" + (server.pki() / "cacert.pem").string(),
                       "--from-file=tls.crt=" + (server.pki() / "admin.pem").string(),
                       "--from-file=tls.key=" + (server.pki() / "admin.key").string()}),
              0)
        << err_;
  }
  std::string policy(int number = 1) const {
    return fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: UnikernelPolicy
metadata: {{name: limits-{0}, namespace: {1}}}
spec: {{instance: {2}, unikernels: 100, memory: 2Gi, cpuIDs: [0]}}
---
)",
                       number, space_, instance(number));
  }
  std::string unikernel(const std::string& name, const std::string& more = "", int number = 1) const {
    return fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {{name: {}, namespace: {}}}
spec:
  instance: {}
  image: {{path: web.hvt}}
{}
---
)",
                       name, space_, instance(number), more);
  }

  fixtures::Process& run(const std::vector<std::string>& more = {}, const std::string& user = "admin") {
    const std::string number = std::to_string(controllers_.size() + 1);
    std::vector<std::string> arguments = {(programFolder() / "rookery").string(),
                                          "run",
                                          "--kubernetes",
                                          "--kubeconfig",
                                          shared->kubeconfig(user).string(),
                                          "--lease-namespace",
                                          space_,
                                          "--image-root",
                                          (files_.path() / "images").string(),
                                          "--state-dir",
                                          (files_.path() / ("state-" + number)).string(),
                                          "--listen",
                                          "127.0.0.1:0",
                                          "--resync",
                                          "1s"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    controllers_.push_back(
        std::make_unique<fixtures::Process>(arguments, files_.path() / ("rookery-" + number)));
    return *controllers_.back();
  }

  json object(const std::string& name) {
    return json::parse(read({"get", "uk", name, "-n", space_, "-o", "json"}), nullptr, false);
  }
  std::string reason(const std::string& kind, const std::string& name) {
    return read({"get", kind, name, "-n", space_, "-o",
                 "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}"});
  }
  std::string message(const std::string& kind, const std::string& name) {
    return read({"get", kind, name, "-n", space_, "-o",
                 "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}"});
  }
  testing::AssertionResult becomes(const std::string& name, const std::string& wanted,
                                   const std::string& kind = "uk") {
    if (eventually([&] { return reason(kind, name) == wanted; })) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << name << ": " << reason(kind, name) << ": " << message(kind, name) << "\n"
           << controllers_.back()->err();
  }
  bool gone(const std::string& name) {
    return eventually([&] { return kubectl({"get", "uk", name, "-n", space_}) != 0; });
  }

  static inline std::unique_ptr<ApiServer> shared;
  static inline int testNumber = 0;
  const std::string space_ = fmt::format("test-{}", ++testNumber);
  fixtures::TempDir files_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::unique_ptr<fixtures::Process>> controllers_;
  std::string out_, err_;
};

TEST_F(Controller, FollowsAnObjectFromItsCreationToItsDeletion) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  const json created = object("web");
  EXPECT_EQ(created["metadata"]["finalizers"], json({"rookery.dev/unikernel"}));
  EXPECT_EQ(created["status"]["instance"], instance());
  EXPECT_EQ(created["status"]["observedGeneration"], 1);
  apply(unikernel("web", "  arguments: [--hello]"));
  EXPECT_TRUE(eventually([&] { return server_->count("restart", space_ + ":web") == 1; }));
  EXPECT_TRUE(eventually([&] { return object("web")["status"]["observedGeneration"] == 2; }));
  EXPECT_THAT(read({"get", "events", "-n", space_}), HasSubstr("Created"));
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--timeout=60s"}), 0) << err_;
  EXPECT_EQ(server_->count("destroy", space_ + ":web"), 1u);
}

TEST_F(Controller, ReleasesWhatShallNotBePruned) {
  run();
  apply(unikernel("kept", "  prune: false"));
  ASSERT_TRUE(becomes("kept", "Running"));
  ASSERT_EQ(kubectl({"delete", "uk", "kept", "-n", space_, "--timeout=60s"}), 0) << err_;
  EXPECT_EQ(server_->count("destroy"), 0u);
}

TEST_F(Controller, LetsGoOfAnObjectWhoseInstanceIsGoneForGood) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  server_->kill();
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--wait=false"}), 0) << err_;
  ASSERT_EQ(kubectl({"annotate", "uk", "web", "-n", space_, "rookery.dev/release=true"}), 0) << err_;
  EXPECT_TRUE(gone("web"));
}

TEST_F(Controller, DestroysNothingWhenManyAreDeletedUntilThatIsConfirmed) {
  run();
  std::string manifests;
  for (int i = 0; i < 6; ++i) manifests += unikernel(fmt::format("web-{}", i));
  apply(manifests);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(becomes(fmt::format("web-{}", i), "Running"));
  ASSERT_EQ(kubectl({"delete", "uk", "--all", "-n", space_, "--wait=false"}), 0) << err_;
  ASSERT_TRUE(becomes("web-0", "PruneGuard"));
  EXPECT_EQ(server_->count("destroy"), 0u);
  const std::string said = message("uk", "web-0");
  const std::string id = said.substr(said.find("confirm-prune: ") + 15, 12);
  ASSERT_EQ(kubectl({"annotate", "alba", instance(), "rookery.dev/confirm-prune=" + id}), 0) << err_;
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(gone(fmt::format("web-{}", i)));
  EXPECT_EQ(server_->count("destroy"), 6u);
}

TEST_F(Controller, DestroysNothingWhenTheDefinitionIsDeleted) {
  auto own = std::make_unique<ApiServer>();  // the definition is everybody's
  std::swap(shared, own);
  SetUp();
  run();
  apply(unikernel("web"));
  EXPECT_TRUE(becomes("web", "Running"));
  EXPECT_EQ(kubectl({"delete", "crd", "unikernels.rookery.dev", "--wait=false"}), 0) << err_;
  EXPECT_TRUE(becomes("web", "PruneGuard"));
  EXPECT_THAT(message("uk", "web"), HasSubstr("CustomResourceDefinition of Unikernels is being deleted"));
  EXPECT_EQ(server_->count("destroy"), 0u);
  controllers_.clear();
  std::swap(shared, own);
}

TEST_F(Controller, KnowsItsOwnAfterARestartWithoutAnyVolume) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  controllers_.back()->kill();
  run();
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--timeout=100s"}), 0)
      << err_ << controllers_.back()->err();
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("destroy", space_ + ":web"), 1u);
}

TEST_F(Controller, ASecondReplicaTakesOverWhenTheFirstIsKilled) {
  fixtures::Process& first = run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  run();
  first.kill();
  apply(unikernel("api"));
  EXPECT_TRUE(becomes("api", "Running"));
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("force-create"), 0u);
}

TEST_F(Controller, ReplicasShareTheInstances) {
  ServerProcess second(files_.path() / "second", ServerProcess::Options{});
  writeInstance(instance(2), second);
  apply(policy(2));
  run({"--shard"});
  run({"--shard"});
  const auto holder = [&](int of) {
    return read({"get", "lease", fmt::format("rookery-instance-{}", instance(of)), "-n", space_, "-o",
                 "jsonpath={.spec.holderIdentity}"});
  };
  EXPECT_TRUE(eventually([&] {
    const std::string one = holder(1), two = holder(2);
    return !one.empty() && !two.empty() && one != two;
  })) << controllers_.back()->err();
  apply(unikernel("one") + unikernel("two", "", 2));
  EXPECT_TRUE(becomes("one", "Running"));
  EXPECT_TRUE(becomes("two", "Running"));
  controllers_.front()->kill();
  EXPECT_TRUE(eventually([&] { return holder(1) == holder(2) && !holder(1).empty(); }));
  apply(unikernel("three") + unikernel("four", "", 2));
  EXPECT_TRUE(becomes("three", "Running"));
  EXPECT_TRUE(becomes("four", "Running"));
}

TEST_F(Controller, TellsWhatIsWrongOnTheObject) {
  run();
  apply(unikernel("web", "  networkInterfaces: [{name: service}]"));
  EXPECT_TRUE(becomes("web", "DeviceMismatch"));
  apply(unikernel("lost", "  argumentsFrom: [{name: X, secretKeyRef: {name: nowhere, key: x}}]"));
  EXPECT_TRUE(becomes("lost", "ReferenceNotFound"));
  apply(unikernel("invalid", "  blockDevices: [{name: a, sectorSize: 513}]"));
  EXPECT_TRUE(becomes("invalid", "InvalidManifest"));
}

TEST_F(Controller, FollowsASecretThatRotates) {
  run();
  apply(fmt::format(
      "apiVersion: v1\nkind: Secret\nmetadata: {{name: db, namespace: {}}}\nstringData: {{x: one}}\n",
      space_));
  apply(unikernel(
      "web", "  arguments: [\"--x=$(X)\"]\n  argumentsFrom: [{name: X, secretKeyRef: {name: db, key: x}}]"));
  ASSERT_TRUE(becomes("web", "Running"));
  apply(fmt::format(
      "apiVersion: v1\nkind: Secret\nmetadata: {{name: db, namespace: {}}}\nstringData: {{x: two}}\n",
      space_));
  EXPECT_TRUE(eventually([&] { return server_->count("restart", space_ + ":web") == 1; }))
      << controllers_.back()->err();
}

TEST_F(Controller, SaysWhichPermissionIsMissing) {
  fixtures::Process& weak = run({}, "weak");
  weak.waitForError("cannot list resource \"unikernels\"");
  EXPECT_THAT(weak.err(), HasSubstr("Grant it with a Role or ClusterRole."));
}

TEST_F(Controller, GoesOnWhenTheApiServerWasRestartedAndHasForgotten) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  shared->kill();
  shared->compact();
  shared->start();
  ASSERT_TRUE(eventually([&] { return kubectl({"get", "uk", "-A"}) == 0; })) << err_;
  apply(unikernel("api"));
  EXPECT_TRUE(becomes("api", "Running"));
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("destroy"), 0u);
}

TEST_F(Controller, RefusesAnObjectThatAFolderDeclaresToo) {
  files_.write("manifests/web.yaml", unikernel("web"));
  run({"--manifests", (files_.path() / "manifests").string()});
  apply(unikernel("web"));
  EXPECT_TRUE(becomes("web", "DuplicateObject"));
  EXPECT_THAT(message("uk", "web"), HasSubstr("manifests/web.yaml"));
}

TEST_F(Controller, WaitsForItsDefinitions) {
  const ApiServer empty;
  fixtures::Process waiting({(programFolder() / "rookery").string(), "run", "--kubernetes", "--kubeconfig",
                             empty.kubeconfig().string(), "--state-dir", (files_.path() / "state").string(),
                             "--listen", "127.0.0.1:0"},
                            files_.path() / "waiting");
  waiting.waitForError("install the CRDs");
  EXPECT_TRUE(waiting.running());
  EXPECT_EQ(waiting.terminate(), 0);
}

}  // namespace
}  // namespace rookery::kubernetes
