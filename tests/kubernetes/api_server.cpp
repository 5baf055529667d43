#include "kubernetes/api_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "error.h"
#include "fixtures/pki.h"

namespace rookery::kubernetes {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::chrono::seconds patience{120};  // for a start; a machine that builds at the same time is slow
constexpr int attempts = 5;                    // at finding a port that stays free

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// As tests/kubernetes/install has it.
fs::path toolsFolder() {
  if (const std::string tools = variable("ROOKERY_TEST_TOOLS"); !tools.empty()) return tools;
  const std::string cache = variable("XDG_CACHE_HOME");
  return (cache.empty() ? fs::path(variable("HOME")) / ".cache" : fs::path(cache)) / "rookery-test-tools";
}

/// A port of 127.0.0.1 that nobody listens on now.
int freePort() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  void* const pointer = &address;
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(socket >= 0 && ::bind(socket, static_cast<sockaddr*>(pointer), length) == 0 &&
            ::getsockname(socket, static_cast<sockaddr*>(pointer), &length) == 0,
        "a free port can be found");
  ::close(socket);
  return ntohs(address.sin_port);
}

/// Aborts with the end of what the program wrote.
[[noreturn]] void giveUp(const fixtures::Process& process, const std::string& what) {
  const std::string log = process.err();
  std::fputs(log.substr(log.size() - std::min<std::size_t>(log.size(), 8192)).c_str(), stderr);
  check(false, what);
  std::abort();
}

bool portWasTaken(const fixtures::Process& process) {
  return process.err().find("address already in use") != std::string::npos;
}

httplib::Client clientOf(const std::string& url) {
  httplib::Client client(url);
  client.set_read_timeout(std::chrono::seconds(20));
  return client;
}

/// The value of a label in a line of Prometheus' text format; empty: it has none.
std::string labelOf(const std::string& line, const std::string& name) {
  const std::string before = name + "=\"";
  auto start = line.find("{" + before);
  if (start == std::string::npos) start = line.find("," + before);
  if (start == std::string::npos) return "";
  start += before.size() + 1;
  return line.substr(start, line.find('"', start) - start);
}

}  // namespace

fs::path program(const std::string& name) {
  const std::string assets = variable("KUBEBUILDER_ASSETS");
  if (!assets.empty() && fs::exists(fs::path(assets) / name)) return fs::path(assets) / name;
  const fs::path installed = toolsFolder() / name;
  return fs::exists(installed) ? installed : fs::path();
}

bool ApiServer::available() { return !program("kube-apiserver").empty() && !program("etcd").empty(); }

ApiServer::ApiServer(Options options) : options_(std::move(options)) {
  check(available(), missing);
  options_.users.insert(options_.users.begin(), {"admin", "admin-token", {"system:masters"}});
  writeFiles();
  startEtcd();
  for (int left = attempts; left > 0; --left) {
    port_ = freePort();
    url_ = fmt::format("https://127.0.0.1:{}", port_);
    if (tryStart()) return;
  }
  giveUp(*apiServer_, "a kube-apiserver finds a free port");
}

ApiServer::~ApiServer() {
  // The other way round, it would wait in vain for its store.
  apiServer_.reset();
  etcd_.reset();
}

void ApiServer::writeFiles() const {
  const fixtures::Identity ca = fixtures::makeIdentity({.keyType = fixtures::KeyType::P256});
  const fixtures::Identity server = fixtures::makeIdentity({.commonName = "kube-apiserver",
                                                            .keyType = fixtures::KeyType::P256,
                                                            .ca = false,
                                                            .ipAddress = "127.0.0.1"},
                                                           &ca);
  const fixtures::Identity serviceAccounts = fixtures::makeIdentity({.keyType = fixtures::KeyType::Rsa2048});
  folder_.write("ca.pem", ca.certificate);
  folder_.write("server.pem", server.certificate);
  folder_.write("server.key", server.privateKey);
  folder_.write("service-accounts.pem", serviceAccounts.certificate);
  folder_.write("service-accounts.key", serviceAccounts.privateKey);
  std::string tokens;
  for (const User& user : options_.users)
    tokens += fmt::format("{},{},{},\"{}\"\n", user.token, user.name, user.name, fmt::join(user.groups, ","));
  folder_.write("tokens.csv", tokens);
}

void ApiServer::startEtcd() {
  const std::string etcd = program("etcd").string();
  for (int left = attempts; left > 0; --left) {
    etcdUrl_ = fmt::format("http://127.0.0.1:{}", freePort());
    const std::string peers = fmt::format("http://127.0.0.1:{}", freePort());
    const std::string data = (folder_.path() / fmt::format("etcd-{}", left)).string();
    etcd_ = std::make_unique<fixtures::Process>(
        std::vector<std::string>{etcd, "--data-dir", data, "--listen-client-urls", etcdUrl_,
                                 "--advertise-client-urls", etcdUrl_, "--listen-peer-urls", peers,
                                 "--initial-advertise-peer-urls", peers, "--initial-cluster",
                                 "default=" + peers, "--unsafe-no-fsync"},
        folder_.path() / "etcd", std::map<std::string, std::string>{goCollects});
    bool healthy = false;
    fixtures::eventually(
        [&] {
          const auto answer = clientOf(etcdUrl_).Get("/health");
          healthy = answer && answer->status == 200;
          return healthy || !etcd_->running();
        },
        patience);
    if (healthy) return;
    if (!portWasTaken(*etcd_)) giveUp(*etcd_, "an etcd starts");
  }
  giveUp(*etcd_, "an etcd finds a free port");
}

std::vector<std::string> ApiServer::arguments() const {
  const auto file = [&](const char* flag, const char* name) {
    return fmt::format("{}={}", flag, (folder_.path() / name).string());
  };
  std::vector<std::string> all = {program("kube-apiserver").string(),
                                  "--bind-address=127.0.0.1",
                                  "--advertise-address=127.0.0.1",
                                  fmt::format("--secure-port={}", port_),
                                  "--endpoint-reconciler-type=none",
                                  "--etcd-servers=" + etcdUrl_,
                                  "--service-cluster-ip-range=10.96.0.0/16",
                                  file("--tls-cert-file", "server.pem"),
                                  file("--tls-private-key-file", "server.key"),
                                  file("--client-ca-file", "ca.pem"),
                                  file("--token-auth-file", "tokens.csv"),
                                  "--authorization-mode=RBAC",
                                  "--service-account-issuer=https://127.0.0.1",
                                  file("--service-account-key-file", "service-accounts.key"),
                                  file("--service-account-signing-key-file", "service-accounts.key"),
                                  "--disable-admission-plugins=ServiceAccount"};
  all.insert(all.end(), options_.flags.begin(), options_.flags.end());
  return all;
}

bool ApiServer::tryStart() {
  apiServer_ = std::make_unique<fixtures::Process>(
      arguments(), folder_.path() / fmt::format("kube-apiserver-{}", ++lives_),
      std::map<std::string, std::string>{goCollects});
  if (waitUntilReady()) return true;
  if (!portWasTaken(*apiServer_)) giveUp(*apiServer_, "a kube-apiserver becomes ready");
  return false;
}

/// False: it has ended, or is not ready in time.
bool ApiServer::waitUntilReady() {
  bool ready = false;
  fixtures::eventually(
      [&] {
        ready = !get("/readyz").empty();
        return ready || !apiServer_->running();
      },
      patience);
  return ready && apiServer_->running();
}

void ApiServer::start() {
  if (!tryStart()) giveUp(*apiServer_, "a kube-apiserver gets its port again");
}

void ApiServer::stop() { apiServer_->terminate(); }

void ApiServer::kill() { apiServer_->kill(); }

fs::path ApiServer::kubeconfig(const std::string& user, int port) const {
  const auto found = std::ranges::find(options_.users, user, &User::name);
  check(found != options_.users.end(), "a kubeconfig is for one of the API server's users");
  const std::string url = port == 0 ? url_ : fmt::format("https://127.0.0.1:{}", port);
  const std::string name = fmt::format("kubeconfig-{}-{}", user, port);
  // Once: a controller that has just been started may be reading it.
  if (fs::path written = folder_.path() / name; fs::exists(written)) return written;
  return folder_.write(name, fmt::format(R"(apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "{}", certificate-authority: "{}"}}}}]
users: [{{name: "{}", user: {{token: "{}"}}}}]
contexts: [{{name: test, context: {{cluster: test, user: "{}"}}}}]
)",
                                         url, caFile().string(), user, found->token, user));
}

void ApiServer::compact() const {
  const auto call = [this](const std::string& path, const json& body) {
    const auto answer = clientOf(etcdUrl_).Post("/v3/kv/" + path, body.dump(), "application/json");
    check(answer && answer->status == 200, "etcd answers what a test asks it");
    return json::parse(answer->body);
  };
  // A revision of its own, which no watch is about: with the last change's, a watch from just before that
  // would go on. In base64, a key outside of /registry.
  const json present = call("put", {{"key", "L2NvbXBhY3RlZA=="}});
  call("compaction", {{"revision", present["header"]["revision"]}, {"physical", true}});
}

std::map<ApiServer::Operation, std::uint64_t> ApiServer::requests() const {
  std::map<Operation, std::uint64_t> counts;
  std::istringstream metrics(get("/metrics"));
  for (std::string line; std::getline(metrics, line);) {
    if (!line.starts_with("apiserver_request_total{")) continue;
    const std::string subresource = labelOf(line, "subresource");
    const std::string resource = labelOf(line, "resource") + (subresource.empty() ? "" : "/" + subresource);
    counts[{labelOf(line, "verb"), resource}] +=
        static_cast<std::uint64_t>(std::stod(line.substr(line.rfind(' ') + 1)));
  }
  check(!counts.empty(), "the API server's metrics can be read");
  return counts;
}

/// What admin gets there; empty when it is not answered with 200.
std::string ApiServer::get(const std::string& path) const {
  httplib::Client client = clientOf(url_);
  client.set_ca_cert_path(caFile().c_str());
  client.set_bearer_token_auth(adminToken().c_str());
  const auto answer = client.Get(path);
  return answer && answer->status == 200 ? answer->body : "";
}

std::unique_ptr<ApiServer::Client> ApiServer::client() const {
  return std::make_unique<Client>(url_, caFile(), adminToken());
}

ApiServer::Client::Client(const std::string& url, const fs::path& ca, const std::string& token)
    : client_(std::make_unique<httplib::Client>(url)) {
  client_->set_ca_cert_path(ca.c_str());
  client_->set_bearer_token_auth(token.c_str());
  client_->set_keep_alive(true);
  client_->set_tcp_nodelay(true);
  client_->set_read_timeout(std::chrono::minutes(1));  // to delete a large collection takes a while
}

ApiServer::Client::~Client() = default;

std::string ApiServer::Client::get(const std::string& path) {
  const auto answer = client_->Get(path);
  return answer && answer->status == 200 ? answer->body : "";
}

int ApiServer::Client::status(const std::string& path) {
  const auto answer = client_->Get(path);
  return answer ? answer->status : 0;
}

int ApiServer::Client::post(const std::string& path, const std::string& body) {
  const auto answer = client_->Post(path, body, "application/json");
  return answer ? answer->status : 0;
}

int ApiServer::Client::remove(const std::string& path) {
  const auto answer = client_->Delete(path);
  return answer ? answer->status : 0;
}

int ApiServer::Client::mergePatch(const std::string& path, const std::string& body) {
  const auto answer = client_->Patch(path, body, "application/merge-patch+json");
  return answer ? answer->status : 0;
}

}  // namespace rookery::kubernetes
