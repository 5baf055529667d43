#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "image/image.h"
#include "simulation/materials.h"
#include "simulation/world.h"
#include "state/writer.h"

/// The end of a world's history: what has to be reached once everything is mended.
namespace rookery::simulation {

using albatross::Name;
using namespace std::chrono_literals;
namespace uk = albatross::unikernel;

namespace {

bool sameButForItsStart(albatross::UnikernelInfo one, const albatross::UnikernelInfo& other) {
  one.started = other.started;
  return one == other;
}

std::string toText(const albatross::UnikernelInfo& info) {
  return fmt::format("image {}, {} MB, CPUs {}, [{}], {} bridges, {} devices", image::toHex(info.digest),
                     info.memory, fmt::join(info.cpuIDs, ","),
                     fmt::join(info.arguments.value_or(std::vector<std::string>{}), " "), info.bridges.size(),
                     info.blocks.size());
}

}  // namespace

/// What can be had: everything runs, and the policies leave room for it.
void World::makePeace() {
  tell("-- peace");
  disturbances_.disarm();
  referee_.everythingMayBeTaken();
  referee_.newsFor(now());
  mendFolder();
  mendServers();
  for (const auto& server : servers_) server->mutationFaults.clear(), server->questionFaults.clear();
  if (diskTroubledUntil_ > time_.now()) setDisk(Disk::Trouble::None);
  receivers_.mood = Receivers::Mood::Takes;
  mendMachine();
  wallOffset_ = {};
  change([](Fleet& fleet) {
    fleet.declareAll();
    for (auto& [key, unikernel] : fleet.unikernels) {
      unikernel.suspend = false;
      unikernel.adoptAlways = true;  // somebody has read that what others started is left alone
      if (unikernel.image == Fleet::badImage) unikernel.image = 'a';
      unikernel.edit += 1'000;  // what was taken back is tried again
    }
    for (auto& [nameSpace, memory] : fleet.policyMemory) memory = 1'024;
  });
  referee_.stoppable({api::Kind::Unikernel, "db", "main"});
  live(time_.now() + 1min);
  change([](Fleet& fleet) { fleet.unikernels.erase({api::Kind::Unikernel, "db", "replica"}); });

  awaitPeace(15min, [this] { return unrest(); });
  checkLossIsSeen();
  checkFailover();
  checkDump();
  const api::ObjectKey twin{api::Kind::Unikernel, "shop", "twin"};
  referee_.forgetSent(twin);
  makeBadUpdates();
  awaitPeace(3min, [this] { return unrest(); });
  if (referee_.sentTo(twin, digestOfImage(Fleet::badImage)) != 1)
    violated("a bad image reaches more than one");
  receivers_.check();
  checkForeigners();
  checkStateHoldsNoSecret();
  live(time_.now() + 1ms);
}

void World::reach(milliseconds step, const std::function<std::optional<std::string>()>& trouble) {
  const Time latest = time_.now() + 2h;
  while (trouble() && time_.now() < latest) live(time_.now() + step);
  if (const auto why = trouble()) violated("there is no peace: " + *why);
}

World::Settled World::settle(std::vector<Disturbance> disturbances) {
  constexpr auto trickle = 3s;  // what is still under way then
  constexpr auto look = 35s;    // after the next one there is nothing left to write down
  constexpr auto quiet = 65s;   // two more
  for (const Disturbance& disturbance : disturbances) tell("-- " + disturbance.toString());
  referee_.newsFor(now());
  disturbances_.arm(std::move(disturbances));
  reach(1s, [this] { return unrest(); });
  live(time_.now() + trickle);
  const Settled settled{disturbances_.moments(), disturbances_.left()};
  disturbances_.disarm();
  live(time_.now() + look);
  awaitPeace(quiet, [this] { return unrest(); });
  receivers_.check();
  live(time_.now() + 1ms);
  return settled;
}

/// What a restart of the controller may change is no part of it.
std::string World::fixpoint() {
  std::string text;
  for (const auto& server : servers_) {
    for (auto& [name, info] : server->running()) {
      auto same = info;
      same.started.reset();
      text += fmt::format("{} on {}: {}\n", name.toString(), server->name(), toText(same));
    }
    for (const auto& block : server->emulated().resources().blocks().all()) {
      const auto content = server->emulated().resources().content(block.name);
      text += fmt::format("{} on {}: {} MB, {}\n", block.name.toString(), server->name(), block.value->size,
                          content == nullptr ? "empty" : content->bytes.substr(0, 1));
    }
    for (const auto& [name, entry] : process_->state().inventoryOf(server->key()))
      text += fmt::format("{} on {} is ours\n", name.toString(), server->name());
  }
  for (const auto& view : process_->objects().list()) {
    const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
    text += fmt::format("{}: {}\n", view->object->key().toString(),
                        ready == nullptr ? "" : rookery::toString(ready->reason));
  }
  return text + receivers_.fixpoint();
}

/// It is reached, and lasts, without anything that is sent or written.
void World::awaitPeace(milliseconds lasting, const std::function<std::optional<std::string>()>& trouble) {
  reach(20s, trouble);
  const std::size_t commands = referee_.commands();
  live(time_.now() + 2 * state::Writer::longestDelay);  // what need not be on the disk at once
  const std::uint64_t syncs = disk_.syncs();
  live(time_.now() + lasting);
  if (referee_.commands() != commands) violated("more is sent in peace");
  if (disk_.syncs() != syncs) violated("more is written in peace");
  if (const auto why = trouble()) violated("peace does not last: " + *why);
}

/// What is not told of any more by the statistics is looked for, long before the next look that is due.
void World::checkLossIsSeen() {
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    if (unikernel.once) continue;
    ++cases_;
    tell(fmt::format("-- {} is lost", key.toString()));
    Server& server = serverOf(*runningOn(key).begin());
    server.submit({{}, nameOf(key), albatross::UnikernelCommand(uk::Destroy{})});
    live(time_.now() + 16s);
    const auto running = server.running();
    if (!running.contains(nameOf(key))) violated(key.toString() + " was lost, and that was not seen in time");
  }
  awaitPeace(3min, [this] { return unrest(); });
}

/// Where it runs and is ours: somebody else may have taken its name on another server.
std::set<std::string> World::runningOn(const api::ObjectKey& key) {
  std::set<std::string> names;
  for (const auto& server : servers_) {
    const auto inventory = process_->state().inventoryOf(server->key());
    const auto entry = inventory.find(nameOf(key));
    const bool ours = entry != inventory.end() && !entry->second.destroyedAt;
    if (ours && server->running().contains(nameOf(key))) names.insert(server->name());
  }
  return names;
}

/// What may go elsewhere does so when its server is out of reach for long enough, and is on one in the end.
void World::checkFailover() {
  const api::ObjectKey nomad{api::Kind::Unikernel, "shop", "nomad"};
  ++cases_;
  Server& server = serverOf(*runningOn(nomad).begin());
  tell(fmt::format("-- {} is out of reach", server.name()));
  referee_.newsFor(now());
  server.unreachable = true;
  live(time_.now() + Fleet::failoverAfter - 10s);
  if (runningOn(nomad).size() != 1) violated("It went elsewhere too soon.");
  live(time_.now() + 2min);
  if (runningOn(nomad).size() != 2) violated("It did not go elsewhere.");
  mendServers();
  awaitPeace(3min, [this] { return unrest(); });
  if (runningOn(nomad).contains(server.name())) violated("It did not stay where it went.");
}

/// What is on a volume that nobody uses is told as a whole.
void World::checkDump() {
  const api::ObjectKey user{api::Kind::Unikernel, "db", "main"};
  ++cases_;
  tell("-- a volume is dumped");
  const Fleet::Unikernel stopped = fleet_.unikernels.at(user);
  change([&](Fleet& fleet) { fleet.unikernels.erase(user); });
  live(time_.now() + 2min);
  const std::size_t before = readers_.tally().whole;
  apply({.what = Happening::SomebodyDumps});
  live(time_.now() + 1min);
  if (readers_.tally().whole != before + 1) violated("a volume was not told as a whole");
  change([&](Fleet& fleet) { fleet.unikernels.emplace(user, stopped); });
  awaitPeace(3min, [this] { return unrest(); });
}

/// Of all whose updates are taken back where they fail.
void World::makeBadUpdates() {
  tell("-- bad updates");
  referee_.newsFor(now());
  change([this](Fleet& fleet) {
    for (auto& [key, unikernel] : fleet.unikernels) {
      if (!unikernel.rollback) continue;
      ++cases_;
      unikernel.image = Fleet::badImage;
      unikernel.edit += 1;
    }
  });
}

std::optional<std::string> World::whyNotTakenBack(const api::ObjectKey& key, const Fleet::Unikernel& before) {
  const auto view = process_ == nullptr ? nullptr : process_->objects().find(key);
  if (view == nullptr) return key.toString() + " is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (before.placement != Fleet::Unikernel::Placement::None) {
    if (auto why = whyNotStopped(key, view->status)) return why;
  } else if (ready == nullptr || ready->reason != Reason::RolledBack)
    return fmt::format("the bad update of {} was not taken back: {}", key.toString(),
                       ready == nullptr ? "" : ready->message);
  return whyNotAsDeclared(key, before);
}

/// The roll-out of a bad update ends where it was tried first.
std::optional<std::string> World::whyNotStopped(const api::ObjectKey& key, const api::Status& status) {
  const auto back = std::ranges::count(status.placements, Reason::RolledBack, &api::PlacementStatus::reason);
  if (back != 1)
    return fmt::format("the bad update of {} was taken back on {} servers", key.toString(), back);
  return std::nullopt;
}

std::optional<std::string> World::unrest() {
  if (process_ == nullptr) return "there is no controller";
  for (const auto& [receiver, count] : process_->notifier().counts()) {
    if (count.waiting > 0) return fmt::format("{} has not been told of {}", receiver, count.waiting);
  }
  if (auto why = receivers_.unrest()) return why;
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    if (auto why = unrestOf(key, unikernel)) return why;
  }
  if (fleet_.volume) {
    if (auto why = unrestOfVolume(*fleet_.volume)) return why;
  }
  for (const auto& server : servers_) {
    const auto inventory = process_->state().inventoryOf(server->key());
    for (const auto& [name, entry] : inventory) {
      if (entry.pending)
        return fmt::format("what became of {} on {} is not known", name.toString(), server->name());
    }
    for (const auto& [name, info] : server->running()) {
      const auto entry = inventory.find(name);
      const auto wanted = fleet_.unikernels.find(keyOf(name));
      const auto homes =
          wanted == fleet_.unikernels.end() ? std::set<std::string>{} : fleet_.homesOf(wanted->second);
      const bool here =
          wanted != fleet_.unikernels.end() && (homes.empty() || homes.contains(server->name()));
      if (entry != inventory.end() && !here)
        return fmt::format("{} on {} should not run", name.toString(), server->name());
    }
  }
  return std::nullopt;
}

std::optional<std::string> World::unrestOfVolume(const Fleet::Volume& volume) {
  const auto view = process_->objects().find(volumeKey);
  if (view == nullptr) return "the volume is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (!view->status.ready()) return "the volume is not Ready: " + (ready == nullptr ? "" : ready->message);
  const Name name{{volumeKey.nameSpace}, volumeKey.name};
  const auto content = serverOf(volume.server).emulated().resources().content(name);
  if (content == nullptr || content->bytes != contentOf(volume.content))
    return "the volume does not hold what is declared";
  return std::nullopt;
}

std::optional<std::string> World::unrestOf(const api::ObjectKey& key, const Fleet::Unikernel& unikernel) {
  if (unikernel.rollback && unikernel.image == Fleet::badImage) return whyNotTakenBack(key, before_.at(key));
  const auto view = process_->objects().find(key);
  if (view == nullptr) return key.toString() + " is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (!view->status.ready())
    return fmt::format("{} is not Ready: {}", key.toString(), ready == nullptr ? "" : ready->message);
  return whyNotAsDeclared(key, unikernel);
}

std::optional<std::string> World::whyNotAsDeclared(const api::ObjectKey& key,
                                                   const Fleet::Unikernel& unikernel) {
  std::set<std::string> homes = fleet_.homesOf(unikernel);
  if (homes.empty()) {
    homes = runningOn(key);
    if (homes.size() != 1) return fmt::format("{} runs on {} servers", key.toString(), homes.size());
  }
  for (const std::string& server : homes) {
    if (auto why = whyNotAsDeclared(server, key, unikernel)) return why;
  }
  return std::nullopt;
}

std::optional<std::string> World::whyNotAsDeclared(const std::string& server, const api::ObjectKey& key,
                                                   const Fleet::Unikernel& unikernel) {
  const auto running = serverOf(server).running();
  const auto found = running.find(nameOf(key));
  if (found == running.end() && unikernel.once) return std::nullopt;
  if (found == running.end()) return fmt::format("{} does not run on {}", key.toString(), server);
  const bool asDeclared = found->second.digest == digestOfImage(imageNameOf(unikernel)) &&
                          found->second.memory == unikernel.memory && found->second.arguments &&
                          found->second.arguments->front() == fmt::format("--edit={}", unikernel.edit);
  if (!asDeclared) return fmt::format("{} does not run on {} as declared", key.toString(), server);
  return std::nullopt;
}

void World::checkForeigners() {
  for (const Foreigner& foreigner : foreigners_) {
    const auto running = serverOf(foreigner.server).running();
    const auto still = running.find(foreigner.name);
    if (still == running.end() || !sameButForItsStart(still->second, foreigner.info))
      violated(
          fmt::format("{} on {} is not ours and was changed", foreigner.name.toString(), foreigner.server));
  }
}

}  // namespace rookery::simulation
