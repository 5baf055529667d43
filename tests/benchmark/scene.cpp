#include "benchmark/scene.h"

#include <fmt/format.h>
#include <httplib.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <thread>

#include "emulator/pki_dir.h"
#include "images/image_maker.h"

namespace rookery::benchmark {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds startLimit{60};
// More than any row uses: a server that has enough is not what is measured.
/// A real server writes what a client streams to its disk: page faults are only the emulator's.
const std::map<std::string, std::string> hugePages = {{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"}};
constexpr std::int64_t machineMemory = std::int64_t{1} << 30;  // MB
constexpr std::int64_t mostUnikernels = 1'000'000;
constexpr std::int64_t policyMemory = std::int64_t{1} << 24;  // MB

}  // namespace

EmulatedServer::EmulatedServer(const fs::path& programs, const fs::path& folder) : pki_(folder / "pki") {
  fs::create_directories(folder);
  emulator::makePkiWithAdmin(pki_);
  process_ = std::make_unique<fixtures::Process>(
      std::vector<std::string>{(programs / "albatross-emulator").string(), "--listen", "127.0.0.1:0", "--pki",
                               pki_.string(), "--memory", std::to_string(machineMemory)},
      folder / "emulator", hugePages);
  const std::string address = process_->waitForOutput("listening on ");
  port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  journal_.open(folder / "emulator.err", std::ios::binary);
}

std::size_t EmulatedServer::answered(const std::string& command) {
  std::array<char, 1U << 14U> buffer{};
  do {
    journal_.clear();  // of its end when it was last read
    journal_.read(buffer.data(), buffer.size());
    rest_.append(buffer.data(), static_cast<std::size_t>(journal_.gcount()));
  } while (journal_.gcount() == static_cast<std::streamsize>(buffer.size()));
  std::size_t begin = 0;
  for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    count(rest_.substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
  return counts_[command];
}

void EmulatedServer::count(const std::string& line) {
  constexpr std::string_view key = "command=";
  if (line.starts_with(key) && line.find(" outcome=ok ") != std::string::npos)
    ++counts_[line.substr(key.size(), line.find(' ') - key.size())];
}

Scene::Scene(const fs::path& programs, std::size_t servers, std::uint64_t imageSize) : programs_(programs) {
  for (std::size_t i = 0; i < servers; ++i) {
    servers_.push_back(std::make_unique<EmulatedServer>(programs, folder_.path() / instance(i)));
  }
  const fs::path images = folder_.path() / "manifests/images";
  fs::create_directories(images);
  check(images::writeImage({.size = imageSize}, images / "web.hvt").has_value(), "an image is made");
  writeInstances();
}

void Scene::writeInstances() const {
  std::string all;
  const auto add = [&](const std::string& name, std::uint16_t port, const fs::path& pki,
                       const std::string& extra) {
    all += fmt::format(
        "---\napiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {{name: {}}}\nspec:\n"
        "  endpoint: 127.0.0.1:{}\n{}"
        "  credentials:\n    files: {{ca: {}, certificate: {}, privateKey: {}}}\n",
        name, port, extra, (pki / "cacert.pem").string(), (pki / "admin.pem").string(),
        (pki / "admin.key").string());
  };
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    add(instance(i), servers_[i]->port(), servers_[i]->pki(), "");
    all += fmt::format(
        "---\napiVersion: rookery.dev/v1alpha1\nkind: UnikernelPolicy\nmetadata: {{name: {0}, namespace: "
        "{1}}}\nspec: {{instance: {0}, unikernels: {2}, memory: {3}Mi, blockStorage: {4}Mi, cpuIDs: [0]}}\n",
        instance(i), sceneNamespace, mostUnikernels, policyMemory, sceneBlockStorage);
  }
  add(suspended, 1, servers_.front()->pki(), "  suspend: true\n");
  folder_.write("manifests/instances.yaml", all);
}

Result<std::vector<RawServer>> Scene::rawServers() const {
  std::vector<RawServer> all;
  for (const auto& server : servers_) {
    auto credential =
        albatross::Credential::load({.ca = fixtures::readFile(server->pki() / "cacert.pem"),
                                     .certificate = fixtures::readFile(server->pki() / "admin.pem"),
                                     .privateKey = fixtures::readFile(server->pki() / "admin.key")});
    if (!credential) return std::unexpected(credential.error());
    all.push_back({server->port(), *std::move(credential)});
  }
  return all;
}

RawLoad Scene::rawLoad(std::size_t countOnEach) const {
  return {.count = countOnEach,
          .domain = {sceneNamespace,
                     {.cpuIDs = {0},
                      .unikernels = mostUnikernels,
                      .memory = policyMemory,
                      .block = sceneBlockStorage,
                      .bridges = {}}},
          .arguments = {.failBehaviour = {},
                        .startup = std::nullopt,
                        .memory = sceneMemory,
                        .blocks = {},
                        .bridges = {},
                        .arguments = std::nullopt,
                        .linuxBootPartition = std::nullopt},
          .image = folder_.path() / "manifests/images/web.hvt"};
}

Result<void> Scene::run(const std::vector<std::string>& options) {
  const auto path = [&](const char* name) { return (folder_.path() / name).string(); };
  std::vector<std::string> arguments = {(programs_ / "rookery").string(),
                                        "run",
                                        "--manifests",
                                        path("manifests"),
                                        "--state-dir",
                                        path("state"),
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--resync",
                                        "30s"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  controller_ = nullptr;  // one at a time
  controller_ = std::make_unique<fixtures::Process>(std::move(arguments), folder_.path() / "rookery");
  const std::string said = controller_->waitForError("Listening for HTTP.");
  const auto at = said.find("port=\"");
  check(at != std::string::npos, "rookery says its port");
  port_ = std::stoi(said.substr(at + 6));
  const auto applied =
      waitFor("the policies on all servers", Clock::now(), startLimit, std::chrono::milliseconds(50),
              [&] { return answered("policy-add") >= servers_.size(); });
  return applied ? Result<void>{} : std::unexpected(applied.error());
}

std::string Scene::unikernel(std::size_t number, const std::string& instance,
                             const std::string& argument) const {
  return fmt::format(
      "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {{name: uk-{}, namespace: "
      "{}}}\nspec:\n  instance: {}\n  image: {{path: {}}}\n  memory: {}Mi\n  minReadySeconds: 0\n{}",
      number, sceneNamespace, instance, (folder_.path() / "manifests/images/web.hvt").string(), sceneMemory,
      argument.empty() ? "" : fmt::format("  arguments: [\"{}\"]\n", argument));
}

void Scene::stage(const std::string& relative, const std::string& content) const {
  folder_.write("staged/" + relative, content);
}

Clock::time_point Scene::place(const std::string& relative) const {
  ::sync();
  const auto now = Clock::now();
  fs::rename(folder_.path() / "staged" / relative, folder_.path() / "manifests" / relative);
  return now;
}

std::size_t Scene::answered(const std::string& command) {
  std::size_t sum = 0;
  for (const auto& server : servers_) sum += server->answered(command);
  return sum;
}

std::string Scene::scrape() const {
  httplib::Client client("127.0.0.1", port_);
  client.set_read_timeout(std::chrono::seconds(20));
  const auto answer = client.Get("/metrics");
  return answer && answer->status == 200 ? answer->body : std::string();
}

double Scene::metric(const std::string& name, const std::string& label) const {
  double sum = 0;
  std::istringstream lines(scrape());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "{") && line.find(label) != std::string::npos)
      sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

Result<double> waitFor(const std::string& what, Clock::time_point begin, std::chrono::seconds limit,
                       std::chrono::milliseconds step, const std::function<bool()>& condition) {
  while (!condition()) {
    if (Clock::now() > begin + limit) {
      return fail(Reason::DeadlineExceeded,
                  fmt::format("After {} s this had not come about: {}.", limit.count(), what));
    }
    std::this_thread::sleep_for(step);
  }
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace rookery::benchmark
