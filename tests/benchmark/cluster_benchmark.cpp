// What `rookery run --kubernetes` asks of an API server and how fast it is: convergence of many objects on
// several instances, requests while nothing changes, and how long nobody commands when a replica is killed.
// The API server, the controllers and the emulated Albatross servers are real processes. It prints tables and
// judges nothing.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "error.h"
#include "integration/cluster.h"
#include "kubernetes/api_server.h"

namespace rookery::benchmark {
namespace {

namespace fs = std::filesystem;
using fixtures::eventually;
using integration::ServerProcess;
using kubernetes::ApiServer;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Requests = std::map<ApiServer::Operation, std::uint64_t>;

constexpr auto nameSpace = "shop";
constexpr std::chrono::seconds limit{300};

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct Plan {
  int objects = 500;
  int instances = 5;
  int steady = 60;  // seconds
  int kills = 3;
};

/// An API server with instances on emulated servers, and replicas of the controller.
class Scene {
 public:
  explicit Scene(const Plan& plan) : plan_(plan), client_(api_.client()) {
    kubectl({"apply", "-f", CRDS});
    kubectl({"wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"});
    kubectl({"create", "namespace", nameSpace});
    fs::create_directories(files_.path() / "images");
    check(images::writeImage({.size = 100'000}, files_.path() / "images/web.hvt").has_value(),
          "an image is made");
    for (int i = 0; i < plan.instances; ++i) addInstance(i);
  }

  /// Starts a replica; returns its place.
  std::size_t run(bool shard) {
    const std::string number = std::to_string(replicas_.size());
    std::vector<std::string> arguments = {(programs() / "rookery").string(),
                                          "run",
                                          "--kubernetes",
                                          "--kubeconfig",
                                          api_.kubeconfig().string(),
                                          "--lease-namespace",
                                          nameSpace,
                                          "--image-root",
                                          (files_.path() / "images").string(),
                                          "--state-dir",
                                          (files_.path() / ("state-" + number)).string(),
                                          "--listen",
                                          "127.0.0.1:0"};
    if (shard) arguments.emplace_back("--shard");
    replicas_.push_back(
        std::make_unique<fixtures::Process>(arguments, files_.path() / ("rookery-" + number)));
    return replicas_.size() - 1;
  }
  fixtures::Process& replica(std::size_t place) { return *replicas_[place]; }
  void stopAll() {
    for (const auto& replica : replicas_) {
      if (replica->running()) replica->terminate();
    }
  }

  void create(const std::string& name, int instance) {
    const json body = {{"apiVersion", "rookery.dev/v1alpha1"},
                       {"kind", "Unikernel"},
                       {"metadata", {{"name", name}, {"namespace", nameSpace}}},
                       {"spec",
                        {{"instance", nameOf(instance)},
                         {"image", {{"path", "web.hvt"}}},
                         {"memory", "16Mi"},
                         {"minReadySeconds", 0}}}};
    check(client_->post(fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernels", nameSpace),
                        body.dump()) == 201,
          "the API server takes an object");
  }
  bool runs(const std::string& name) {
    const json object = json::parse(
        client_->get(fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernels/{}", nameSpace, name)),
        nullptr, false);
    const json conditions =
        object.is_object() ? object.value("/status/conditions"_json_pointer, json::array()) : json();
    return std::any_of(conditions.begin(), conditions.end(), [](const json& condition) {
      return condition["type"] == "Ready" && condition["status"] == "True";
    });
  }
  /// How many unikernels the servers have created: asks nobody but them.
  std::size_t created() const {
    std::size_t count = 0;
    for (const auto& server : servers_) count += server->count("create");
    return count;
  }
  std::string holderOf(const std::string& lease) {
    const json object = json::parse(
        client_->get(fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", nameSpace, lease)),
        nullptr, false);
    return object.is_object() ? object.value("/spec/holderIdentity"_json_pointer, "") : "";
  }
  Requests requests() const { return api_.requests(); }
  static std::string nameOf(int instance) { return fmt::format("eu-{}", instance + 1); }
  const Plan& plan() const { return plan_; }

 private:
  static fs::path programs() { return fs::read_symlink("/proc/self/exe").parent_path(); }

  void addInstance(int number) {
    const std::string name = nameOf(number);
    ServerProcess::Options options;
    options.memory = 64 * 1024;
    servers_.push_back(std::make_unique<ServerProcess>(files_.path() / name, options));
    const fs::path& pki = servers_.back()->pki();
    kubectl({"create", "secret", "generic", name, "-n", nameSpace,
             "--from-file=ca.crt=" + (pki / "cacert.pem").string(),
             "--from-file=tls.crt=" + (pki / "admin.pem").string(),
             "--from-file=tls.key=" + (pki / "admin.key").string()});
    kubectl({"apply", "-f",
             files_
                 .write(name + ".yaml", fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {{name: {0}}}
spec: {{endpoint: "{1}", credentials: {{secretRef: {{namespace: {2}, name: {0}}}}}}}
---
apiVersion: rookery.dev/v1alpha1
kind: UnikernelPolicy
metadata: {{name: {0}, namespace: {2}}}
spec: {{instance: {0}, unikernels: 1000, memory: 32Gi, cpuIDs: [0]}}
)",
                                                    name, servers_.back()->address(), nameSpace))
                 .string()});
  }

  void kubectl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kubernetes::program("kubectl-1.35").string());
    const bool done = eventually([&] {
      fixtures::Process process(
          arguments, files_.path() / "kubectl",
          {{"KUBECONFIG", api_.kubeconfig().string()}, {"HOME", files_.path().string()}});
      return process.wait() == 0;
    });
    check(done, "kubectl does what it is told");
  }

  const Plan plan_;
  ApiServer api_;
  fixtures::TempDir files_;
  std::unique_ptr<ApiServer::Client> client_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::vector<std::unique_ptr<fixtures::Process>> replicas_;
};

void printRequests(const Requests& before, const Requests& after, const std::string& unit, double perUnit) {
  double total = 0;
  for (const auto& [operation, count] : after) {
    const auto found = before.find(operation);
    const std::uint64_t more = count - (found == before.end() ? 0 : found->second);
    static constexpr std::string_view ours[] = {
        "unikernels", "unikernelpolicies",        "albatrossinstances", "secrets", "events",
        "leases",     "customresourcedefinitions"};
    const std::string resource = operation.second.substr(0, operation.second.find('/'));
    if (more == 0 || std::ranges::find(ours, resource) == std::end(ours)) continue;
    total += static_cast<double>(more) / perUnit;
    fmt::print("  {:<8} {:<30} {:>8.2f} {}\n", operation.first, operation.second,
               static_cast<double>(more) / perUnit, unit);
  }
  fmt::print("  {:<39} {:>8.2f} {}\n", "all", total, unit);
}

void measureConvergence(Scene& scene) {
  const std::size_t controller = scene.run(false);
  check(eventually([&] { return !scene.holderOf("rookery").empty(); }), "a leader is elected");
  const Requests before = scene.requests();
  const auto begin = Clock::now();
  for (int i = 0; i < scene.plan().objects; ++i)
    scene.create(fmt::format("web-{}", i), i % scene.plan().instances);
  const double posted = since(begin);
  const auto objects = static_cast<std::size_t>(scene.plan().objects);
  check(eventually([&] { return scene.created() == objects; }, limit), scene.replica(controller).err());
  const double created = since(begin);
  check(eventually(
            [&] {
              fixtures::pause(std::chrono::milliseconds(200));
              for (int i = 0; i < scene.plan().objects; ++i) {
                if (!scene.runs(fmt::format("web-{}", i))) return false;
              }
              return true;
            },
            limit),
        "all is Ready");
  fmt::print(
      "{} Unikernels on {} instances: created by a client in {:.1f} s, running after {:.1f} s, all Ready at "
      "the "
      "latest after {:.1f} s\n",
      objects, scene.plan().instances, posted, created, since(begin));
  fmt::print("requests per object (POST and GET of unikernels are this program's):\n");
  printRequests(before, scene.requests(), "per object", static_cast<double>(objects));
}

void measureSteadyState(Scene& scene) {
  fixtures::pause(std::chrono::seconds(10));
  const Requests before = scene.requests();
  const auto begin = Clock::now();
  fixtures::pause(std::chrono::seconds(scene.plan().steady));
  const Requests after = scene.requests();
  fmt::print("requests while nothing changes (a WATCH counts when it ends):\n");
  printRequests(before, after, "per minute", since(begin) / 60);
}

/// Kills one of two replicas and tells when the other does what is asked for right after, on every instance.
void measureHandOver(Scene& scene, bool shard) {
  scene.stopAll();
  std::vector<double> times;
  std::size_t working = scene.run(shard);
  static int round = 0;
  for (int kill = 0; kill < scene.plan().kills; ++kill) {
    const std::string probe = fmt::format("before-{}", ++round);
    scene.create(probe, 0);
    check(eventually([&] { return scene.runs(probe); }, limit), "a replica works");
    const std::size_t other = scene.run(shard);
    const auto shared = [&] {
      std::map<std::string, int> holders;
      for (int i = 0; i < scene.plan().instances; ++i)
        ++holders[scene.holderOf("rookery-instance-" + Scene::nameOf(i))];
      return holders.size() == 2 && !holders.contains("");
    };
    if (shard) {
      check(eventually(shared, limit), "the replicas share the instances");
    } else {
      scene.replica(other).waitForError("Listening for HTTP");
      fixtures::pause(std::chrono::seconds(3));  // it has looked at the Lease
    }
    scene.replica(working).kill();
    const auto begin = Clock::now();
    for (int i = 0; i < scene.plan().instances; ++i) scene.create(fmt::format("after-{}-{}", round, i), i);
    const bool done = eventually(
        [&] {
          for (int i = 0; i < scene.plan().instances; ++i) {
            if (!scene.runs(fmt::format("after-{}-{}", round, i))) return false;
          }
          return true;
        },
        limit);
    check(done, "the other replica works on all instances");
    times.push_back(since(begin));
    working = other;
  }
  std::ranges::sort(times);
  fmt::print(
      "kill -9 of {}, until what was created right after runs on all {} instances: {:.1f} to {:.1f} s, "
      "median "
      "{:.1f} s of {}\n",
      shard ? "one of two replicas with --shard" : "the leader", scene.plan().instances, times.front(),
      times.back(), times[times.size() / 2], times.size());
}

int measure(int argc, char** argv) {
  Plan plan;
  CLI::App app{
      "Measures rookery run --kubernetes, with the API server that tests/kubernetes/install brings."};
  app.add_option("--objects", plan.objects, "How many Unikernels are created at once")->capture_default_str();
  app.add_option("--instances", plan.instances, "On how many instances")->capture_default_str();
  app.add_option("--steady", plan.steady, "Seconds for which requests are counted while nothing changes")
      ->capture_default_str();
  app.add_option("--kills", plan.kills, "How often a replica is killed")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  check(ApiServer::available(), ApiServer::missing);
  Scene scene(plan);
  measureConvergence(scene);
  measureSteadyState(scene);
  measureHandOver(scene, false);
  measureHandOver(scene, true);
  scene.stopAll();
  return 0;
}

}  // namespace
}  // namespace rookery::benchmark

int main(int argc, char** argv) { return rookery::benchmark::measure(argc, argv); }
