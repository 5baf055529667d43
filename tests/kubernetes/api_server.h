#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"

namespace httplib {
class Client;
}

namespace rookery::kubernetes {

/// Where tests/kubernetes/install put a program such as "kubectl-1.35", "helm-4.1" or "kube-apiserver"; the
/// folder that KUBEBUILDER_ASSETS names comes first. Empty: it is not there.
std::filesystem::path program(const std::string& name);

/// For the environment of a program in Go: it may use more memory, and collects its garbage less often.
inline const std::pair<const std::string, std::string> goCollects{"GOGC", "400"};

/// A real kube-apiserver with an etcd of its own, on free ports of 127.0.0.1: RBAC decides, and nothing else
/// of Kubernetes runs (no controllers: what is owned by a deleted object stays, namespaces do not go away).
/// Takes seconds to start and some hundred MiB: share one over a suite, in SetUpTestSuite. Where something
/// goes wrong that a test cannot mean, it aborts with the reason and the end of the program's log. Not
/// thread-safe.
class ApiServer {
 public:
  /// Somebody with a token. What they may do, RBAC objects have to say.
  struct User {
    std::string name;
    std::string token;
    std::vector<std::string> groups = {};
  };
  struct Options {
    std::vector<User> users = {};         // beside "admin", whose group is system:masters
    std::vector<std::string> flags = {};  // for kube-apiserver, after those of the fixture, e.g. "--v=6"
  };

  /// Whether the programs that this takes are there; tests fail without them, with `missing` as the reason.
  static bool available();
  static constexpr auto missing = "kube-apiserver or etcd is not there: run tests/kubernetes/install";

  /// Starts both and waits until the API server is ready. Aborts when they are not available().
  ApiServer() : ApiServer(Options{}) {}
  explicit ApiServer(Options options);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  /// "https://127.0.0.1:PORT", the same for as long as this lives.
  const std::string& url() const { return url_; }
  int port() const { return port_; }
  /// PEM, of the CA that signed the API server's certificate.
  std::filesystem::path caFile() const { return folder_.path() / "ca.pem"; }
  const std::string& adminToken() const { return options_.users.front().token; }
  /// Writes a kubeconfig file with the user's token and returns its path; with `port`, of a relay to this.
  /// Aborts when there is no such user.
  std::filesystem::path kubeconfig(const std::string& user = "admin", int port = 0) const;
  class Client;
  std::unique_ptr<Client> client() const;

  /// Ends the API server as SIGTERM does: open watches are ended in order. etcd keeps the objects.
  void stop();
  /// The same with SIGKILL.
  void kill();
  /// Starts it again on the same port, with the same etcd, and waits until it is ready.
  void start();

  /// Makes etcd forget all changes until now. A watch that begins before one of them is then answered with
  /// 410 (Expired), unless the API server still has the changes since then in memory: it has none after
  /// start(), and never with the flag --watch-cache=false.
  void compact() const;

  /// Verb as in "LIST", and resource as in "unikernels" or "unikernels/status".
  using Operation = std::pair<std::string, std::string>;
  /// How many requests the API server has answered since it was started, whatever the answer. A WATCH counts
  /// when it has ended. Some are the API server's own.
  std::map<Operation, std::uint64_t> requests() const;

  fixtures::Process& process() const { return *apiServer_; }
  fixtures::Process& etcd() const { return *etcd_; }

 private:
  void writeFiles() const;
  void startEtcd();
  /// False: the port was taken meanwhile.
  bool tryStart();
  bool waitUntilReady();
  std::vector<std::string> arguments() const;
  std::string get(const std::string& path) const;

  Options options_;
  fixtures::TempDir folder_;
  std::string etcdUrl_, url_;
  int port_ = 0;
  unsigned lives_ = 0;
  std::unique_ptr<fixtures::Process> etcd_, apiServer_;
};

/// Sends requests as admin, over one connection. One thread at a time.
class ApiServer::Client {
 public:
  Client(const std::string& url, const std::filesystem::path& ca, const std::string& token);
  ~Client();

  /// The body of an answer with status 200; empty: another one.
  std::string get(const std::string& path);
  // The status of the answer; 0: there was none.
  int status(const std::string& path);  // to a GET
  int post(const std::string& path, const std::string& body);
  int remove(const std::string& path);  // of a collection: all in it
  int mergePatch(const std::string& path, const std::string& body);

 private:
  std::unique_ptr<httplib::Client> client_;
};

}  // namespace rookery::kubernetes
