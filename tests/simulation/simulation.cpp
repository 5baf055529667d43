#include "simulation/simulation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "image/digest.h"
#include "images/image_maker.h"
#include "plan/desired.h"
#include "reconcile/observe.h"

namespace rookery::simulation {

using albatross::Name;
using albatross::Policy;
using plan::keyOf;
using plan::Observed;
using plan::Plan;
using plan::Scene;
using plan::Step;
using plan::Verb;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> fleet = {"sys/dns",  "shop/web", "shop/cart",
                                        "shop/job", "db/main",  "db/replica"};
const Name legacy{{"shop"}, "legacy"};
const Name stranger{{"other"}, "app"};
const Name machineName{{"shop"}, "vm"};

albatross::Time toTime(SystemTime time) { return std::chrono::floor<milliseconds>(time); }

/// The bridge that an image's only network device is put on, and the arguments that go with it.
albatross::Arguments argumentsOf(std::int64_t memory) {
  albatross::Arguments arguments;
  arguments.memory = memory;
  arguments.bridges = {{"service", "br0", std::nullopt}};
  return arguments;
}

Policy policyOf(std::int64_t memory) { return {{0, 1}, 10, memory, std::nullopt, {"br0"}}; }

albatross::Config configOf(const albatross::Arguments& arguments, std::string bytes) {
  return {albatross::UnikernelType::Solo5, false, std::move(bytes), arguments};
}

/// The same but for what a restart of the server changes.
bool sameButForItsStart(albatross::UnikernelInfo a, const albatross::UnikernelInfo& b) {
  a.started = b.started;
  return a == b;
}

}  // namespace

Simulation::Simulation(std::uint64_t seed) : random_(seed) {
  for (const char content : {'a', 'b', 'c', 'd'}) {
    images::ImageSpec spec;
    spec.networks = {"service"};
    spec.content = content;
    const std::string bytes = images::makeImage(spec);
    image::Sha256 digest;
    digest.update(bytes);
    image::Image image;
    image.path = std::string("/manifests/") + content + ".hvt";
    image.size = bytes.size();
    image.digest = digest.finish();
    image.manifest.networkDevices = {"service"};
    images_[image.digest] = bytes;
    library_.push_back(std::move(image));
  }
  machine_ = {.memory = 4'096, .cpus = 2, .block = 1'024, .bridges = {"br0", "br1"}};
  server_ = std::make_unique<emulator::Server>(machine_);
  wake_ = scene_.now;
  const auto settle = [&](const Name& name, albatross::Config config) {
    emulator::Request request{
        {}, name, albatross::UnikernelCommand(albatross::unikernel::Create{std::move(config)})};
    if (!name.path.empty()) request.policies = {{name.path, policyOf(1'024)}};
    ask(std::move(request));
    foreign_.insert(name);
  };
  settle(legacy, configOf(argumentsOf(32), images_.at(library_[0].digest)));
  settle(stranger, configOf(argumentsOf(32), images_.at(library_[1].digest)));
  albatross::Config bhyve = configOf(argumentsOf(32), "a disk");
  bhyve.type = albatross::UnikernelType::Bhyve;
  settle(machineName, bhyve);
  for (auto& [name, info] : running()) foreignInfo_[name] = info;
  if (foreignInfo_.size() != foreign_.size()) fail("not everything foreign runs in the beginning");
}

// -- The history
// -----------------------------------------------------------------------------------------------------

void Simulation::run() {
  declareAll();
  server_->faults().restartIgnoresMemory = chance(0.5);
  for (int i = 0; i < 30; ++i) {
    mishap();
    live(scene_.now + milliseconds(pick(10'000)));
  }
  faults_ = 0;
  const bool ignoresMemory = server_->faults().restartIgnoresMemory;
  server_->faults() = {};
  server_->faults().restartIgnoresMemory = ignoresMemory;
  declareAll();
  // Somebody has read that what others started is left alone.
  for (const std::string& path : fleet)
    declare(path, [](api::Unikernel& spec, auto&) { spec.adopt = api::Unikernel::Adopt::Always; });
  scene_.undeclare("db/replica");
  const SystemTime limit = scene_.now + 2h;
  do {
    live(scene_.now + 1min);
  } while (!resting_ && scene_.now < limit);
  checkPeace();
}

/// Something happens that the controller has no part in, or notices late.
void Simulation::mishap() {
  auto& faults = server_->faults();
  switch (pick(10)) {
    case 0:
    case 1:
    case 2:
      return editManifests();
    case 3:
      return interfere();
    case 4:
      return reboot();
    case 5:
      faults.refuse = !faults.refuse;
      return;
    case 6:
      faults.endpointError = !faults.endpointError;
      return;
    case 7:
      faults.stopAfter = milliseconds(pick(3) * 1'500);
      return;
    case 8:
      if (faults.exitAfter) {
        faults.exitAfter.reset();
      } else {
        faults.exitAfter = {milliseconds(200 + pick(20'000)), 2};
      }
      return;
    default:
      history_.push_back("the controller is killed");
      die();
  }
}

void Simulation::die() {
  scene_.memory = {};
  known_.reset();
  alive_ = false;
}

void Simulation::editManifests() {
  const std::string path = fleet[pick(fleet.size())];
  switch (pick(6)) {
    case 0:
      history_.push_back(fmt::format("{} is not declared any more", path));
      return scene_.undeclare(path);
    case 1:
      return declarePolicy(keyOf(path).nameSpace, 64 + static_cast<std::int64_t>(pick(8)) * 64);
    case 2:
      return declare(path, [&](auto& spec, auto&) { spec.suspend = !spec.suspend; });
    case 3:
      return declare(path, [&](auto&, auto& unikernel) {
        unikernel.arguments.memory = 16 + static_cast<std::int64_t>(pick(4)) * 16;
      });
    case 4:
      return declare(path,
                     [&](auto&, auto& unikernel) { unikernel.image = library_[pick(library_.size())]; });
    default:
      return declare(path, [&](auto&, auto& unikernel) {
        unikernel.arguments.arguments = {{fmt::format("--edit={}", pick(1'000))}};
      });
  }
}

/// Somebody else works on the server, also on what is ours.
void Simulation::interfere() {
  const std::string path = fleet[pick(fleet.size())];
  const Name name = Scene::name(path);
  if (!running().contains(name) || foreign_.contains(name)) return;
  history_.push_back(fmt::format("somebody meddles with {}", name.toString()));
  // Never the same twice: two who undo each other's changes for ever would be told to stop.
  albatross::Arguments arguments = argumentsOf(32);
  arguments.startup = ++meddled_;
  emulator::Request request{{}, name, {}};
  switch (pick(3)) {
    case 0:
      request.command = albatross::UnikernelCommand(albatross::unikernel::Destroy{});
      break;
    case 1:
      request.command = albatross::UnikernelCommand(albatross::unikernel::Restart{arguments});
      break;
    default: {
      // An image that rookery never sent there would make it somebody else's.
      const auto entry = disk_.find(name);
      if (entry == disk_.end() || entry->second.digests.empty()) return;
      const std::string& digest = entry->second.digests[pick(entry->second.digests.size())];
      request.command = albatross::UnikernelCommand(
          albatross::unikernel::ForceCreate{configOf(arguments, images_.at(digest))});
    }
  }
  if (submit(std::move(request), 30s)) unseen_[name] = meddled_;
}

/// Somebody's doing that no controller has seen coming is not ours, whatever an entry says.
void Simulation::noteStrangers(const Observed& observed) {
  if (!std::exchange(alive_, true)) {
    for (const auto& [name, mark] : unseen_) {
      const auto entry = disk_.find(name);
      const auto now = observed.unikernels.find(name);
      const bool seen = entry != disk_.end() && now != observed.unikernels.end() &&
                        entry->second.started == now->second.started;
      if (!seen) strangers_[name] = mark;
    }
  }
}

/// The server starts again, with what it had at some earlier time.
void Simulation::reboot() {
  history_.push_back("the server starts again");
  emulator::State state;
  for (const auto& policy : server_->resources().policies().all()) {
    if (!policy.name.path.empty()) state.policies.emplace_back(policy.name.path, *policy.value);
  }
  for (const auto& unikernel : server_->resources().unikernels().all()) {
    state.unikernels.emplace_back(unikernel.name, unikernel.value->configuration);
  }
  // An old state right after a step looks like a step that changed nothing, which somebody would have to look
  // after.
  const bool old = backup_ && looked_ && chance(0.5);
  const emulator::State brought = old ? *backup_ : state;
  backup_ = state;
  const emulator::Faults faults = server_->faults();
  server_ = std::make_unique<emulator::Server>(machine_);
  server_->restore(brought, toTime(scene_.now));
  server_->faults() = faults;
}

void Simulation::advance(SystemTime::duration duration) {
  scene_.now += duration;
  server_->tick(toTime(scene_.now));
}

// -- The server
// ------------------------------------------------------------------------------------------------------

/// Waits for the answer as a client does; nothing: it took longer than `deadline`.
std::optional<emulator::Answer> Simulation::submit(emulator::Request request, milliseconds deadline) {
  const auto answer = std::make_shared<std::optional<emulator::Answer>>();
  const SystemTime end = scene_.now + deadline;
  server_->submit(std::move(request), toTime(scene_.now),
                  [answer](emulator::Answer said) { *answer = std::move(said); });
  while (!*answer && scene_.now < end) {
    const auto event = server_->nextEvent();
    const SystemTime next = event ? std::min<SystemTime>(end, std::max<SystemTime>(*event, scene_.now)) : end;
    advance(next - scene_.now);
  }
  return *answer;
}

emulator::Answer Simulation::ask(emulator::Request request) {
  auto answer = submit(std::move(request), 1h);
  if (!answer) fail("the server does not answer");
  return *std::move(answer);
}

std::map<Name, albatross::UnikernelInfo> Simulation::running() {
  std::map<Name, albatross::UnikernelInfo> all;
  const bool unreachable = std::exchange(server_->faults().endpointError, false);
  const auto answer = ask({{}, {}, albatross::UnikernelCommand(albatross::unikernel::Info{})});
  server_->faults().endpointError = unreachable;
  const auto list = albatross::unikernelsOf({"key", {}, std::get<albatross::Success>(*answer)});
  for (const auto& [name, info] : *list) all[name] = info;
  return all;
}

// -- The controller
// --------------------------------------------------------------------------------------------------

void Simulation::live(SystemTime until) {
  int busy = 0;
  while (scene_.now < until) {
    bool again = false;
    try {
      again = round();
    } catch (const Crash&) {
      history_.push_back("the controller dies");
      die();
      wake_ = scene_.now + 1s;
    }
    busy = again ? busy + 1 : 0;
    if (busy > 500) fail("it never comes to rest");
    if (!again) advance(std::max<SystemTime::duration>(std::min(wake_, until) - scene_.now, 1ms));
  }
}

bool Simulation::look(Observed& observed) {
  if (chance(faults_ / 2) || server_->faults().endpointError) return false;
  observed.serverKey = "key";
  observed.unikernels = running();
  const auto answer = ask({{}, {}, albatross::PolicyCommand(albatross::policy::Info{})});
  const auto list = albatross::policiesOf({"key", {}, std::get<albatross::Success>(*answer)});
  for (const auto& [name, policy] : *list) observed.policies[name] = policy;
  return true;
}

/// As InstanceLoop::round. True: look again at once.
bool Simulation::round() {
  Observed observed;
  wake_ = scene_.now + 30s;
  if (!look(observed)) {
    wake_ = scene_.now + 1s;
    return false;
  }
  scene_.memory.inventory = disk_;
  scene_.memory.restartChangesMemory = diskRestartChangesMemory_;
  const plan::Memory before = scene_.memory;
  const Plan plan =
      plan::decide(scene_.desired, observed, std::move(scene_.memory), scene_.authority, scene_.now);
  checkAgain(observed, before, plan);
  scene_.memory = plan.memory;
  noteStrangers(observed);
  persist(plan.memory.inventory);
  unseen_.clear();
  if (plan.memory.restartChangesMemory) diskRestartChangesMemory_ = plan.memory.restartChangesMemory;
  if (plan.wakeAt) wake_ = std::min(wake_, *plan.wakeAt);
  resting_ =
      plan.steps.empty() &&
      std::ranges::all_of(
          plan.objects, [](const auto& item) { return item.second.settled && item.second.status.ready(); }) &&
      std::ranges::none_of(disk_, [](const auto& item) { return item.second.pending.has_value(); });
  looked_ = true;
  const auto due = std::find_if(plan.steps.begin(), plan.steps.end(),
                                [&](const Step& step) { return step.notBefore <= scene_.now; });
  if (due == plan.steps.end()) return false;
  take(*due, observed);
  return true;
}

/// Who judges only what has to be judged comes to the same.
void Simulation::checkAgain(const Observed& observed, const plan::Memory& memory, const Plan& plan) {
  constexpr std::chrono::minutes longest{5};  // as a loop does
  const auto changed = known_ && scene_.now - knownSince_ < longest
                           ? known_->changed(scene_.desired, observed, scene_.now)
                           : std::nullopt;
  if (!changed) {
    known_.emplace(scene_.desired, observed, plan);
    knownSince_ = scene_.now;
    return;
  }
  const Plan again = plan::decideAgain(scene_.desired, *changed, observed, memory, known_->counts,
                                       scene_.authority, scene_.now);
  known_->add(scene_.desired, observed, again);
  const bool sameSteps = std::ranges::equal(again.steps, plan.steps, [](const Step& one, const Step& other) {
    return plan::sendsTheSame(one, other) && one.notBefore == other.notBefore;
  });
  if (!sameSteps) fail("judging what has changed alone plans other steps");
  const bool sameObjects =
      std::ranges::equal(known_->objects, plan.objects, [](const auto& one, const auto& other) {
        return one.first == other.first && plan::timeless(one.second) == plan::timeless(other.second);
      });
  if (!sameObjects) fail("judging what has changed alone says something else of an object");
  if (again.counts != plan.counts) fail("judging what has changed alone counts something else");
  if (again.memory.inventory != plan.memory.inventory)
    fail("judging what has changed alone holds something else to be ours");
}

void Simulation::take(const Step& step, const Observed& observed) {
  const SystemTime sentAt = scene_.now;
  looked_ = false;
  history_.push_back(fmt::format("{} {} {}: {}", (scene_.now - SystemTime{}) / 1ms, toString(step.verb),
                                 step.name.toString(), step.message));
  scene_.memory = sending(std::move(scene_.memory), step, scene_.desired, observed, scene_.now);
  mayCrash();
  persistEntry(step.name);
  mayCrash();
  albatross::CallResult result = albatross::Reply{};
  if (step.verb != Verb::Adopt) {
    result = send(step);
  } else {
    strangers_.erase(step.name);
  }
  if (!result)
    history_.push_back(fmt::format("  failed: {}{}", result.error().error.message,
                                   result.error().inDoubt ? " (in doubt)" : ""));
  mayCrash();
  scene_.memory = answered(std::move(scene_.memory), step, scene_.desired, result, 0, sentAt, scene_.now);
  persistEntry(step.name);
  mayCrash();
}

albatross::CallResult Simulation::send(const Step& step) {
  const auto broken = [](Reason reason, bool inDoubt) {
    return std::unexpected(albatross::CallError{{reason, "The connection broke."}, inDoubt});
  };
  checkStep(step);
  if (chance(faults_)) return broken(Reason::ConnectionFailed, false);
  emulator::Request request{{}, step.name, reconcile::commandOf(step)};
  emulator::Path path;
  for (const auto& domain : step.domains) {
    path.push_back(domain.label);
    request.policies.emplace_back(path, domain.policy);
  }
  if (step.image) {
    mayCrash();
    scene_.memory = committing(std::move(scene_.memory), step);
    persistEntry(step.name);
    mayCrash();
    const std::string& bytes = images_.at(step.image->digest);
    auto& command = std::get<albatross::UnikernelCommand>(request.command);
    if (auto* create = std::get_if<albatross::unikernel::Create>(&command)) create->config.image = bytes;
    if (auto* create = std::get_if<albatross::unikernel::ForceCreate>(&command)) create->config.image = bytes;
  }
  const auto answer = submit(std::move(request), step.image ? 10min : 30s);
  if (!answer) return broken(Reason::DeadlineExceeded, true);
  if (chance(faults_)) return broken(Reason::ConnectionFailed, true);
  if (!*answer) return broken(Reason::ProtocolError, true);
  if (const auto* failure = std::get_if<albatross::Failure>(&**answer)) {
    const bool endpoint = server_->faults().endpointError;
    return std::unexpected(albatross::CallError{
        {endpoint ? Reason::ServiceUnavailable : Reason::Refused, failure->message}, false});
  }
  return albatross::Reply{"key", step.name, std::get<albatross::Success>(**answer)};
}

/// Entry by entry, as the state directory is written.
void Simulation::persist(const plan::Inventory& inventory) {
  const plan::Inventory before = disk_;
  for (const auto& [name, entry] : before) {
    if (inventory.contains(name)) continue;
    disk_.erase(name);
    ++writes_;
    mayCrash();
  }
  for (const auto& [name, entry] : inventory) {
    const auto old = before.find(name);
    if (old != before.end() && old->second == entry) continue;
    disk_[name] = entry;
    ++writes_;
    mayCrash();
  }
}

void Simulation::persistEntry(const Name& name) {
  const auto entry = scene_.memory.inventory.find(name);
  if (entry == scene_.memory.inventory.end()) return;
  disk_[name] = entry->second;
  ++writes_;
}

void Simulation::mayCrash() {
  if (chance(faults_ / 8)) throw Crash{};
}

bool Simulation::chance(double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

std::size_t Simulation::pick(std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
}

// -- What must hold
// --------------------------------------------------------------------------------------------------

void Simulation::checkStep(const Step& step) {
  const auto now = running();
  const auto present = now.find(step.name);
  if (foreign_.contains(step.name)) fail(fmt::format("{} is not ours", step.name.toString()));
  for (const auto& domain : step.domains) {
    const Policy* live = server_->resources().findPolicy({domain.label});
    if (step.verb != Verb::ApplyPolicy && (live == nullptr || *live != domain.policy)) {
      fail(fmt::format("{} of {} would change the policy of {}", toString(step.verb), step.name.toString(),
                       domain.label));
    }
  }
  if (step.verb == Verb::ApplyPolicy) return;
  const auto entry = disk_.find(step.name);
  if (entry == disk_.end() || !entry->second.pending)
    fail(step.name.toString() + " is sent before it is on the disk");
  const auto theirs = strangers_.find(step.name);
  if (theirs != strangers_.end() && present != now.end() && present->second.startup == theirs->second)
    fail(step.name.toString() + " is what somebody started while there was no controller");
  if (step.verb == Verb::Destroy) {
    if (scene_.desired.unikernels.contains(step.object))
      fail(step.object.toString() + " is declared and destroyed");
    return;
  }
  if (scene_.desired.unikernels.at(step.object).spec().suspend)
    fail(step.object.toString() + " is suspended and changed");
  if (present == now.end()) return;
  const auto difference =
      plan::compare(step.wanted->arguments, step.wanted->digest, present->second, step.name, {});
  if (!difference.any()) fail(step.name.toString() + " is as it should be, and changed");
  if (step.image && !difference.image && !server_->faults().restartIgnoresMemory) {
    fail(step.name.toString() + " gets an image that had arrived");
  }
}

void Simulation::checkPeace() {
  const std::size_t written = writes_;
  for (int i = 0; i < 10; ++i) {
    if (round()) fail("it does not stay at rest");
    advance(30s);
  }
  if (writes_ != written) fail("it writes without need");
  const auto now = running();
  for (const auto& [name, info] : foreignInfo_) {
    const auto still = now.find(name);
    if (still == now.end() || !sameButForItsStart(still->second, info))
      fail(name.toString() + " is not ours and was changed");
  }
  Observed observed;
  look(observed);
  const Plan plan = plan::decide(scene_.desired, observed, scene_.memory, scene_.authority, scene_.now);
  for (const auto& [key, state] : plan.objects) {
    if (!state.status.ready())
      fail(fmt::format("{} is not Ready: {}", key.toString(), state.status.conditions.at(0).message));
  }
  for (const auto& [key, unikernel] : scene_.desired.unikernels) {
    const Name name = Scene::nameOf(key);
    const auto found = now.find(name);
    if (found == now.end() && unikernel.spec().runPolicy == api::Unikernel::RunPolicy::Once) continue;
    if (found == now.end()) fail(name.toString() + " does not run");
    const auto difference =
        plan::compare(unikernel.arguments, unikernel.image->digest, found->second, name, {});
    if (difference.any()) fail(name.toString() + " does not run as declared");
  }
  std::set<Name> known = foreign_;
  for (const auto& [key, unikernel] : scene_.desired.unikernels) known.insert(Scene::nameOf(key));
  for (const auto& [name, info] : now) {
    const bool somebodys = info.startup && !disk_.contains(name);
    if (!known.contains(name) && !somebodys) fail(name.toString() + " should not run");
  }
}

void Simulation::fail(const std::string& what) const {
  throw Violation(fmt::format("{}\n{}", what, fmt::join(history_, "\n")));
}

// -- Manifests
// -------------------------------------------------------------------------------------------------------

void Simulation::declare(const std::string& path,
                         const std::function<void(api::Unikernel&, plan::DesiredUnikernel&)>& edit) {
  const bool known = scene_.desired.unikernels.contains(keyOf(path));
  history_.push_back(fmt::format("{} is declared anew", path));
  scene_.declare(path, [&](api::Unikernel& spec, plan::DesiredUnikernel& unikernel) {
    if (!known) {
      unikernel.arguments = argumentsOf(32);
      unikernel.image = library_[0];
      if (path == "shop/job") spec.runPolicy = api::Unikernel::RunPolicy::Once;
    }
    if (edit) edit(spec, unikernel);
  });
}

void Simulation::declarePolicy(const std::string& nameSpace, std::int64_t memory) {
  if (nameSpace != "sys") scene_.declarePolicy(nameSpace, policyOf(memory));
}

/// What can be had: everything runs, and the policies leave room for it.
void Simulation::declareAll() {
  for (const std::string& path : fleet)
    declare(path, [](api::Unikernel& spec, auto&) { spec.suspend = false; });
  declarePolicy("shop", 1'024);
  declarePolicy("db", 512);
}

}  // namespace rookery::simulation
