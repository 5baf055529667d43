#include "simulation/bench.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <regex>
#include <utility>

#include "image/digest.h"
#include "simulation/materials.h"

namespace rookery::simulation {

using albatross::Name;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

constexpr clock::Steady::time_point benchBegins{std::chrono::hours(1'000)};
const emulator::Machine benchMachine{
    .memory = 4'096, .cpus = 4, .block = 1'024, .bridges = {"br0", "br1", "br2"}};

SystemTime benchTime(clock::Steady::time_point time) {
  return epoch + std::chrono::duration_cast<SystemTime::duration>(time - benchBegins);
}

std::string lineOf(const albatross::Arguments& arguments) {
  std::string text =
      fmt::format("{} MB, CPUs {}, {}, restart {} on [{}], start-up {}", arguments.memory,
                  fmt::join(arguments.cpuIDs, ","), arguments.addName ? "with its name" : "without its name",
                  arguments.failBehaviour.restart, fmt::join(arguments.failBehaviour.exitCodes, ","),
                  arguments.startup.value_or(-1));
  for (const auto& bridge : arguments.bridges) {
    text += fmt::format(", network {} on {} {}", bridge.netif, bridge.bridge.value_or(""),
                        bridge.mac ? albatross::toString(*bridge.mac) : "");
  }
  for (const auto& block : arguments.blocks) {
    text += fmt::format(", device {} on {} {}", block.name, block.device.value_or(""),
                        block.sectorSize.value_or(512));
  }
  return text +
         fmt::format(", [{}]", fmt::join(arguments.arguments.value_or(std::vector<std::string>{}), " "));
}

std::string lineOf(const albatross::Policy& policy) {
  return fmt::format("{} unikernels, {} MB, CPUs {}, {} MB of storage, bridges {}", policy.unikernels,
                     policy.memory, fmt::join(policy.cpuIDs, ","), policy.block.value_or(-1),
                     fmt::join(policy.bridges, ","));
}

/// As fields are called whose place in a list does not count.
std::string withoutIndices(const std::string& text) {
  static const std::regex index(R"(\[[0-9]+\])");
  return std::regex_replace(text, index, "");
}

}  // namespace

Bench::Bench()
    : time_(benchBegins),
      referee_([this](const std::string& what) { wrong_ += what + "\n"; }),
      folder_(temp_.path() / "manifests", [this] { return benchTime(time_.now()); }) {
  for (const char* name : {"eu", "us", "nowhere"}) servers_.push_back(makeServer(name));
  servers_.back()->refuses = true;
  for (const auto& [name, bytes] : images()) writeWhole(folder_.path() / "images" / (name + ".hvt"), bytes);
  for (const char volume : {'p', 'q'})
    writeWhole(folder_.path() / "volumes" / (std::string(1, volume) + ".img"), contentOf(volume));
  for (const char* name : {"one", "two"}) {
    writeWhole(folder_.path() / "pki" / (std::string(name) + ".pem"), credentials().good.certificate);
    writeWhole(folder_.path() / "pki" / (std::string(name) + ".key"), credentials().good.privateKey);
  }
}

Bench::~Bench() {
  disk_.freeze();
  process_.reset();
}

std::unique_ptr<Server> Bench::makeServer(const char* name) {
  Server::World world{.referee = referee_,
                      .now = [this] { return benchTime(time_.now()); },
                      .survives = [] { return true; },
                      .fault = [](bool) { return CallFault{}; },
                      .isOnDisk =
                          [this](const std::string& key, const emulator::Request& command) {
                            const auto isPending = [&](const plan::SharedInventory& inventory) {
                              const auto entry = inventory.find(command.name);
                              return entry != inventory.end() && entry->second.pending && !disk_.hasUnsure();
                            };
                            const plan::Inventories volumes = process_->state().volumes();
                            const auto found = volumes.find(key);
                            if (std::holds_alternative<albatross::BlockCommand>(command.command))
                              return found != volumes.end() && isPending(found->second);
                            return isPending(process_->state().inventoryOf(key));
                          },
                      .runsElsewhere = [](const std::string&, const Name&) { return false; },
                      .tell = [this](const std::string& line) { tell(line); }};
  return std::make_unique<Server>(name, std::move(world), benchMachine);
}

void Bench::startProcess() {
  const auto at = [this](const albatross::Endpoint& endpoint) -> Server& {
    return *servers_.at(std::clamp<std::size_t>(endpoint.port, 1, servers_.size()) - 1);
  };
  auto started =
      Process::start({.folder = folder_,
                      .stateDir = temp_.path() / "state",
                      .listener = *this,
                      .now = [this] { return benchTime(time_.now()); },
                      .wallTime = [this] { return benchTime(time_.now()); },
                      .connect =
                          [at](const albatross::ClientOptions& options) {
                            return at(options.endpoint).connect(options.timeouts);
                          },
                      .probe =
                          [this](const probe::Target&, milliseconds, const probe::Prober::Done& done) {
                            boost::asio::post(process_->context(), [done] { done({}); });
                          },
                      .notifications = {.file = {},
                                        .settings = {},  // there is nobody to tell
                                        .send = [](auto&&...) {},
                                        .now = [this] { return benchTime(time_.now()); }}});
  check(started.has_value(), "nothing keeps a controller from starting here");
  process_ = *std::move(started);
  referee_.controllerStarts(benchTime(time_.now()));
}

void Bench::declare(const std::vector<nlohmann::json>& documents) {
  for (const nlohmann::json& document : documents) {
    if (document.value("kind", "") != "Unikernel") continue;
    const nlohmann::json& metadata = document.at("metadata");
    // Wherever it is, it may leave.
    referee_.placed({api::Kind::Unikernel, metadata.at("namespace"), metadata.at("name")}, {});
  }
  folder_.meant.clear();
  for (std::size_t i = 0; i < documents.size(); ++i)
    folder_.meant[fmt::format("{:02}.yaml", i)] = documents[i].dump() + "\n";
  declared_ = 0;
  for (const nlohmann::json& document : documents)
    if (document.value("kind", "") != "Secret") ++declared_;  // which nobody is shown
  referee_.newsFor(benchTime(time_.now()));
  story_.clear();
  folder_.changed();
  if (process_ == nullptr) startProcess();
}

void Bench::live(milliseconds time) {
  const auto until = time_.now() + time;
  while (time_.now() < until) {
    auto next = until;
    for (const auto& server : servers_) {
      const auto event = server->emulated().nextEvent();
      if (event) next = std::min(next, time_.now() + (SystemTime(*event) - benchTime(time_.now())));
    }
    time_.run(process_->context(), std::max(next, time_.now()));
    for (const auto& server : servers_) server->pass(benchTime(time_.now()));
  }
}

Bench::Outcome Bench::settle(Patience patience) {
  constexpr auto seen = 15s;   // what was written has been read, and what is gone was missed twice
  constexpr auto most = 300s;  // for what is waited for at all
  constexpr auto quiet = 35s;  // another look
  const std::size_t before = referee_.commands();
  live(seen);
  const auto latest = time_.now() + most;
  while (unrest() && problems_.empty() && time_.now() < latest) live(1s);
  if (patience == Patience::Long) live(quiet);
  for (std::size_t sent = before; sent != referee_.commands() && time_.now() < latest;) {
    sent = referee_.commands();
    live(quiet);
  }
  Outcome outcome{.unrest = unrest(),
                  .told = {},
                  .problems = problems_,
                  .commands = referee_.commands() - before,
                  .there = there()};
  for (const api::Problem& problem : problems_) outcome.told.push_back(withoutIndices(problem.toString()));
  for (const auto& view : process_->objects().list()) {
    for (const api::Condition& condition : view->status.conditions)
      outcome.told.push_back(
          fmt::format("{}: {}", view->object->key().toString(), withoutIndices(condition.message)));
  }
  return outcome;
}

/// What is not as it is declared now, or not said to be.
std::optional<std::string> Bench::unrest() const {
  if (!problems_.empty()) return problems_.front().toString();
  std::size_t known = 0;
  for (const auto& view : process_->objects().list()) {
    if (view->identity.deletionTimestamp || view->object->kind() == api::Kind::Secret) continue;
    ++known;
    if (!view->status.ready()) return view->object->key().toString() + " is not Ready";
    if (view->status.observedGeneration != view->identity.generation)
      return fmt::format("{} is spoken of as of generation {}, and is of {}", view->object->key().toString(),
                         view->status.observedGeneration, view->identity.generation);
  }
  if (known != declared_) return fmt::format("of {} objects {} are known", declared_, known);
  for (const auto& server : servers_) {
    for (const auto& [name, entry] : process_->state().inventoryOf(server->key())) {
      if (entry.pending) return fmt::format("what becomes of {} is not known", name.toString());
    }
  }
  return std::nullopt;
}

std::string Bench::there() {
  std::string text;
  for (const auto& server : servers_) {
    const emulator::Resources& resources = server->emulated().resources();
    for (const auto& policy : resources.policies().all()) {
      if (!policy.name.path.empty())
        text +=
            fmt::format("{}: policy {}: {}\n", server->name(), policy.name.toString(), lineOf(*policy.value));
    }
    for (const auto& block : resources.blocks().all()) {
      const auto content = resources.content(block.name);
      text += fmt::format("{}: volume {}: {} MB, {}\n", server->name(), block.name.toString(),
                          block.value->size, content == nullptr ? "empty" : image::toHex(content->digest()));
    }
    for (const auto& unikernel : resources.unikernels().all()) {
      text += fmt::format("{}: unikernel {}: {}, {}\n", server->name(), unikernel.name.toString(),
                          image::toHex(unikernel.value->digest).substr(0, 12),
                          lineOf(unikernel.value->configuration.arguments));
    }
  }
  return text;
}

Tally Bench::tally() const {
  return {.worlds = 1,
          .cases = 0,
          .commands = referee_.commands(),
          .violations = 0,
          .time = time_.now() - benchBegins};
}

std::string Bench::story() const { return fmt::format("{}{}\n", wrong_, fmt::join(story_, "\n")); }

void Bench::scanned(const source::Snapshot& snapshot) {
  problems_ = snapshot.problems;
  std::ranges::copy(snapshot.dangling, std::back_inserter(problems_));
  for (const api::Problem& problem : problems_) tell(problem.toString());
}

void Bench::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                        Reason /*reason*/, const std::string& message) {
  tell(fmt::format("{}: {} {}: {}", instance, plan::toString(verb), object.toString(), message));
}

void Bench::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                      const reconcile::CommandResult& result) {
  tell(fmt::format("{}: {} {} ended: {}", instance, plan::toString(verb), object.toString(),
                   result.error ? result.error->message : "done"));
}

void Bench::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                         const std::string& message) {
  tell(fmt::format("{} {}: {} {}", object.toString(), ready ? "is Ready" : "is not Ready",
                   rookery::toString(reason), message));
}

void Bench::tell(std::string line) {
  const std::chrono::duration<double> since = time_.now() - benchBegins;
  story_.push_back(fmt::format("{:>9.3f} {}", since.count(), line));
}

}  // namespace rookery::simulation
