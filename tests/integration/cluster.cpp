#include "integration/cluster.h"

#include <fmt/format.h>
#include <httplib.h>

#include <csignal>
#include <sstream>

#include "emulator/pki_dir.h"
#include "error.h"

namespace rookery::integration {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const fs::path& programs() {
  static const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  return folder;
}

/// A sanitizer keeps freed memory back by default, and has stacks of its own for what may outlive its
/// function: both would hide how much a program really needs.
const std::map<std::string, std::string> sanitizerOptions = {
    {"ASAN_OPTIONS", "quarantine_size_mb=1:detect_stack_use_after_return=0:detect_leaks=1"}};

bool mutates(const std::string& line) {
  for (const char* command : {"create", "force-create", "restart", "destroy", "policy-add"}) {
    if (line.find(fmt::format("command={} ", command)) != std::string::npos) return true;
  }
  return false;
}

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

// -- ServerProcess
// -----------------------------------------------------------------------------------------------------

ServerProcess::ServerProcess(const fs::path& folder, Options options)
    : folder_(folder), pki_(folder / "pki"), options_(std::move(options)) {
  emulator::makePkiWithAdmin(pki_);
  start("127.0.0.1:0");
}

void ServerProcess::start(const std::string& listen) {
  std::vector<std::string> arguments = {(programs() / "albatross-emulator").string(),
                                        "--listen",
                                        listen,
                                        "--pki",
                                        pki_.string(),
                                        "--memory",
                                        std::to_string(options_.memory),
                                        "--cpus",
                                        std::to_string(options_.cpus),
                                        "--statistics-interval",
                                        std::to_string(options_.statisticsInterval)};
  for (const std::string& bridge : options_.bridges) arguments.insert(arguments.end(), {"--bridge", bridge});
  if (!options_.fault.empty()) arguments.insert(arguments.end(), {"--fault", options_.fault});
  if (options_.keepsState) arguments.insert(arguments.end(), {"--state-dir", (folder_ / "state").string()});
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  ++lives_;
  process_ = std::make_unique<fixtures::Process>(arguments, folder_ / fmt::format("emulator-{}", lives_),
                                                 sanitizerOptions);
  address_ = process_->waitForOutput("listening on ");
}

void ServerProcess::restart(const std::string& fault) {
  process_->kill();
  options_.fault = fault;
  start(address_);
}

std::string ServerProcess::journal() const {
  std::string all;
  for (unsigned life = 1; life <= lives_; ++life)
    all += fixtures::readFile(folder_ / fmt::format("emulator-{}.err", life));
  return all;
}

std::size_t ServerProcess::count(const std::string& command, const std::string& name) const {
  std::size_t count = 0;
  const std::string wanted = fmt::format("command={} name={}{}", command, name, name.empty() ? "" : " ");
  for (const std::string& line : linesOf(journal())) {
    if (line.find(wanted) != std::string::npos && line.find("outcome=ok") != std::string::npos) ++count;
  }
  return count;
}

std::size_t ServerProcess::mutations() const {
  std::size_t count = 0;
  for (const std::string& line : linesOf(journal())) count += mutates(line) ? 1u : 0u;
  return count;
}

std::uint64_t ServerProcess::imageBytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& line : linesOf(journal())) {
    const auto at = line.find(" bytes=");
    if (at != std::string::npos) bytes += std::stoull(line.substr(at + 7));
  }
  return bytes;
}

// -- Cluster
// -----------------------------------------------------------------------------------------------------------

Cluster::Cluster(std::size_t servers, const ServerProcess::Options& options) {
  fs::create_directories(manifests());
  for (std::size_t i = 0; i < servers; ++i) {
    const fs::path folder = folder_.path() / instance(i);
    fs::create_directories(folder);
    servers_.push_back(std::make_unique<ServerProcess>(folder, options));
  }
  writeInstances();
}

fs::path Cluster::write(const std::string& relative, const std::string& content) {
  return folder_.replace(fs::path("manifests") / relative, content);
}

void Cluster::remove(const std::string& relative) { fs::remove(manifests() / relative); }

void Cluster::image(const std::string& relative, const images::ImageSpec& spec) {
  write(relative, images::makeImage(spec));
}

void Cluster::writeInstances(const std::string& extra) {
  std::string all;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const fs::path& pki = servers_[i]->pki();
    all += fmt::format(
        "---\napiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {{name: {}}}\nspec:\n  "
        "endpoint: {}\n"
        "  credentials:\n    files: {{ca: {}, certificate: {}, privateKey: {}}}\n{}",
        instance(i), servers_[i]->address(), (pki / "cacert.pem").string(), (pki / "admin.pem").string(),
        (pki / "admin.key").string(), extra);
  }
  write("instances.yaml", all);
}

fixtures::Process& Cluster::run(const std::vector<std::string>& extra) {
  std::vector<std::string> arguments = wrapper;
  arguments.insert(arguments.end(),
                   {(programs() / "rookery").string(), "run", "--manifests", manifests().string(),
                    "--state-dir", stateDir().string(), "--listen", "127.0.0.1:0"});
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  controller_.reset();
  std::map<std::string, std::string> variables = environment;
  variables.insert(sanitizerOptions.begin(), sanitizerOptions.end());
  controller_ = std::make_unique<fixtures::Process>(
      arguments, folder_.path() / fmt::format("rookery-{}", ++runs_), variables);
  const std::string rest = controller_->waitForError("Listening for HTTP.");
  const auto at = rest.find("port=\"");
  check(at != std::string::npos, "rookery says its port");
  port_ = std::stoi(rest.substr(at + 6));
  return *controller_;
}

std::unique_ptr<fixtures::Process> Cluster::start(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = wrapper;
  all.push_back((programs() / "rookery").string());
  all.insert(all.end(), arguments.begin(), arguments.end());
  return std::make_unique<fixtures::Process>(all, folder_.path() / fmt::format("rookery-{}", ++runs_),
                                             sanitizerOptions);
}

int Cluster::rookery(const std::vector<std::string>& arguments) {
  const auto process = start(arguments);
  const int status = process->wait();
  out = process->out();
  err = process->err();
  return status;
}

std::string Cluster::get(const std::string& path) const {
  httplib::Client client("127.0.0.1", port_);
  client.set_read_timeout(std::chrono::seconds(20));
  const auto response = client.Get(path);
  return response && response->status == 200 ? response->body : "";
}

json Cluster::object(const std::string& plural, const std::string& nameSpace, const std::string& name) const {
  const std::string in = nameSpace.empty() ? "" : "namespaces/" + nameSpace + "/";
  const json value =
      json::parse(get("/apis/rookery.dev/v1alpha1/" + in + plural + "/" + name), nullptr, false);
  return value.is_discarded() ? json(nullptr) : value;
}

namespace {

std::string readyReason(const json& object, bool onlyIfReady) {
  const json status = object.is_object() ? object.value("status", json::object()) : json::object();
  if (status.value("observedGeneration", 0) !=
      object.value("metadata", json::object()).value("generation", 1))
    return "";
  for (const json& condition : status.value("conditions", json::array())) {
    if (condition.value("type", "") != "Ready") continue;
    return onlyIfReady && condition.value("status", "") != "True" ? "" : condition.value("reason", "");
  }
  return "";
}

}  // namespace

std::string Cluster::reason(const std::string& nameSpace, const std::string& name) const {
  const json value = unikernel(nameSpace, name);
  return value.is_null() ? "" : readyReason(value, false);
}

bool Cluster::waitForReason(const std::string& nameSpace, const std::string& name,
                            const std::string& wanted) const {
  return fixtures::eventually([&] { return reason(nameSpace, name) == wanted; });
}

std::size_t Cluster::ready() const {
  const json list = json::parse(get("/apis/rookery.dev/v1alpha1/unikernels"), nullptr, false);
  std::size_t count = 0;
  if (!list.is_object()) return count;
  for (const json& item : list.value("items", json::array()))
    count += readyReason(item, true).empty() ? 0u : 1u;
  return count;
}

double Cluster::metric(const std::string& series) const {
  for (const std::string& line : linesOf(get("/metrics"))) {
    if (line.starts_with(series)) return std::stod(line.substr(line.rfind(' ') + 1));
  }
  return 0;
}

std::string unikernelManifest(const std::string& nameSpace, const std::string& name,
                              const std::string& spec) {
  const bool tells = spec.find("minReadySeconds") != std::string::npos;
  return fmt::format(
      "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: {}, namespace: "
      "{}}}\nspec:\n{}\n{}",
      name, nameSpace, spec, tells ? "" : "  minReadySeconds: 0\n");
}

std::string policyManifest(const std::string& nameSpace, const std::string& instance,
                           const std::string& memory) {
  return fmt::format(
      "---\napiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {{name: limits-{1}, "
      "namespace: {0}}}\n"
      "spec: {{instance: {1}, unikernels: 1000, memory: {2}, cpuIDs: [0, 1, 2, 3], blockStorage: 100Mi, "
      "bridges: [br0]}}\n",
      nameSpace, instance, memory);
}

}  // namespace rookery::integration
