#include "plan/world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace rookery::plan {

using albatross::Arguments;
using albatross::Name;
using albatross::Policy;

namespace {

bool within(const std::vector<std::string>& domain, const std::vector<std::string>& path) {
  return path.size() >= domain.size() && std::equal(domain.begin(), domain.end(), path.begin());
}

/// Calls `visit` with each of what is kept in a map by name in a domain and below it.
template <class Map, class Visit>
void forEachIn(const Map& map, const std::vector<std::string>& domain, Visit visit) {
  for (auto it = map.lower_bound(Name{domain, std::nullopt});
       it != map.end() && within(domain, it->first.path); ++it) {
    visit(it->first, it->second);
  }
}

/// The unikernel that has the place of a domain: the server keeps both in one tree and counts `:shop` where
/// `shop:` is.
std::optional<Name> namesakeOf(const Name& domain) {
  if (domain.path.empty()) return std::nullopt;
  return Name{{domain.path.begin(), domain.path.end() - 1}, domain.path.back()};
}

std::string hostBridge(const albatross::Bridge& bridge) { return bridge.bridge.value_or(bridge.netif); }
std::string hostDevice(const albatross::Block& block) { return block.device.value_or(block.name); }

template <class T>
std::vector<T> missingFrom(const std::set<T>& wanted, const std::set<T>& allowed) {
  std::vector<T> missing;
  std::set_difference(wanted.begin(), wanted.end(), allowed.begin(), allowed.end(),
                      std::back_inserter(missing));
  return missing;
}

std::set<std::string> hostBridges(const Arguments& arguments) {
  std::set<std::string> bridges;
  for (const auto& bridge : arguments.bridges) bridges.insert(hostBridge(bridge));
  return bridges;
}

std::string spoken(const Name& domain) {
  return domain.path.empty() ? "the root domain" : fmt::format("domain {}", fmt::join(domain.path, ":"));
}

/// Whether all that `inner` allows is allowed by `outer`, too.
bool fitsIn(const Policy& inner, const Policy& outer) {
  const bool block = !inner.block || (outer.block && *inner.block <= *outer.block);
  return block && inner.unikernels <= outer.unikernels && inner.memory <= outer.memory &&
         missingFrom(inner.cpuIDs, outer.cpuIDs).empty() && missingFrom(inner.bridges, outer.bridges).empty();
}

std::string limitsOf(const Policy& policy) {
  return fmt::format("{} unikernels, {} Mi memory, {} Mi block storage, CPUs {}, bridges {}",
                     policy.unikernels, policy.memory, policy.block.value_or(0),
                     fmt::join(policy.cpuIDs, ", "), fmt::join(policy.bridges, ", "));
}

Error exceeded(std::string message) { return {Reason::PolicyExceeded, std::move(message)}; }

/// What the server will say of one that was started with these.
albatross::UnikernelInfo foreseenInfo(const Name& name, const Arguments& arguments,
                                      const std::string& digest) {
  albatross::UnikernelInfo info;
  info.startup = arguments.startup;
  info.failBehaviour = arguments.failBehaviour;
  info.cpuIDs = arguments.cpuIDs;
  info.memory = arguments.memory;
  info.digest = digest;
  info.arguments = arguments.arguments;
  for (const auto& block : arguments.blocks) {
    info.blocks.push_back({block.name, hostDevice(block), block.sectorSize.value_or(512), 0});
  }
  for (const auto& bridge : arguments.bridges) {
    info.bridges.push_back(
        {bridge.netif, hostBridge(bridge), bridge.mac.value_or(albatross::derivedMac(bridge.netif, name))});
  }
  return info;
}

}  // namespace

Name domainOf(const Name& name) { return {name.path, std::nullopt}; }

const Observed& World::present() const {
  for (const Change& change : std::exchange(due_, {})) carryOut(change);
  return foreseen_ ? *foreseen_ : seen_;
}

const albatross::UnikernelInfo* World::find(const Name& name) const {
  const auto& unikernels = present().unikernels;
  const auto it = unikernels.find(name);
  return it == unikernels.end() ? nullptr : &it->second;
}

const Policy* World::policy(const Name& domain) const {
  const auto& policies = policies_ ? *policies_ : seen_.policies;
  const auto it = policies.find(domain);
  return it == policies.end() ? nullptr : &it->second;
}

bool World::hasDomain(const std::string& label) const {
  Name domain{seen_.base.path, std::nullopt};
  domain.path.push_back(label);
  const auto& unikernels = present().unikernels;
  const auto first = unikernels.lower_bound(domain);
  const bool inhabited = first != unikernels.end() && within(domain.path, first->first.path);
  return inhabited || policy(domain) != nullptr;
}

void World::countAll() const {
  const Observed& now = present();
  if (std::exchange(counted_, true)) return;
  for (const auto& [name, info] : now.unikernels) account(name, info, 1);
}

/// Keeps count of what `name` uses; `sign` is -1 when it is gone.
void World::account(const Name& name, const albatross::UnikernelInfo& info, int sign) const {
  Path path;
  for (std::size_t depth = 0;; ++depth) {
    Totals& sum = totals_[path];
    sum.unikernels += sign;
    sum.memory += sign * info.memory;
    if (depth == name.path.size()) break;
    path.push_back(name.path[depth]);
  }
  for (const auto& block : info.blocks) {
    const Name device{name.path, block.hostDevice};
    if (sign > 0) users_.insert_or_assign(device, name);
    if (sign < 0) users_.erase(device);
  }
}

void World::run(const Name& name, const Arguments& arguments, const std::string& digest) {
  due_.push_back({name, arguments, digest});
}

void World::remove(const Name& name) { due_.push_back({name, std::nullopt, {}}); }

void World::setPolicy(const Name& domain, const Policy& policy) {
  if (!policies_) policies_ = seen_.policies;
  (*policies_)[domain] = policy;
}

void World::carryOut(const Change& change) const {
  if (!foreseen_) foreseen_ = seen_;
  const Name& name = change.name;
  if (const auto gone = foreseen_->unikernels.find(name); gone != foreseen_->unikernels.end()) {
    if (counted_) account(name, gone->second, -1);
    for (const auto& block : gone->second.blocks) {
      if (!foreseen_->blockDevices) break;
      const auto device = foreseen_->blockDevices->find(Name{name.path, block.hostDevice});
      if (device != foreseen_->blockDevices->end()) device->second.active = false;
    }
    foreseen_->unikernels.erase(gone);
  }
  if (!change.arguments) return;
  albatross::UnikernelInfo info = foreseenInfo(name, *change.arguments, change.digest);
  if (counted_) account(name, info, 1);
  foreseen_->unikernels[name] = std::move(info);
}

const albatross::BlockDevice* World::blockDevice(const Name& name) const {
  const auto& devices = present().blockDevices;
  if (!devices) return nullptr;
  const auto found = devices->find(name);
  return found == devices->end() ? nullptr : &found->second;
}

std::optional<Name> World::userOf(const Name& device) const {
  countAll();
  const auto user = users_.find(device);
  return user == users_.end() ? std::nullopt : std::optional(user->second);
}

void World::addBlockDevice(const Name& name, std::int64_t size) {
  if (!present().blockDevices) return;
  if (!foreseen_) foreseen_ = seen_;
  (*foreseen_->blockDevices)[name] = {size, false};
}

void World::removeBlockDevice(const Name& name) {
  if (!present().blockDevices) return;
  if (!foreseen_) foreseen_ = seen_;
  foreseen_->blockDevices->erase(name);
}

World::Totals World::totals(const Name& domain, const Name& except) const {
  countAll();
  Totals sum;
  if (const auto found = totals_.find(domain.path); found != totals_.end()) sum = found->second;
  const auto namesake = namesakeOf(domain);
  if (const auto* info = namesake ? find(*namesake) : nullptr; info != nullptr && namesake != except) {
    ++sum.unikernels;
    sum.memory += info->memory;
  }
  if (const auto* info = find(except); info != nullptr && within(domain.path, except.path)) {
    --sum.unikernels;
    sum.memory -= info->memory;
  }
  return sum;
}

World::Usage World::usage(const Name& domain) const {
  Usage used;
  const auto add = [&](const Name&, const albatross::UnikernelInfo& info) {
    ++used.totals.unikernels;
    used.totals.memory += info.memory;
    used.cpuIDs.insert(info.cpuIDs.begin(), info.cpuIDs.end());
    for (const auto& bridge : info.bridges) used.bridges.insert(bridge.hostDevice);
  };
  const Observed& now = present();
  forEachIn(now.unikernels, domain.path, add);
  const auto namesake = namesakeOf(domain);
  if (const auto* info = namesake ? find(*namesake) : nullptr; info != nullptr) add(*namesake, *info);
  if (!now.blockDevices) return used;
  forEachIn(*now.blockDevices, domain.path,
            [&](const Name&, const auto& device) { used.block += device.size; });
  return used;
}

std::optional<Error> World::cannotRun(const Name& name, const Arguments& arguments) const {
  if (seen_.era != albatross::Era::Current && arguments.cpuIDs.size() != 1) {
    return Error{
        Reason::TypeNotSupported,
        fmt::format(
            "The server is of a release before 2.7, in which a unikernel runs on exactly one CPU, and "
            "spec.cpuIDs names {}. Name one, or upgrade the server.",
            arguments.cpuIDs.size())};
  }
  if (auto error = overPolicy(name, arguments)) return error;
  if (auto error = overMachine(name, arguments)) return error;
  return blockDevices(name, arguments);
}

std::optional<Error> World::overPolicy(const Name& name, const Arguments& arguments) const {
  const Name domain = domainOf(name);
  const Policy* limit = policy(domain);
  if (limit == nullptr)
    return std::nullopt;  // the server checks nothing then; whether that may be is for plan to say
  const Totals used = totals(domain, name);
  if (used.unikernels + 1 > limit->unikernels) {
    return exceeded(
        fmt::format("The policy of {} allows {} unikernels, and as many run there. Raise unikernels in its "
                    "UnikernelPolicy, or remove one.",
                    spoken(domain), limit->unikernels));
  }
  if (used.memory + arguments.memory > limit->memory) {
    return exceeded(fmt::format(
        "spec.memory asks for {} Mi, but the policy of {} allows {} Mi, of which {} Mi are used by "
        "others. Lower spec.memory, or raise memory in the UnikernelPolicy.",
        arguments.memory, spoken(domain), limit->memory, used.memory));
  }
  if (const auto cpus = missingFrom(arguments.cpuIDs, limit->cpuIDs); !cpus.empty()) {
    return exceeded(fmt::format("spec.cpuIDs names {}, but the policy of {} allows {}.",
                                fmt::join(cpus, ", "), spoken(domain), fmt::join(limit->cpuIDs, ", ")));
  }
  if (const auto bridges = missingFrom(hostBridges(arguments), limit->bridges); !bridges.empty()) {
    const bool machine = domain.path.empty();
    return Error{
        machine ? Reason::BridgeNotFound : Reason::PolicyExceeded,
        fmt::format("spec.networkInterfaces names the bridge {}, but {} {} {}.", fmt::join(bridges, ", "),
                    machine ? "the server" : fmt::format("the policy of {}", spoken(domain)),
                    machine ? "has" : "allows",
                    limit->bridges.empty() ? "none" : fmt::format("{}", fmt::join(limit->bridges, ", ")))};
  }
  return std::nullopt;
}

std::optional<Error> World::overMachine(const Name& name, const Arguments& arguments) const {
  const Name root;
  const Policy* machine = policy(root);
  if (machine == nullptr || name.path.empty()) return std::nullopt;
  if (const auto cpus = missingFrom(arguments.cpuIDs, machine->cpuIDs); !cpus.empty()) {
    return exceeded(fmt::format("spec.cpuIDs names {}, but the server has only {}.", fmt::join(cpus, ", "),
                                fmt::join(machine->cpuIDs, ", ")));
  }
  if (const auto bridges = missingFrom(hostBridges(arguments), machine->bridges); !bridges.empty()) {
    return Error{
        Reason::BridgeNotFound,
        fmt::format(
            "spec.networkInterfaces names the bridge {}, but the server has {}.", fmt::join(bridges, ", "),
            machine->bridges.empty() ? "none" : fmt::format("{}", fmt::join(machine->bridges, ", ")))};
  }
  const Totals used = totals(root, name);
  if (used.memory + arguments.memory > machine->memory) {
    return exceeded(fmt::format(
        "spec.memory asks for {} Mi, but the server has {} Mi, of which {} Mi are used by others.",
        arguments.memory, machine->memory, used.memory));
  }
  return std::nullopt;
}

std::optional<Error> World::blockDevices(const Name& name, const Arguments& arguments) const {
  if (!seen_.blockDevices) return std::nullopt;
  countAll();
  const auto& devices = *present().blockDevices;
  std::set<std::string> taken;
  for (const auto& block : arguments.blocks) {
    const Name device{name.path, hostDevice(block)};
    const auto known = devices.find(device);
    if (known == devices.end()) {
      return Error{
          Reason::BlockDeviceNotFound,
          fmt::format(
              "spec.blockDevices names the volume {}, but there is no such block device in {}. Create it "
              "there, or correct volumeName.",
              *device.label, spoken(domainOf(name)))};
    }
    const auto inUse = [&](const std::string& by) {
      return Error{
          Reason::BlockDeviceInUse,
          fmt::format("spec.blockDevices names the volume {}, which is in use{}.", *device.label, by)};
    };
    const auto user = users_.find(device);
    if (user != users_.end() && user->second != name) return inUse(" by " + user->second.toString());
    if (user == users_.end() && known->second.active) return inUse("");
    if (!taken.insert(*device.label).second) return inUse(" by another device of the same unikernel");
  }
  return std::nullopt;
}

std::optional<Error> World::cannotAdd(const Name& name, std::int64_t size) const {
  const Name domain = domainOf(name);
  const Policy* limit = policy(domain);
  if (limit == nullptr) return std::nullopt;
  if (!limit->block) {
    return exceeded(
        fmt::format("The policy of {} allows no block devices. Set blockStorage in its UnikernelPolicy.",
                    spoken(domain)));
  }
  const std::int64_t used = usage(domain).block;
  if (used + size <= *limit->block) return std::nullopt;
  return exceeded(fmt::format(
      "spec.size asks for {} Mi, but the policy of {} allows {} Mi of block storage, of which {} Mi are "
      "used. Lower spec.size, or raise blockStorage in the UnikernelPolicy.",
      size, spoken(domain), *limit->block, used));
}

std::optional<Error> World::belowUsage(const Name& domain, const Policy& wanted) const {
  const Usage used = usage(domain);
  const auto below = [&](std::string_view field, auto allowed, auto present) {
    return exceeded(fmt::format("spec.{} is {}, which is below what {} uses now ({}).", field, allowed,
                                spoken(domain), present));
  };
  const auto megabytes = [](std::int64_t number) { return fmt::format("{} Mi", number); };
  if (wanted.unikernels < used.totals.unikernels)
    return below("unikernels", wanted.unikernels, used.totals.unikernels);
  if (wanted.memory < used.totals.memory)
    return below("memory", megabytes(wanted.memory), megabytes(used.totals.memory));
  if (wanted.block.value_or(0) < used.block)
    return below("blockStorage", megabytes(wanted.block.value_or(0)), megabytes(used.block));
  if (const auto cpus = missingFrom(used.cpuIDs, wanted.cpuIDs); !cpus.empty()) {
    return below("cpuIDs", fmt::format("{}", fmt::join(wanted.cpuIDs, ", ")),
                 fmt::format("CPU {}", fmt::join(cpus, ", ")));
  }
  if (const auto bridges = missingFrom(used.bridges, wanted.bridges); !bridges.empty()) {
    return below("bridges",
                 wanted.bridges.empty() ? "empty" : fmt::format("{}", fmt::join(wanted.bridges, ", ")),
                 fmt::format("bridge {}", fmt::join(bridges, ", ")));
  }
  return std::nullopt;
}

std::optional<Error> World::cannotSet(const Name& domain, const Policy& wanted) const {
  if (auto error = belowUsage(domain, wanted)) return error;
  std::optional<Error> error;
  forEachIn(policies_ ? *policies_ : seen_.policies, domain.path, [&](const Name& sub, const Policy& policy) {
    if (sub != domain && !error && !fitsIn(policy, wanted)) {
      error = exceeded(fmt::format("The policy allows less than the one of {} below it: {}.", spoken(sub),
                                   limitsOf(policy)));
    }
  });
  if (error) return error;
  // The server does not compare with the root's.
  const Policy* above = seen_.base.path.empty() ? nullptr : policy(seen_.base);
  if (above == nullptr || fitsIn(wanted, *above)) return std::nullopt;
  return exceeded(fmt::format("The policy allows more than the one of {} above it: {}.", spoken(seen_.base),
                              limitsOf(*above)));
}

}  // namespace rookery::plan
