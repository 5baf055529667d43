#include "benchmark/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "error.h"
#include "fixtures/pki.h"
#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "images/sha256.h"
#include "kubernetes/api_server.h"

namespace rookery::benchmark {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::size_t callers = 16;             // more than there are phases
constexpr std::size_t creators = 8;             // connections that create objects at the same time
constexpr std::chrono::seconds loadLimit{240};  // for the load
constexpr int calm = 10;                        // so often the same, and nothing changes any more

}  // namespace

void waitUntilCalm(const Access& access, std::size_t objects) {
  Client client(access, callers - 1);
  std::string last;
  int same = 0;
  const bool calmed = fixtures::eventually(
      [&] {
        // Slower than the limit of requests per second.
        fixtures::pause(std::chrono::milliseconds(100));
        const json meta = json::parse(client.get(std::string(unikernels) + "?limit=1").body)
                              .value("metadata", json::object());
        const auto listed = meta.value("remainingItemCount", std::size_t{0}) + 1;
        const std::string version = listed == objects ? meta.value("resourceVersion", "") : "";
        same = version == last && !version.empty() ? same + 1 : 0;
        last = version;
        return same == calm;
      },
      loadLimit);
  if (!calmed) giveUp("the objects are not all there, or do not stay as they are");
}

namespace {

class Rookery final : public Server {
 public:
  explicit Rookery(const fs::path& bin) {
    startAlbatross(bin);
    writeCredentials();
    process_ = std::make_unique<fixtures::Process>(
        std::vector<std::string>{(bin / "rookery").string(), "run", "--manifests", path("manifests"),
                                 "--state-dir", path("state"), "--listen", "127.0.0.1:0", "--api-store",
                                 path("manifests/api"), "--tls-cert", path("server.pem"), "--tls-key",
                                 path("server.key"), "--api-token-file", path("tokens.yaml")},
        folder_.path() / "rookery");
    const std::string rest = process_->waitForError("Listening for HTTP.");
    const auto at = rest.find("port=\"");
    check(at != std::string::npos, "rookery says its port");
    access_.url = fmt::format("https://127.0.0.1:{}", std::stoi(rest.substr(at + 6)));
  }

  const Access& access() const override { return access_; }
  pid_t process() const override { return process_->pid(); }
  std::optional<pid_t> storeProcess() const override { return std::nullopt; }

  void load(const Load& load) override {
    std::map<std::string, std::string> files;
    for (std::size_t i = 0; i < load.objects; ++i)
      files[i == 0 ? "alone" : load.nameSpace(i)] += "---\n" + load.manifest(i);
    for (const auto& [name, documents] : files)
      folder_.replace(fmt::format("manifests/api/{}.yaml", name), documents);
    waitUntilCalm(access_, load.objects);
  }

 private:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  void writePrivate(const std::string& name, const std::string& content) const {
    fs::permissions(folder_.write(name, content), fs::perms::owner_read | fs::perms::owner_write);
  }

  void writeCredentials() {
    const fixtures::Identity ca = fixtures::makeIdentity({.keyType = fixtures::KeyType::P256});
    const fixtures::Identity server = fixtures::makeIdentity(
        {.commonName = "rookery", .keyType = fixtures::KeyType::P256, .ca = false, .ipAddress = "127.0.0.1"},
        &ca);
    access_.caFile = folder_.write("ca.pem", ca.certificate);
    folder_.write("server.pem", server.certificate);
    writePrivate("server.key", server.privateKey);
    std::string tokens = "tokens:\n";
    for (std::size_t i = 0; i < callers; ++i) {
      access_.tokens.push_back(fmt::format("a-token-for-the-benchmark-{}", i));
      tokens += fmt::format("- {{name: caller-{}, sha256: {}, verbs: ['*'], namespaces: ['*']}}\n", i,
                            images::sha256Of(access_.tokens.back()));
    }
    writePrivate("tokens.yaml", tokens);
    folder_.write("manifests/images/web.hvt", images::makeImage({}));
  }

  /// A server for the objects. Suspended: this is about the API.
  void startAlbatross(const fs::path& bin) {
    albatross_ = std::make_unique<fixtures::Process>(
        std::vector<std::string>{(bin / "albatross-emulator").string(), "--listen", "127.0.0.1:0", "--pki",
                                 path("albatross")},
        folder_.path() / "albatross-emulator");
    const std::string address = albatross_->waitForOutput("listening on ");
    const fixtures::Identity ca{fixtures::readFile(path("albatross/cacert.pem")),
                                fixtures::readFile(path("albatross/ca.key"))};
    const fixtures::Identity admin = fixtures::makeIdentity({.commonName = "admin"}, &ca);
    folder_.write("albatross/admin.pem", admin.certificate);
    writePrivate("albatross/admin.key", admin.privateKey);
    folder_.write("manifests/instances.yaml", fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {{name: eu-1}}
spec:
  endpoint: {}
  suspend: true
  credentials:
    files: {{ca: ../albatross/cacert.pem, certificate: ../albatross/admin.pem, privateKey: ../albatross/admin.key}}
)",
                                                          address));
  }

  fixtures::TempDir folder_;
  Access access_;
  std::unique_ptr<fixtures::Process> albatross_, process_;
};

class Kubernetes final : public Server {
 public:
  explicit Kubernetes(const fs::path& crds) {
    access_ = {server_.url(), server_.caFile().string(),
               std::vector<std::string>(callers, server_.adminToken())};
    const fixtures::TempDir folder;
    fixtures::Process kubectl(
        {kubernetes::program("kubectl-1.35").string(), "apply", "-f", crds.string()},
        folder.path() / "kubectl",
        {{"KUBECONFIG", server_.kubeconfig().string()}, {"HOME", folder.path().string()}});
    if (kubectl.wait() != 0) giveUp(kubectl.err());
    httplib::Client client(access_.url);
    client.set_ca_cert_path(access_.caFile.c_str());
    client.set_bearer_token_auth(access_.tokens.front().c_str());
    const bool served = fixtures::eventually([&] {
      const auto answer = client.Get(unikernels);
      return answer && answer->status == 200;
    });
    if (!served) giveUp("kube-apiserver does not serve the kinds of the CRDs");
  }

  const Access& access() const override { return access_; }
  pid_t process() const override { return server_.process().pid(); }
  std::optional<pid_t> storeProcess() const override { return server_.etcd().pid(); }

  void load(const Load& load) override {
    Client client(access_, 0);
    for (std::size_t i = 0; i < load.namespaces; ++i) {
      client.create(
          "/api/v1/namespaces",
          json{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", load.nameSpace(i)}}}}
              .dump());
    }
    std::atomic<std::size_t> next = 0;
    const auto create = [&] {
      Client own(access_, 0);
      for (std::size_t i = next++; i < load.objects; i = next++) {
        const std::string path = load.path(i);
        own.create(path.substr(0, path.rfind('/')), load.manifest(i));
      }
    };
    std::vector<std::jthread> threads;
    threads.reserve(creators);
    for (std::size_t i = 0; i < creators; ++i) threads.emplace_back(create);
    threads.clear();
    waitUntilCalm(access_, load.objects);
  }

 private:
  const kubernetes::ApiServer server_;
  Access access_;
};

}  // namespace

std::string Load::nameSpace(std::size_t object) const { return fmt::format("ns-{}", object % namespaces); }

std::string Load::path(std::size_t object) const {
  return fmt::format("/apis/rookery.dev/v1alpha1/namespaces/{}/unikernels/uk-{}", nameSpace(object), object);
}

std::string Load::manifest(std::size_t object) const {
  return fmt::format(R"(apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata:
  name: uk-{0}
  namespace: {1}
  labels:
    app: web
    bench: {2}
spec:
  instance: eu-1
  image:
    path: ../images/web.hvt
  memory: 64Mi
  minReadySeconds: 0
  arguments:
  - --ipv4=10.0.{3}.{4}/16
  - --logs=info
)",
                     object, nameSpace(object), object < selected ? "selected" : "other", object / 250,
                     object % 250 + 1);
}

std::unique_ptr<Server> startRookery(const fs::path& bin) { return std::make_unique<Rookery>(bin); }

std::unique_ptr<Server> startKubernetes(const fs::path& crds) { return std::make_unique<Kubernetes>(crds); }

}  // namespace rookery::benchmark
