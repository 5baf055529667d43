#include "simulation/world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "image/image.h"
#include "simulation/materials.h"

namespace rookery::simulation {

using albatross::Name;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
namespace uk = albatross::unikernel;

namespace {

constexpr clock::Steady::time_point firstMoment{std::chrono::hours(1'000)};
const Name legacy{{"shop"}, "legacy"};
const Name neighbour{{"other"}, "app"};
const Name foreignVolume{{"db"}, "archive"};
const emulator::Machine machine{.memory = 4'096, .cpus = 2, .block = 1'024, .bridges = {"br0", "br1"}};

}  // namespace

// -- The beginning
// ---------------------------------------------------------------------------------------------------

World::World(const std::function<void(Fleet&)>& shape)
    : time_(firstMoment),
      referee_([this](const std::string& what) { violated(what); }),
      receivers_({.now = [this] { return now(); },
                  .survives = [this] { return survives(); },
                  .diskTroubledUntil = [this] { return epoch + (diskTroubledUntil_ - firstMoment); },
                  .tell = [this](const std::string& line) { tell(line); },
                  .violated = [this](const std::string& what) { violated(what); },
                  .checkSecrecy = [this](std::string_view text) { checkSecrecy(text); }}),
      fleet_(temp_.path() / "pki"),
      folder_(temp_.path() / "manifests", [this] { return now(); }),
      startAt_(firstMoment) {
  disk_.aroundSync = [this] { survives(); };
  disk_.onWrite = [this](std::string_view bytes) { checkSecrecy(bytes); };
  if (shape) shape(fleet_);
  for (const char* name : serverNames) {
    Server::World world{
        .referee = referee_,
        .now = [this] { return now(); },
        .survives = [this] { return survives(); },
        .fault = [this](bool mutation) { return disturbances_.call(mutation); },
        .isOnDisk = [this](const std::string& key,
                           const emulator::Request& command) { return isOnDisk(key, command); },
        .runsElsewhere = [this](const std::string& server,
                                const Name& unikernel) { return runsElsewhere(server, unikernel); },
        .tell = [this](const std::string& line) { tell(line); }};
    Server& server = *servers_.emplace_back(std::make_unique<Server>(name, std::move(world), machine));
    for (const Name& foreign : {legacy, neighbour}) {
      emulator::Request request{
          {{foreign.path, policyOf(512)}},
          foreign,
          albatross::UnikernelCommand(uk::Create{
              {albatross::UnikernelType::Solo5, false, images().at({strangersImage}), argumentsOf(32)}})};
      server.submit(std::move(request));
      referee_.foreign(name, foreign);
      foreigners_.push_back({name, foreign, server.running().at(foreign)});
    }
    server.submit({{{foreignVolume.path, policyOf(512)}},
                   foreignVolume,
                   albatross::BlockCommand(albatross::block::Add{1})});
    referee_.foreign(name, foreignVolume);
  }
  referee_.foreignImage(digestOfImage(strangersImage));
  for (const char image : {'a', 'b', 'c', 'd', Fleet::badImage}) writeImage(image, true);
  for (const char volume : {'p', 'q'})
    writeWhole(folder_.path() / "volumes" / (std::string(1, volume) + ".img"), contentOf(volume));
  noteChange(fleet_);
  mendMachine();
  publish();
}

bool World::runsElsewhere(const std::string& server, const Name& name) {
  return std::ranges::any_of(runningOn(keyOf(name)), [&](const auto& other) { return other != server; });
}

bool World::isOnDisk(const std::string& serverKey, const emulator::Request& command) {
  const plan::Inventories volumes = process_->state().volumes();
  plan::SharedInventory inventory = process_->state().inventoryOf(serverKey);
  if (std::holds_alternative<albatross::BlockCommand>(command.command)) {
    const auto found = volumes.find(serverKey);
    inventory = found == volumes.end() ? plan::SharedInventory() : found->second;
  }
  const auto entry = inventory.find(command.name);
  return entry != inventory.end() && entry->second.pending && !disk_.hasUnsure();
}

World::~World() {
  disk_.freeze();
  readers_.leave();
  process_.reset();
}

void World::writeImage(char image, bool whole) const {
  for (const std::string& name : {std::string(1, image), std::string(1, image) + "-with-storage"}) {
    const std::string& bytes = images().at(name);
    writeWhole(folder_.path() / "images" / (name + ".hvt"),
               std::string_view(bytes).substr(0, whole ? bytes.size() : bytes.size() / 2));
  }
}

void World::publish() {
  folder_.meant = fleet_.files();
  folder_.changed();
}

// -- Time
// ------------------------------------------------------------------------------------------------------------

SystemTime World::now() const {
  return epoch + std::chrono::duration_cast<SystemTime::duration>(time_.now() - firstMoment);
}

World::Time World::nextEvent(Time latest) {
  Time next = latest;
  if (process_ == nullptr) next = std::min(next, startAt_);
  if (readers_.reading()) next = std::min<Time>(next, time_.now() + 1s);
  for (const auto& server : servers_) {
    const auto event = server->emulated().nextEvent();
    if (event) next = std::min(next, time_.now() + (SystemTime(*event) - now()));
  }
  return next;
}

void World::live(Time until) {
  while (time_.now() < until) {
    if (process_ == nullptr && time_.now() >= startAt_) startProcess();
    const Time next = std::max(nextEvent(until), time_.now());
    time_.run(process_ == nullptr ? nobody_ : process_->context(), next, [this] { return dying_ || wrong_; });
    for (const auto& server : servers_) server->pass(now());
    readers_.take();
    if (wrong_) throw Wrong(fmt::format("{}\n{}", *wrong_, fmt::join(story_, "\n")));
    if (dying_) endProcess(powerCut_);
  }
}

Process::World World::processWorld() {
  const auto at = [this](const albatross::Endpoint& endpoint) -> Server& {
    return *servers_.at(endpoint.port - 1u);
  };
  const auto say = [this](const std::string& message) {
    tell(message);
    checkSecrecy(message);
  };
  return {.folder = folder_,
          .stateDir = temp_.path() / "state",
          .listener = *this,
          .now = [this] { return now(); },
          .wallTime = [this] { return wallTime(); },
          .connect =
              [at](const albatross::ClientOptions& options) {
                return at(options.endpoint).connect(options.timeouts);
              },
          .probe = [this](const probe::Target& target, milliseconds patience,
                          const probe::Prober::Done& done) { probe(target, patience, done); },
          .notifications = {.file = {},
                            .settings = Receivers::settings(),
                            .send =
                                [this](const notify::Receiver& receiver, const notify::Request& request,
                                       const std::function<void(const notify::Outcome&)>& done) {
                                  receivers_.send(process_->context().get_executor(), receiver, request,
                                                  done);
                                },
                            .warn = say,
                            .inform = say,
                            .now = [this] { return now(); }}};
}

void World::startProcess() {
  auto started = Process::start(processWorld());
  if (started) {
    process_ = *std::move(started);
    referee_.controllerStarts(now());
    healthy_.clear();
    tell("the controller starts");
  } else {
    tell("the controller cannot start: " + started.error().message);
    startAt_ = time_.now() + 5s;
    if (dying_) disk_.thaw(powerCut_);
    dying_ = false;
  }
}

/// Nothing of what it is at is finished.
void World::endProcess(bool powerCut) {
  if (process_ == nullptr) return;
  tell(powerCut ? "the power is cut" : "the controller dies");
  checkStateHoldsNoSecret();
  receivers_.controllerEnds();
  disk_.freeze();
  readers_.leave();
  process_.reset();
  disk_.thaw(powerCut);
  dying_ = false;
  startAt_ = time_.now() + 1s;
}

bool World::survives() {
  if (dying_) return false;
  if (const auto death = disturbances_.live()) {
    dying_ = true;
    powerCut_ = death == Disturbance::Kind::PowerCut;
    disk_.freeze();
    if (process_ != nullptr) process_->context().stop();
  }
  return !dying_;
}

Tally World::tally() const {
  return {.worlds = 1,
          .cases = cases_,
          .commands = referee_.commands(),
          .violations = wrong_ ? 1u : 0u,
          .time = time_.now() - firstMoment};
}

void World::run(const std::vector<Action>& actions) {
  live(firstMoment + 1min);
  for (const Action& action : actions) {
    live(firstMoment + 1min + action.at);
    tell(fmt::format("-- {}", toString(action.what)));
    referee_.newsFor(now());
    apply(action);
  }
  makePeace();
}

/// Without the name of the folder, which is another one each time.
void World::tell(std::string line) {
  const std::string folder = temp_.path().string();
  for (std::size_t at = line.find(folder); at != std::string::npos; at = line.find(folder))
    line.erase(at, folder.size());
  const std::chrono::duration<double> since = time_.now() - firstMoment;
  story_.push_back(fmt::format("{:>9.3f} {}", since.count(), line));
}

void World::violated(const std::string& what) {
  if (wrong_) return;
  wrong_ = what;
  tell("WRONG: " + what);
  if (process_ != nullptr) process_->context().stop();
}

// -- What is told
// ----------------------------------------------------------------------------------------------------

void World::roundEnded(const std::string& instance, const reconcile::Round& round) {
  if (!round.error) checkTruth(instance);
}

/// What is called Ready was seen to run as it is told to. What is said of a former generation may come from
/// where it is not to be any more.
void World::checkTruth(const std::string& instance) {
  for (const auto& view : process_->objects().list()) {
    const api::Status& status = view->status;
    const bool counts =
        view->object->kind() == api::Kind::Unikernel && view->ours && !view->identity.deletionTimestamp;
    if (!counts) continue;
    if (!view->object->as<api::Unikernel>().placement) {
      const bool current = status.observedGeneration == view->identity.generation;
      if (status.instance == instance && status.ready() && current)
        checkReady(instance, *view, status.digest.value_or(""), true);
      continue;
    }
    for (const api::PlacementStatus& placement : status.placements) {
      if (placement.instance != instance) continue;
      const bool ready = placement.ready == api::Condition::Status::True;
      const bool current = placement.observedGeneration == view->identity.generation;
      referee_.told(instance, view->object->key(), ready);
      if (ready && current)
        checkReady(instance, *view, placement.digest.value_or(""), placement.reason != Reason::UpdatePending);
    }
  }
}

/// `asDeclared`: and not as it was until its turn comes.
void World::checkReady(const std::string& instance, const reconcile::ObjectView& view,
                       const std::string& digest, bool asDeclared) {
  const auto& spec = view.object->as<api::Unikernel>();
  const api::ObjectKey key = view.object->key();
  const auto* seen = referee_.seen(instance, nameOf(key));
  if (seen == nullptr) {
    if (spec.runPolicy != api::Unikernel::RunPolicy::Once)
      violated(key.toString() + " is Ready and was not seen");
    return;
  }
  if (digest != image::toHex(seen->digest))
    violated(key.toString() + " has another image than its status says");
  if (asDeclared && !spec.suspend && spec.memory != seen->memory)
    violated(key.toString() + " is Ready and has other memory than was declared");
  if (asDeclared && !spec.suspend && spec.healthCheck &&
      !healthy_.contains(std::tuple(instance, key, seen->started)))
    violated(key.toString() + " is Ready and was not seen to be healthy in this life");
}

void World::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                        Reason /*reason*/, const std::string& message) {
  tell(fmt::format("{}: {} {}: {}", instance, plan::toString(verb), object.toString(), message));
  checkSecrecy(message);
}

void World::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                      const reconcile::CommandResult& result) {
  tell(fmt::format("{}: {} {} ended: {}", instance, plan::toString(verb), object.toString(),
                   result.error ? result.error->message : "done"));
  if (result.error) checkSecrecy(result.error->message);
}

void World::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                         const std::string& message) {
  tell(fmt::format("{} {}: {} {}", object.toString(), ready ? "is Ready" : "is not Ready",
                   rookery::toString(reason), message));
  checkSecrecy(message);
  receivers_.stands(object, ready, reason);
}

void World::objectForgotten(const api::ObjectKey& object) { receivers_.forgets(object); }

void World::warned(const std::string& instance, Reason reason, const std::string& message) {
  tell(fmt::format("{}: warning {}: {}", instance, rookery::toString(reason), message));
  checkSecrecy(message);
  if (reason == Reason::PruneGuard && !instance.empty()) receivers_.pruneWaits(instance, message);
}

void World::checkSecrecy(std::string_view text) {
  if (text.find(Fleet::secretMark) != std::string_view::npos)
    violated("a secret is told: " + std::string(text));
}

/// Nor what others could read of it. What goes to the disk was looked at then, but for what is no database.
void World::checkStateHoldsNoSecret() {
  if (process_ == nullptr) return;
  for (const auto& view : process_->objects().list()) checkSecrecy(api::toJson(view->status).dump());
  const auto events = process_->events().events().list({}, [](const auto&) { return true; });
  for (const auto& event : events.views) checkSecrecy(event->message);
  for (const auto& file : std::filesystem::directory_iterator(temp_.path() / "state")) {
    const bool isDatabase = file.path().filename().string().starts_with("state.db");
    if (file.is_regular_file() && !isDatabase) checkSecrecy(fixtures::readFile(file.path()));
  }
}

}  // namespace rookery::simulation
