#include "simulation/referee.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "image/digest.h"

namespace rookery::simulation {

using albatross::Name;
namespace uk = albatross::unikernel;

namespace {

/// So many commands for one unikernel in ten minutes, without news, are more than any back-off allows.
constexpr std::size_t mostAttempts = 25;
constexpr std::chrono::minutes whileAttempts{10};

const albatross::UnikernelCommand* unikernelCommandOf(const emulator::Request& request) {
  return std::get_if<albatross::UnikernelCommand>(&request.command);
}

template <class T>
const T* get(const emulator::Request& request) {
  const auto* command = unikernelCommandOf(request);
  return command == nullptr ? nullptr : std::get_if<T>(command);
}

const albatross::Config* configOf(const emulator::Request& request) {
  if (const auto* create = get<uk::Create>(request)) return &create->config;
  if (const auto* create = get<uk::ForceCreate>(request)) return &create->config;
  return nullptr;
}

std::string wordOf(const emulator::Request& request) {
  if (get<uk::Create>(request) != nullptr) return "create";
  if (get<uk::ForceCreate>(request) != nullptr) return "force-create";
  if (get<uk::Restart>(request) != nullptr) return "restart";
  if (get<uk::Destroy>(request) != nullptr) return "destroy";
  if (std::holds_alternative<albatross::BlockCommand>(request.command)) return "volume";
  return "policy";
}

std::string digestOf(const std::string& bytes) {
  image::Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

}  // namespace

api::ObjectKey keyOf(const Name& name) {
  return {api::Kind::Unikernel, name.path.empty() ? "sys" : name.path.front(), name.label.value_or("")};
}

Name nameOf(const api::ObjectKey& key) {
  if (key.nameSpace == "sys") return {{}, key.name};
  return {{key.nameSpace}, key.name};
}

void Referee::looked(const std::string& server, const albatross::Unikernels& unikernels,
                     std::uint64_t changes, SystemTime now) {
  Seen& seen = seen_[server];
  const bool sawBefore = seen.at >= controllerStarted_ && seen.unikernelsAt != 0;
  const std::map<Name, albatross::UnikernelInfo> before = std::exchange(seen.unikernels, {});
  seen.at = now;
  for (const auto& [name, info] : unikernels) {
    const auto was = before.find(name);
    if (!foreignImages_.contains(info.digest)) {
      witnessed_.erase({server, name});
    } else if (sawBefore && was != before.end() && !foreignImages_.contains(was->second.digest)) {
      witnessed_.insert({server, name});
    }
    seen.unikernels[name] = info;
    const auto restarted = restarted_.find({server, name});
    if (restarted != restarted_.end() && restarted->second.memory != info.memory) keepsMemory_.insert(server);
  }
  seen.unikernelsAt = changes;
}

const albatross::UnikernelInfo* Referee::seen(const std::string& server, const Name& name) const {
  const auto known = seen_.find(server);
  if (known == seen_.end()) return nullptr;
  const auto found = known->second.unikernels.find(name);
  return found == known->second.unikernels.end() ? nullptr : &found->second;
}

void Referee::begins(const Command& command) {
  ++commands_;
  const std::string what =
      fmt::format("{} of {} on {}", wordOf(command.request), command.request.name.toString(), command.server);
  if (++executing_[command.server] > 1) fail(what + " is sent while another command is carried out");
  checkPolicies(command);
  checkVolume(command);
  if (unikernelCommandOf(command.request) == nullptr) return;
  if (!command.onDisk) fail(what + " is sent before it is on the disk");
  checkOwner(command);
  checkDestroy(command);
  checkImage(command);
  checkPatience(command);
  checkUnavailable(command);
  checkPlace(command);
  if (const auto* config = configOf(command.request))
    sent_[{keyOf(command.request.name), digestOf(config->image)}].insert(command.server);
}

void Referee::told(const std::string& server, const api::ObjectKey& key, bool ready) {
  if (ready) {
    ready_[key].insert(server);
    stopped_[key].erase(server);
  } else {
    ready_[key].erase(server);
  }
}

std::size_t Referee::sentTo(const api::ObjectKey& key, const std::string& digest) const {
  const auto found = sent_.find({key, digest});
  return found == sent_.end() ? 0 : found->second.size();
}

/// One that was Ready is not stopped while another is down that was stopped before.
void Referee::checkUnavailable(const Command& command) {
  const api::ObjectKey key = keyOf(command.request.name);
  const auto homes = home_.find(key);
  const bool runs = command.resources.unikernels().find(command.request.name) != nullptr;
  if (!runs || homes == home_.end() || homes->second.size() < 2 || removed_.contains(key)) return;
  std::set<std::string>& stopped = stopped_[key];
  const bool another = stopped.size() > (stopped.contains(command.server) ? 1u : 0u);
  if (another && ready_[key].contains(command.server))
    fail(fmt::format("{} is stopped on {} while it is down elsewhere", key.toString(), command.server));
  stopped.insert(command.server);
}

/// It does not leave a server that can be looked at.
void Referee::checkPlace(const Command& command) {
  const api::ObjectKey key = keyOf(command.request.name);
  const auto wanders = wanders_.find(key);
  if (wanders == wanders_.end() || get<uk::Create>(command.request) == nullptr) return;
  const std::string before = std::exchange(put_[key], command.server);
  const auto known = seen_.find(before);
  if (before.empty() || before == command.server || !command.elsewhere || known == seen_.end()) return;
  const bool wasThere = known->second.unikernels.contains(command.request.name);
  if (wasThere && command.now - std::max(known->second.at, controllerStarted_) < wanders->second)
    fail(fmt::format("{} leaves {}, which was not out of reach for long", key.toString(), before));
}

void Referee::checkOwner(const Command& command) const {
  const std::string name = command.request.name.toString();
  if (foreign_.contains({command.server, command.request.name}))
    fail(fmt::format("{} on {} is not ours", name, command.server));
  const emulator::Unikernel* runs = command.resources.unikernels().find(command.request.name);
  if (runs == nullptr || !foreignImages_.contains(runs->digest) || runs->started >= controllerStarted_)
    return;
  if (witnessed_.contains({command.server, command.request.name})) return;
  const auto* before = seen(command.server, command.request.name);
  if (before != nullptr && before->digest == runs->digest)
    fail(fmt::format("what runs as {} on {} was started by somebody else, as had been seen", name,
                     command.server));
}

void Referee::checkDestroy(const Command& command) const {
  if (get<uk::Destroy>(command.request) == nullptr) return;
  const api::ObjectKey key = keyOf(command.request.name);
  const auto home = home_.find(key);
  const bool wanders = wanders_.contains(key);
  const bool moved =
      wanders ? command.elsewhere : home != home_.end() && !home->second.contains(command.server);
  if (!removed_.contains(key) && !moved && !stoppable_.contains(key))
    fail(fmt::format("{} is destroyed on {}, and nobody wanted that", key.toString(), command.server));
}

/// Nobody asks for one to be removed, and what is on it belongs to who made it.
void Referee::checkVolume(const Command& command) const {
  const auto* order = std::get_if<albatross::BlockCommand>(&command.request.command);
  if (order == nullptr) return;
  const std::string what = fmt::format("volume {} on {}", command.request.name.toString(), command.server);
  if (!command.onDisk) fail(what + " is changed before that is on the disk");
  if (foreign_.contains({command.server, command.request.name})) fail(what + " is not ours");
  if (std::holds_alternative<albatross::block::Remove>(*order)) fail(what + " is removed");
}

void Referee::checkImage(const Command& command) {
  const std::pair place{command.server, command.request.name};
  const auto restarted = restarted_.extract(place);
  if (const auto* restart = get<uk::Restart>(command.request))
    restarted_[place] = restart->arguments.value_or(albatross::Arguments{});
  const albatross::Config* config = configOf(command.request);
  if (config == nullptr || get<uk::ForceCreate>(command.request) == nullptr) return;
  const auto* before = seen(command.server, command.request.name);
  // A restart that was answered with success and changed nothing is followed by one that does.
  const bool escalates = !restarted.empty() && restarted.mapped() == config->arguments;
  if (before != nullptr && before->digest == digestOf(config->image) && !escalates &&
      !keepsMemory_.contains(command.server))
    fail(fmt::format("{} on {} gets an image that it was seen to have", command.request.name.toString(),
                     command.server));
}

void Referee::checkPolicies(const Command& command) const {
  const auto seen = seen_.find(command.server);
  if (unikernelCommandOf(command.request) == nullptr || seen == seen_.end() || seen->second.isStale()) return;
  for (const auto& [path, policy] : command.request.policies) {
    const albatross::Policy* live = command.resources.findPolicy(path);
    if (live == nullptr || *live != policy)
      fail(fmt::format("{} of {} on {} would change the policy of {}", wordOf(command.request),
                       command.request.name.toString(), command.server, path.back()));
  }
}

void Referee::checkPatience(const Command& command) {
  std::deque<SystemTime>& times = attempts_[{command.server, command.request.name}];
  times.push_back(command.now);
  while (times.front() + whileAttempts < command.now) times.pop_front();
  if (times.size() > mostAttempts)
    fail(fmt::format("{} on {} is tried again and again", command.request.name.toString(), command.server));
}

void Referee::killedInVain(const std::string& server, const Name& name) const {
  const auto seen = seen_.find(server);
  if (seen == seen_.end() || seen->second.isStale()) return;
  fail(fmt::format("{} on {} was replaced by what cannot run there, which could have been known",
                   name.toString(), server));
}

}  // namespace rookery::simulation
