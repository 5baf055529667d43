// rookery run --kubernetes against a real API server and emulated Albatross servers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fixtures/relay.h"
#include "images/image_server.h"
#include "images/sha256.h"
#include "integration/cluster.h"
#include "kubernetes/api_server.h"

namespace rookery::kubernetes {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using integration::ServerProcess;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

fs::path programFolder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

/// One API server for all tests; each has a namespace, instances and controllers of its own.
class Controller : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home = std::make_unique<fixtures::TempDir>();
    if (ApiServer::available())
      shared = std::make_unique<ApiServer>(ApiServer::Options{.users = {{"weak", "weak-token", {}}}});
  }
  static void TearDownTestSuite() {
    shared.reset();
    home.reset();
  }

  void SetUp() override {
    ASSERT_TRUE(ApiServer::available()) << ApiServer::missing;
    client_ = shared->client();
    if (installedOn != shared->url()) ASSERT_NO_FATAL_FAILURE(install());
    ASSERT_EQ(client_->post("/api/v1/namespaces", json{{"metadata", {{"name", space_}}}}.dump()), 201);
    fs::create_directories(files_.path() / "images");
    ASSERT_TRUE(images::writeImage({}, files_.path() / "images/web.hvt"));
    server_ = std::make_unique<ServerProcess>(files_.path() / "server", ServerProcess::Options{});
    writeInstance(instance(), *server_, policy());
  }

  void install() {
    ASSERT_EQ(kubectl({"apply", "-f", CRDS}), 0) << err_;
    ASSERT_EQ(kubectl({"wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"}), 0) << err_;
    ASSERT_TRUE(eventually([&] { return kubectl({"get", "uk", "-A"}) == 0; })) << err_;
    installedOn = shared->url();
  }
  /// Objects that wait for a controller would be in the way of the next test.
  void TearDown() override {
    controllers_.clear();
    if (!shared) return;
    const auto client = shared->client();
    EXPECT_TRUE(eventually([&] { return removeObjects(*client, collection()); }));
    EXPECT_TRUE(eventually([&] {
      return removeObjects(*client,
                           fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernelvolumes", space_));
    }));
    EXPECT_TRUE(eventually([&] { return removeObjects(*client, instances); }));
    client->remove(fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernelpolicies", space_));
    client->remove(leases());
  }
  /// True: none is left.
  static bool removeObjects(ApiServer::Client& client, const std::string& collection) {
    client.remove(collection);
    const json left = json::parse(client.get(collection), nullptr, false);
    if (!left.is_object()) return false;
    for (const json& object : left["items"]) {
      client.mergePatch(fmt::format("{}/{}", collection, object["metadata"]["name"].get<std::string>()),
                        R"({"metadata":{"finalizers":null}})");
    }
    return left["items"].empty();
  }

  int kubectl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program("kubectl-1.35").string());
    fixtures::Process process(
        arguments, files_.path() / "kubectl",
        {{"KUBECONFIG", shared->kubeconfig().string()}, {"HOME", home->path().string()}, goCollects});
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

  /// Together with `more` manifests.
  void writeInstance(const std::string& name, const ServerProcess& server, const std::string& more = "") {
    ASSERT_NO_FATAL_FAILURE(writeSecret(name, server));
    apply(more + fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {{name: {0}}}
spec: {{endpoint: "{1}", credentials: {{secretRef: {{namespace: {2}, name: {0}}}}}}}
)",
                             name, server.address(), space_));
  }
  void writeSecret(const std::string& name, const ServerProcess& server) {
    const std::string secrets = fmt::format("/api/v1/namespaces/{}/secrets", space_);
    const auto file = [&](const char* of) { return fixtures::readFile(server.pki() / of); };
    const json secret = {
        {"metadata", {{"name", name}}},
        {"stringData",
         {{"ca.crt", file("cacert.pem")}, {"tls.crt", file("admin.pem")}, {"tls.key", file("admin.key")}}}};
    client_->remove(secrets + "/" + name);
    ASSERT_EQ(client_->post(secrets, secret.dump()), 201);
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
  minReadySeconds: 0
{}
---
)",
                       name, space_, instance(number), more);
  }

  fixtures::Process& run(const std::vector<std::string>& more = {}, const std::string& user = "admin",
                         int port = 0) {
    const std::string number = std::to_string(controllers_.size() + 1);
    std::vector<std::string> arguments = {(programFolder() / "rookery").string(),
                                          "run",
                                          "--kubernetes",
                                          "--kubeconfig",
                                          shared->kubeconfig(user, port).string(),
                                          "--lease-namespace",
                                          space_,
                                          "--image-root",
                                          (files_.path() / "images").string(),
                                          "--image-hosts",
                                          "127.0.0.1",
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

  // What a test waits for, it asks the server itself: each kubectl takes a tenth of a second of a processor.
  static std::string pathOf(const std::string& kind, const std::string& collection, const std::string& name) {
    if (kind == "alba") return fmt::format("{}/{}", instances, name);
    const std::size_t plural = collection.rfind('/') + 1;
    return fmt::format("{}{}/{}", collection.substr(0, plural),
                       kind == "ukvol" ? "unikernelvolumes" : collection.substr(plural), name);
  }
  json object(const std::string& name, const std::string& kind = "uk") {
    return json::parse(client_->get(pathOf(kind, collection(), name)), nullptr, false);
  }
  /// A field of the object's Ready condition; empty when there is none.
  static std::string ofReady(const json& object, const char* field) {
    if (!object.is_object() || !object.contains("status")) return "";
    for (const json& condition : object["status"].value("conditions", json::array())) {
      if (condition.value("type", "") == "Ready") return condition.value(field, "");
    }
    return "";
  }
  std::string reason(const std::string& kind, const std::string& name) {
    return ofReady(object(name, kind), "reason");
  }
  std::string message(const std::string& kind, const std::string& name) {
    return ofReady(object(name, kind), "message");
  }
  /// The generation that its status is about; 0 when it has none.
  std::int64_t observed(const std::string& name) {
    const json found = object(name);
    return found.is_object() && found.contains("status")
               ? found["status"].value("observedGeneration", std::int64_t{0})
               : 0;
  }
  testing::AssertionResult becomes(const std::string& name, const std::string& wanted,
                                   const std::string& kind = "uk") {
    if (eventually([&] { return reason(kind, name) == wanted; })) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << name << ": " << reason(kind, name) << ": " << message(kind, name) << "\n"
           << lastOf(controllers_.back()->err());
  }
  static std::string lastOf(const std::string& log) {
    constexpr std::size_t shown = 8'000;
    return log.substr(log.size() - std::min(log.size(), shown));
  }
  /// How many of the namespace's Unikernels have a condition Ready for that reason.
  std::size_t countOf(const std::string& wanted) {
    const json list = json::parse(client_->get(collection()), nullptr, false);
    if (!list.is_object()) return 0;
    return static_cast<std::size_t>(std::ranges::count_if(
        list["items"], [&](const json& object) { return ofReady(object, "reason") == wanted; }));
  }
  /// Creates objects faster than kubectl does.
  void create(ApiServer::Client& client, const std::string& name, const json& spec) const {
    const json body = {{"apiVersion", "rookery.dev/v1alpha1"},
                       {"kind", "Unikernel"},
                       {"metadata", {{"name", name}, {"namespace", space_}}},
                       {"spec", spec}};
    ASSERT_EQ(client.post(collection(), body.dump()), 201);
  }
  std::string collection() const {
    return fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernels", space_);
  }
  std::string leases() const {
    return fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases", space_);
  }
  bool gone(const std::string& name, const std::string& kind = "uk") {
    return eventually([&] { return client_->status(pathOf(kind, collection(), name)) == 404; });
  }
  /// The ID of the first set of unikernels that an instance's condition asks about, at last; empty: of none.
  std::string withheldOn(const std::string& name) {
    constexpr std::string_view before = "rookery.dev/confirm-prune=";
    std::string id;
    eventually([&] {
      const std::string said = message("alba", name);
      if (const auto at = said.find(before); at != std::string::npos)
        id = said.substr(at + before.size(), 12);
      return !id.empty();
    });
    return id;
  }
  /// Whether its Ready condition says so, at last.
  testing::AssertionResult says(const std::string& name, const std::string& words) {
    if (eventually([&] { return message("uk", name).find(words) != std::string::npos; }))
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << reason("uk", name) << ": " << message("uk", name) << "\n"
                                       << lastOf(controllers_.back()->err());
  }

  static constexpr auto instances = "/apis/rookery.dev/v1alpha1/albatrossinstances";
  static inline std::unique_ptr<ApiServer> shared;
  static inline std::unique_ptr<fixtures::TempDir>
      home;                               // of kubectl, which keeps there what kinds there are
  static inline std::string installedOn;  // the URL of the server that has the CRDs
  static inline int testNumber = 0;
  const std::string space_ = fmt::format("test-{}", ++testNumber);
  fixtures::TempDir files_;
  std::unique_ptr<ApiServer::Client> client_;
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
  EXPECT_TRUE(eventually([&] { return observed("web") == 2; }));
  EXPECT_TRUE(eventually([&] {
    return read({"get", "events", "-n", space_}).find("Created") != std::string::npos;
  })) << out_
      << err_;
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

TEST_F(Controller, DestroysWhatIsDeletedTogetherWithItsInstance) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  EXPECT_EQ(object(instance(), "alba")["metadata"]["finalizers"], json({"rookery.dev/albatrossinstance"}));
  ASSERT_EQ(kubectl({"delete", "alba", instance(), "--wait=false"}), 0) << err_;
  ASSERT_EQ(kubectl({"delete", "ukpol", "--all", "-n", space_}), 0) << err_;
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--wait=false"}), 0) << err_;
  EXPECT_TRUE(gone("web")) << lastOf(controllers_.back()->err());
  EXPECT_TRUE(gone(instance(), "alba")) << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("destroy", space_ + ":web"), 1u);
}

TEST_F(Controller, SaysThatNobodyDestroysWhatWasOnAnInstanceThatWasReleased) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  ASSERT_EQ(kubectl({"delete", "alba", instance(), "--wait=false"}), 0) << err_;
  ASSERT_EQ(kubectl({"annotate", "alba", instance(), "rookery.dev/release=true"}), 0) << err_;
  ASSERT_TRUE(gone(instance(), "alba")) << lastOf(controllers_.back()->err());
  controllers_.back()->kill();
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--wait=false"}), 0) << err_;
  run();  // which has never seen it declared
  ASSERT_TRUE(says("web", "cannot be destroyed: AlbatrossInstance " + instance()));
  EXPECT_EQ(reason("uk", "web"), "InstanceNotFound");
  EXPECT_THAT(message("uk", "web"), HasSubstr("rookery.dev/release"));
  EXPECT_EQ(server_->count("destroy"), 0u);
  writeInstance(instance(), *server_);
  EXPECT_TRUE(gone("web")) << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("destroy", space_ + ":web"), 1u);
}

TEST_F(Controller, SaysThatNobodyDestroysWhereItMayNotPrune) {
  run({"--no-prune"});
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--wait=false"}), 0) << err_;
  ASSERT_TRUE(says("web", "pruning is off"));
  EXPECT_THAT(message("uk", "web"), HasSubstr("rookery.dev/release"));
  ASSERT_EQ(kubectl({"annotate", "uk", "web", "-n", space_, "rookery.dev/release=true"}), 0) << err_;
  EXPECT_TRUE(gone("web"));
  EXPECT_EQ(server_->count("destroy"), 0u);
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
  const std::string id = withheldOn(instance());
  ASSERT_FALSE(id.empty()) << lastOf(controllers_.back()->err());
  EXPECT_TRUE(says("web-0", "who may change AlbatrossInstance " + instance()));
  EXPECT_THAT(message("uk", "web-0"), Not(HasSubstr(id)));
  // Who may change a Unikernel need not be the one who may confirm that.
  ASSERT_EQ(kubectl({"annotate", "uk", "web-0", "-n", space_, "rookery.dev/confirm-prune=" + id}), 0) << err_;
  apply(unikernel("other"));
  ASSERT_TRUE(becomes("other", "Running"));
  ASSERT_EQ(kubectl({"delete", "uk", "other", "-n", space_, "--timeout=60s"}), 0) << err_;
  EXPECT_EQ(server_->count("destroy"), 1u) << "one that is deleted later goes, and no other";
  controllers_.back()->kill();
  run();
  ASSERT_TRUE(eventually([&] { return withheldOn(instance()) == id; })) << "it is the same after a restart";
  ASSERT_EQ(kubectl({"annotate", "alba", instance(), "rookery.dev/confirm-prune=" + id}), 0) << err_;
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(gone(fmt::format("web-{}", i)));
  EXPECT_EQ(server_->count("destroy"), 7u);
}

TEST_F(Controller, HoldsUpNobodyForWhatOthersDeleteAtOnce) {
  const std::string neighbour = space_ + "-b";
  ASSERT_EQ(kubectl({"create", "namespace", neighbour}), 0) << err_;
  const auto there = [&](std::string manifest) {
    return manifest.replace(manifest.find("namespace: " + space_), 11 + space_.size(),
                            "namespace: " + neighbour);
  };
  run();
  apply(there(policy()) + there(unikernel("web")));
  std::string manifests;
  for (int i = 0; i < 5; ++i) manifests += unikernel(fmt::format("web-{}", i));
  apply(manifests);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(becomes(fmt::format("web-{}", i), "Running"));
  ASSERT_TRUE(eventually([&] { return server_->count("create", neighbour + ":web") == 1; }));
  ASSERT_EQ(kubectl({"delete", "uk", "--all", "-n", space_, "--wait=false"}), 0) << err_;
  EXPECT_EQ(kubectl({"delete", "uk", "web", "-n", neighbour, "--timeout=60s"}), 0) << err_;
  EXPECT_EQ(server_->count("destroy"), 1u);
  EXPECT_FALSE(withheldOn(instance()).empty());
}

TEST_F(Controller, LeavesWhatWasReleasedWhileNoneRan) {
  struct Case {
    std::string name;
    std::vector<std::string> release;
  };
  const std::vector<Case> cases = {
      {"annotated", {"annotate", "uk", "annotated", "-n", space_, "rookery.dev/release=true"}},
      {"kept", {"patch", "uk", "kept", "-n", space_, "--type=merge", "-p", R"({"spec":{"prune":false}})"}},
      {"frozen",
       {"patch", "uk", "frozen", "-n", space_, "--type=merge", "-p", R"({"spec":{"suspend":true}})"}}};
  run();
  std::string manifests = unikernel("last");
  for (const Case& given : cases) manifests += unikernel(given.name);
  apply(manifests);
  for (const Case& given : cases) ASSERT_TRUE(becomes(given.name, "Running"));
  ASSERT_TRUE(becomes("last", "Running"));
  controllers_.back()->kill();
  for (const Case& given : cases) {
    ASSERT_EQ(kubectl({"delete", "uk", given.name, "-n", space_, "--wait=false"}), 0) << err_;
    ASSERT_EQ(kubectl(given.release), 0) << err_;
  }
  ASSERT_EQ(kubectl({"delete", "uk", "last", "-n", space_, "--wait=false"}), 0) << err_;
  run();
  for (const Case& given : cases) EXPECT_TRUE(gone(given.name)) << lastOf(controllers_.back()->err());
  EXPECT_TRUE(gone("last")) << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("destroy"), 1u) << server_->journal();
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
  EXPECT_TRUE(says("web", "CustomResourceDefinition of Unikernels is being deleted"));
  EXPECT_EQ(server_->count("destroy"), 0u);
  controllers_.clear();
  std::swap(shared, own);
  client_ = shared->client();
  installedOn.clear();
}

TEST_F(Controller, KnowsItsOwnAfterARestartWithoutAnyVolume) {
  run();
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  controllers_.back()->kill();
  run();
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--timeout=100s"}), 0)
      << err_ << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("destroy", space_ + ":web"), 1u);
}

TEST_F(Controller, FollowsVolumesAndRemembersThemOnTheObject) {
  const auto volume = [&](const std::string& name, const std::string& reclaimPolicy) {
    return fmt::format(
        "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelVolume\nmetadata: {{name: {}, namespace: {}}}\n"
        "spec: {{instance: {}, size: 1Mi, source: {{path: web.hvt}}, reclaimPolicy: {}}}\n---\n",
        name, space_, instance(), reclaimPolicy);
  };
  const std::string roomy = fmt::format(
      "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {{name: limits-1, namespace: {}}}\n"
      "spec: {{instance: {}, unikernels: 100, memory: 2Gi, cpuIDs: [0], blockStorage: 64Mi}}\n---\n",
      space_, instance());
  run();
  apply(roomy + volume("kept", "Retain") + volume("gone", "Delete"));
  ASSERT_TRUE(becomes("kept", "Succeeded", "ukvol"));
  ASSERT_TRUE(becomes("gone", "Succeeded", "ukvol"));
  EXPECT_EQ(server_->count("block-set", space_ + ":kept"), 1u);
  const json seen = object("kept", "ukvol");
  EXPECT_EQ(seen["status"].value("size", ""), "1Mi");
  EXPECT_EQ(seen["status"].value("instance", ""), instance());
  EXPECT_EQ(seen["metadata"]["finalizers"], json::array({"rookery.dev/unikernelvolume"}));
  EXPECT_TRUE(seen["metadata"]["annotations"].contains("rookery.dev/inventory"));

  controllers_.back()->kill();
  run();
  ASSERT_EQ(kubectl({"delete", "ukvol", "kept", "gone", "-n", space_, "--timeout=100s"}), 0)
      << err_ << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("block-remove", space_ + ":gone"), 1u);
  EXPECT_EQ(server_->count("block-remove", space_ + ":kept"), 0u);
  EXPECT_EQ(server_->count("block-set"), 2u) << "what was written is remembered";
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
  writeInstance(instance(2), second, policy(2));
  run({"--shard"});
  run({"--shard"});
  const auto holder = [&](int of) {
    const json lease = json::parse(
        client_->get(fmt::format("{}/rookery-instance-{}", leases(), instance(of))), nullptr, false);
    return lease.is_object() ? lease["spec"].value("holderIdentity", "") : "";
  };
  EXPECT_TRUE(eventually([&] {
    const std::string one = holder(1), two = holder(2);
    return !one.empty() && !two.empty() && one != two;
  })) << lastOf(controllers_.back()->err());
  apply(unikernel("one") + unikernel("two", "", 2));
  EXPECT_TRUE(becomes("one", "Running"));
  EXPECT_TRUE(becomes("two", "Running"));
  controllers_.front()->kill();
  EXPECT_TRUE(eventually([&] { return holder(1) == holder(2) && !holder(1).empty(); }));
  apply(unikernel("three") + unikernel("four", "", 2));
  EXPECT_TRUE(becomes("three", "Running"));
  EXPECT_TRUE(becomes("four", "Running"));
}

/// Each tells how it stands on its own instances, and neither takes back what the other has told.
TEST_F(Controller, ReplicasTellTogetherHowAUnikernelStandsThatIsOnInstancesOfBoth) {
  ServerProcess second(files_.path() / "second", ServerProcess::Options{});
  writeInstance(instance(2), second, policy(2));
  ASSERT_EQ(kubectl({"label", "alba", instance(1), instance(2), "of=" + space_}), 0) << err_;
  run({"--shard"});
  run({"--shard"});
  const auto web = [&](const std::string& arguments) {
    return fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {{name: web, namespace: {0}}}
spec:
  placement: {{instanceSelector: {{matchLabels: {{of: {0}}}}}, replicas: All}}
  image: {{path: web.hvt}}
  minReadySeconds: 0
  arguments: [{1}]
)",
                       space_, arguments);
  };
  const auto readyOn = [&] {
    std::set<std::string> names;
    const json status = object("web").value("status", json::object());
    for (const json& placement : status.value("placements", json::array())) {
      if (placement.value("ready", "") == "True" &&
          placement.value("observedGeneration", 0) == observed("web"))
        names.insert(placement["instance"]);
    }
    return names;
  };
  const auto settled = [&](std::int64_t generation) {
    return observed("web") == generation && reason("uk", "web") == "Running" &&
           readyOn() == std::set{instance(1), instance(2)};
  };
  apply(web("--first"));
  EXPECT_TRUE(eventually([&] { return settled(1); })) << object("web").dump(2);
  apply(web("--second"));
  EXPECT_TRUE(eventually([&] { return settled(2); })) << object("web").dump(2);
  EXPECT_EQ(server_->count("restart") + second.count("restart"), 2u);
  const auto writes = [&] { return shared->requests()[{"PATCH", "unikernels/status"}]; };
  const std::uint64_t before = writes();
  apply(unikernel("other"));  // by then each has looked again
  EXPECT_TRUE(becomes("other", "Running"));
  EXPECT_LT(writes() - before, 10u) << "they do not answer each other for ever";
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

TEST_F(Controller, ItsDefinitionTakesTheImagesThatAManifestMayName) {
  const std::string digest(64, 'a');
  const std::pair<std::string, bool> images[] = {
      {"{path: web.hvt}", true},
      {"{path: web.hvt, sha256: " + digest + "}", true},
      {"{url: 'https://a/web.hvt', sha256: " + digest + "}", true},
      {"{sha256: " + digest + "}", true},
      {"{}", false},
      {"{url: 'https://a/web.hvt'}", false},
      {"{path: web.hvt, url: 'https://a/web.hvt'}", false},
      {"{path: web.hvt, url: 'https://a/web.hvt', sha256: " + digest + "}", false},
  };
  for (const auto& [image, taken] : images) {
    const std::string manifest = fmt::format(
        "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: image, namespace: {}}}\n"
        "spec: {{image: {}}}\n",
        space_, image);
    const int status =
        kubectl({"create", "--dry-run=server", "-f", files_.write("manifest.yaml", manifest).string()});
    EXPECT_EQ(status == 0, taken) << image << err_;
  }
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
      << lastOf(controllers_.back()->err());
}

/// What a controller may do, less one thing.
std::string permissionsWithout(const std::string& missing) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> needed = {
      {"unikernels.rookery.dev", {"get", "list", "watch", "patch"}},
      {"unikernelpolicies.rookery.dev", {"list", "watch"}},
      {"unikernelvolumes.rookery.dev", {"get", "list", "watch", "patch"}},
      {"unikernelvolumes/status.rookery.dev", {"patch"}},
      {"albatrossinstances.rookery.dev", {"get", "list", "watch", "patch"}},
      {"unikernels/status.rookery.dev", {"patch"}},
      {"unikernelpolicies/status.rookery.dev", {"patch"}},
      {"albatrossinstances/status.rookery.dev", {"patch"}},
      {"secrets", {"get", "list", "watch"}},
      {"events", {"create", "patch"}},
      {"leases.coordination.k8s.io", {"get", "list", "create", "update", "delete"}},
      {"customresourcedefinitions.apiextensions.k8s.io", {"get"}}};
  json rules = json::array();
  for (const auto& [resource, verbs] : needed) {
    const auto dot = std::min(resource.find('.'), resource.size());
    const std::string group = dot == resource.size() ? "" : resource.substr(dot + 1);
    json granted = json::array();
    for (const std::string& verb : verbs) {
      if (fmt::format("{} {}", verb, resource.substr(0, dot)) != missing) granted.push_back(verb);
    }
    if (granted.empty()) continue;
    rules.push_back({{"apiGroups", {group}}, {"resources", {resource.substr(0, dot)}}, {"verbs", granted}});
  }
  const json role = {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                     {"kind", "ClusterRole"},
                     {"metadata", {{"name", "weak"}}},
                     {"rules", rules}};
  const json binding = {
      {"apiVersion", "rbac.authorization.k8s.io/v1"},
      {"kind", "ClusterRoleBinding"},
      {"metadata", {{"name", "weak"}}},
      {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", "weak"}}},
      {"subjects", {{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "User"}, {"name", "weak"}}}}};
  return role.dump() + "\n---\n" + binding.dump();
}

TEST_F(Controller, SaysWhichPermissionIsMissing) {
  // The first of them while there is no Lease yet.
  const std::vector<std::string> verbs = {
      "create leases",    "list unikernels",         "watch unikernels",
      "patch unikernels", "patch unikernels/status", "watch secrets",
      "create events",    "update leases",           "list albatrossinstances"};
  int number = 0;
  for (const std::string& missing : verbs) {
    SCOPED_TRACE(missing);
    apply(permissionsWithout(missing));
    fixtures::Process& weak = run({}, "weak");
    apply(unikernel(fmt::format("web-{}", ++number)));
    const auto space = missing.find(' ');
    weak.waitForError(
        fmt::format("cannot {} resource \"{}\"", missing.substr(0, space), missing.substr(space + 1)));
    EXPECT_THAT(weak.err(),
                testing::ContainsRegex(fmt::format(
                    R"(Grant it with a rule \{{apiGroups: \[.*\], resources: \[{}\].*, verbs: \[{}\]\}})",
                    missing.substr(space + 1), missing.substr(0, space))));
    EXPECT_EQ(weak.terminate(), 0) << weak.err();
  }
  apply(permissionsWithout("nothing"));
  run({}, "weak");
  // Another than those before: one of these may have been on its way to the server when its controller ended,
  // and is in doubt then.
  apply(unikernel("last"));
  EXPECT_TRUE(becomes("last", "Running")) << "and these are all that are needed";
}

TEST_F(Controller, GoesOnWhenItsWatchesBreak) {
  fixtures::Relay relay(shared->port());
  run({}, "admin", relay.port());
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  for (int round = 1; round <= 3; ++round) {
    relay.cut();
    apply(unikernel("web", fmt::format("  arguments: [--round={}]", round)) +
          unikernel(fmt::format("web-{}", round)));
    EXPECT_TRUE(becomes(fmt::format("web-{}", round), "Running"));
    EXPECT_TRUE(eventually([&] { return observed("web") == round + 1; }));
  }
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("restart", space_ + ":web"), 3u);
  EXPECT_EQ(server_->count("destroy"), 0u);
}

TEST_F(Controller, SendsNoMoreOfAnImageOnceItsLeaseIsLost) {
  ASSERT_TRUE(images::writeImage({.size = 48 << 20}, files_.path() / "images/large.hvt"));
  fixtures::Relay toServer(std::stoi(server_->address().substr(server_->address().rfind(':') + 1)));
  ASSERT_EQ(kubectl({"patch", "alba", instance(), "--type=merge", "-p",
                     fmt::format(R"({{"spec":{{"endpoint":"127.0.0.1:{}"}}}})", toServer.port())}),
            0)
      << err_;
  fixtures::Relay toCluster(shared->port());
  fixtures::Process& first = run({}, "admin", toCluster.port());
  ASSERT_TRUE(eventually([&] { return client_->status(leases() + "/rookery") == 200; }));
  toServer.holdAfter(1 << 20);
  std::string large = unikernel("web");
  large.replace(large.find("web.hvt"), 7, "large.hvt");
  apply(large);
  ASSERT_TRUE(toServer.waitUntilHeld()) << first.err();
  toCluster.hold();
  run();
  EXPECT_TRUE(becomes("web", "Running")) << "the other replica does it";
  ASSERT_EQ(server_->count("create", space_ + ":web"), 1u);
  toServer.release();
  first.waitForError("could not be renewed in time");
  toCluster.release();
  EXPECT_EQ(first.terminate(), 0);
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u) << server_->journal();
  EXPECT_EQ(server_->count("force-create"), 0u);
}

TEST_F(Controller, IsNotConfusedByOthersThatWriteTheSameObjects) {
  constexpr int objects = 8;
  run();
  std::atomic<bool> over = false;
  std::atomic<int> conflicts = 0, written = 0;
  std::thread others([&] {
    const auto client = shared->client();
    for (int i = 0; !over; ++i) {
      const std::string path = fmt::format("{}/web-{}", collection(), i % objects);
      const json label = {{"metadata", {{"labels", {{"round", std::to_string(i)}}}}}};
      const int status = client->mergePatch(path, label.dump());
      if (status == 200) ++written;
      if (status == 409) ++conflicts;
    }
  });
  std::string manifests;
  for (int i = 0; i < objects; ++i) manifests += unikernel(fmt::format("web-{}", i));
  apply(manifests);
  EXPECT_TRUE(eventually([&] { return countOf("Running") == objects; }))
      << lastOf(controllers_.back()->err());
  for (int i = 0; i < objects; ++i) apply(unikernel(fmt::format("web-{}", i), "  arguments: [--again]"));
  EXPECT_TRUE(eventually([&] { return server_->count("restart") == objects; }))
      << lastOf(controllers_.back()->err());
  over = true;
  others.join();
  EXPECT_GT(written, objects);
  EXPECT_TRUE(eventually([&] { return countOf("Running") == objects; }));
  EXPECT_EQ(server_->count("create"), static_cast<std::size_t>(objects));
  EXPECT_EQ(server_->count("force-create"), 0u);
  EXPECT_EQ(object("web-0")["metadata"]["labels"].size(), 1u) << "what others wrote stays";
}

TEST_F(Controller, KnowsManyObjectsAndWritesWhatChangedOnly) {
  constexpr std::size_t count = 510;  // more than the controller is given with one answer
  const auto client = shared->client();
  for (std::size_t i = 0; i < count; ++i) {
    create(*client, fmt::format("web-{}", i),
           {{"instance", instance()}, {"image", {{"path", "web.hvt"}}}, {"suspend", true}});
  }
  run();
  // To ask for one is cheap, and this is the last that is written.
  const auto isWritten = [&] {
    return client->get(collection() + "/web-99").find("Suspended") != std::string::npos;
  };
  ASSERT_TRUE(eventually(isWritten, std::chrono::seconds(600)))
      << countOf("Suspended") << lastOf(controllers_.back()->err());
  ASSERT_TRUE(eventually([&] { return countOf("Suspended") == count; }))
      << lastOf(controllers_.back()->err());
  controllers_.back()->terminate();
  const auto writes = [&] { return shared->requests()[{"PATCH", "unikernels/status"}]; };
  const std::uint64_t before = writes();
  run();
  apply(unikernel("api"));
  ASSERT_TRUE(becomes("api", "Running"));
  EXPECT_LT(writes() - before, 20u) << "what was known is not written again: "
                                    << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("create"), 1u);
}

TEST_F(Controller, PullsAnImageOnceForAllInstances) {
  ServerProcess second(files_.path() / "second", ServerProcess::Options{});
  writeInstance(instance(2), second, policy(2));
  images::ImageServer builds;
  const std::string bytes = images::makeImage({.size = 100'000, .content = "pulled"});
  builds.put("/web.hvt", {.bytes = bytes});
  const json image = {{"url", builds.url("/web.hvt")}, {"sha256", images::sha256Of(bytes)}};
  const auto client = shared->client();
  run();
  for (int i = 0; i < 6; ++i)
    create(*client, fmt::format("web-{}", i), {{"instance", instance(1 + i % 2)}, {"image", image}});
  EXPECT_TRUE(eventually([&] { return countOf("Running") == 6; })) << lastOf(controllers_.back()->err());
  EXPECT_EQ(builds.asked().size(), 1u);
  EXPECT_EQ(client->post(collection(), R"({"apiVersion":"rookery.dev/v1alpha1","kind":"Unikernel",
    "metadata":{"name":"unpinned"},"spec":{"image":{"url":"https://builds.example.org/web.hvt"}}})"),
            422)
      << "the API server itself wants the digest";
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
  EXPECT_TRUE(says("web", "manifests/web.yaml"));
}

TEST_F(Controller, HandsAnObjectOverToAFolderThatDeclaresItToo) {
  const fs::path folder = files_.path() / "manifests";
  fs::create_directories(folder);
  ASSERT_TRUE(images::writeImage({}, folder / "web.hvt"));
  run({"--manifests", folder.string()});
  apply(unikernel("web"));
  ASSERT_TRUE(becomes("web", "Running"));
  files_.write("manifests/web.yaml", unikernel("web"));
  ASSERT_TRUE(becomes("web", "DuplicateObject"));
  ASSERT_EQ(kubectl({"delete", "uk", "web", "-n", space_, "--wait=false"}), 0) << err_;
  EXPECT_TRUE(gone("web")) << lastOf(controllers_.back()->err());
  EXPECT_EQ(server_->count("create", space_ + ":web"), 1u);
  EXPECT_EQ(server_->count("destroy"), 0u);
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
