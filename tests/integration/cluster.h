#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"

namespace rookery::integration {

/// One albatross-emulator as a process, with a PKI and a credential of its own.
class ServerProcess {
 public:
  struct Options {
    std::vector<std::string> bridges = {"br0"};
    int memory = 4096;  // MB
    int cpus = 4;
    std::string fault = {};
    bool keepsState = false;
    int statisticsInterval = 10'000;          // ms
    std::vector<std::string> arguments = {};  // others
  };

  ServerProcess(const std::filesystem::path& folder, Options options);

  const std::string& address() const { return address_; }    // "127.0.0.1:PORT"
  const std::filesystem::path& pki() const { return pki_; }  // with admin.pem and admin.key

  /// Lines of its journal with `command`, and `name` (on the wire) if given, that were answered with success.
  std::size_t count(const std::string& command, const std::string& name = "") const;
  /// All commands that change something: create, force-create, restart, destroy, policy-add.
  std::size_t mutations() const;
  std::uint64_t imageBytes() const;
  std::string journal() const;  // of all its lives

  void kill() { process_->kill(); }
  /// Again on the same port, with the same PKI; with `fault` in place of the old one.
  void restart(const std::string& fault = "");
  fixtures::Process& process() { return *process_; }

 private:
  void start(const std::string& listen);

  std::filesystem::path folder_, pki_;
  Options options_;
  std::string address_;
  unsigned lives_ = 0;
  std::unique_ptr<fixtures::Process> process_;
};

/// Emulated servers, a folder of manifests, and rookery: the real programs, over TLS on loopback.
class Cluster {
 public:
  explicit Cluster(std::size_t servers = 1, const ServerProcess::Options& options = {});

  const fixtures::TempDir& folder() const { return folder_; }
  ServerProcess& server(std::size_t index = 0) { return *servers_[index]; }
  /// "eu-1", "eu-2", …
  static std::string instance(std::size_t index) { return "eu-" + std::to_string(index + 1); }

  /// Writes below the manifest root, by rename as editors and git do.
  std::filesystem::path write(const std::string& relative, const std::string& content);
  void remove(const std::string& relative);
  void image(const std::string& relative, const images::ImageSpec& spec = {});
  /// The AlbatrossInstance manifests of all servers, in instances.yaml; `extra` is put into each spec.
  void writeInstances(const std::string& extra = "");

  /// Of the controller that run() starts, besides the test's own.
  std::map<std::string, std::string> environment;
  /// What starts the controllers, and other verbs: goes before their arguments.
  std::vector<std::string> wrapper;
  /// Starts `rookery run` on the manifests and waits until it listens.
  fixtures::Process& run(const std::vector<std::string>& extra = {"--resync", "1s"});
  fixtures::Process& controller() { return *controller_; }
  /// Runs another verb to its end and returns its exit status; what it wrote is in out and err.
  int rookery(const std::vector<std::string>& arguments);
  /// Starts another verb.
  std::unique_ptr<fixtures::Process> start(const std::vector<std::string>& arguments);
  std::string out, err;

  /// GET from the running controller; empty when it does not answer with 200.
  std::string get(const std::string& path) const;
  /// An object as the API shows it; null when there is none.
  nlohmann::json object(const std::string& plural, const std::string& nameSpace,
                        const std::string& name) const;
  nlohmann::json unikernel(const std::string& nameSpace, const std::string& name) const {
    return object("unikernels", nameSpace, name);
  }
  /// The reason of its Ready condition ("" when there is none), if the condition is about its present
  /// generation.
  std::string reason(const std::string& nameSpace, const std::string& name) const;
  bool waitForReason(const std::string& nameSpace, const std::string& name, const std::string& wanted) const;
  /// How many unikernels are Ready.
  std::size_t ready() const;
  /// The value of a metric's line that begins with `series`; 0 when there is none.
  double metric(const std::string& series) const;

  int port() const { return port_; }
  std::filesystem::path manifests() const { return folder_.path() / "manifests"; }
  std::filesystem::path stateDir() const { return folder_.path() / "state"; }

 private:
  fixtures::TempDir folder_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::unique_ptr<fixtures::Process> controller_;
  int port_ = 0;
  unsigned runs_ = 0;
};

/// A Unikernel manifest; `spec` is indented under spec as it stands. It is ready as soon as it runs, unless
/// the spec says otherwise.
std::string unikernelManifest(const std::string& nameSpace, const std::string& name, const std::string& spec);

/// A UnikernelPolicy that allows a lot.
std::string policyManifest(const std::string& nameSpace, const std::string& instance,
                           const std::string& memory = "2Gi");

}  // namespace rookery::integration
