#include "plan/desired.h"

#include <fmt/format.h>

#include <tuple>
#include <utility>

namespace rookery::plan {

bool DesiredUnikernel::imageUnsettled() const {
  return missing &&
         (missing->error.reason == Reason::BeingWritten || missing->error.reason == Reason::ImageBeingRead);
}

std::string DesiredUnikernel::digest() const {
  if (image) return image->digest;
  return missing ? image::fromHex(spec().image.sha256.value_or("")) : "";
}

albatross::Name Desired::nameOf(const api::ObjectKey& key, const albatross::Name& base) const {
  albatross::Name name{base.path, key.name};
  if (spec().rootNamespace != key.nameSpace) name.path.push_back(key.nameSpace);
  return name;
}

bool DesiredVolume::unsettled() const {
  return missing &&
         (missing->error.reason == Reason::BeingWritten || missing->error.reason == Reason::ImageBeingRead);
}

std::string DesiredVolume::digest() const {
  if (content && *content) return (*content)->digest;
  return missing ? image::fromHex(spec().source->sha256.value_or("")) : "";
}

bool DesiredVolume::goesWithItsObject() const {
  return spec().reclaimPolicy == api::UnikernelVolume::ReclaimPolicy::Delete &&
         !api::isReleased(object->metadata.annotations);
}

api::ObjectKey Desired::objectAt(const albatross::Name& name, const albatross::Name& base) const {
  const std::size_t depth = base.path.size();
  const bool inRoot = name.path.size() <= depth;
  api::ObjectKey key{api::Kind::Unikernel, inRoot ? spec().rootNamespace.value_or("") : name.path[depth], ""};
  const bool shadowed = !inRoot && key.nameSpace == spec().rootNamespace;  // that namespace's are in the root
  if (name.path.size() <= depth + 1 && !shadowed) key.name = name.label.value_or("");
  return key;
}

bool Desired::goesLater(const Absence& absence) const {
  if (absence.verdict != Absence::Verdict::Keep) return false;
  return absence.reason == Reason::Moved || (absence.reason == Reason::Pruning && prunes);
}

namespace {

/// All but the unikernels. Another member does not compile here until it is thought of.
auto othersOf(const Desired& desired) {
  const auto& [instance, identity, credentials, credentialsStand, unikernels, policies, volumes, absences,
               withheld, withheldUnikernels, outdated, instances, prunes, dependencies, awaited, replicated] =
      desired;
  return std::tie(instance, identity, credentials, credentialsStand, policies, volumes, absences, withheld,
                  withheldUnikernels, outdated, instances, prunes, dependencies, awaited, replicated);
}

}  // namespace

std::optional<std::set<api::ObjectKey>> changedUnikernels(const Desired& before, const Desired& after) {
  if (!after.volumes.empty()) return std::nullopt;  // a unikernel is judged with its volumes
  if (othersOf(before) != othersOf(after)) return std::nullopt;
  using Unikernels = decltype(Desired::unikernels);
  std::set<api::ObjectKey> changed;
  bool same = true;
  Unikernels::compare(before.unikernels, after.unikernels,
                      [&](const Unikernels::Item* was, const Unikernels::Item* is) {
                        same = same && was != nullptr && is != nullptr;
                        if (same && *was != *is) changed.insert(is->first);
                      });
  return same ? std::optional(std::move(changed)) : std::nullopt;
}

namespace {

/// All but the unikernels, as above.
auto othersOf(const Observed& observed) {
  const auto& [serverKey, base, era, unikernels, policies, blockDevices, health, lastLines, kept] = observed;
  return std::tie(serverKey, base, era, policies, blockDevices, kept);
}

/// Calls `note` for each name of which the two do not say the same.
template <class Value, class F>
void noteDifferent(const std::map<albatross::Name, Value>& before,
                   const std::map<albatross::Name, Value>& after, const F& note) {
  auto was = before.begin();
  for (const auto& [name, value] : after) {
    while (was != before.end() && was->first < name) note(was++->first);
    const bool known = was != before.end() && was->first == name;
    if (!known || was->second != value) note(name);
    if (known) ++was;
  }
  while (was != before.end()) note(was++->first);
}

}  // namespace

std::optional<std::set<api::ObjectKey>> changedUnikernels(const Observed& before, const Observed& after,
                                                          const Desired& desired) {
  if (othersOf(before) != othersOf(after)) return std::nullopt;
  std::set<api::ObjectKey> changed;
  bool declared = true;
  const auto note = [&](const albatross::Name& name) {
    api::ObjectKey key = desired.objectAt(name, after.base);
    declared = declared && desired.unikernels.contains(key) && desired.nameOf(key, after.base) == name;
    changed.insert(std::move(key));
  };
  noteDifferent(before.unikernels, after.unikernels, note);
  noteDifferent(before.health, after.health, note);
  noteDifferent(before.lastLines, after.lastLines, note);
  return declared ? std::optional(std::move(changed)) : std::nullopt;
}

std::string whyKept(const api::ObjectKey& object, const api::Silence& silence) {
  return fmt::format("{} is not declared any more, as far as can be seen, and is kept: {}", object.toString(),
                     silence.cause);
}

Result<albatross::Arguments> toArguments(const api::Unikernel& spec) {
  albatross::Arguments arguments;
  arguments.failBehaviour = {spec.restart, spec.exitCodes};
  arguments.startup = spec.startup;
  arguments.addName = spec.addName;
  arguments.cpuIDs = spec.cpuIDs;
  arguments.memory = spec.memory;
  for (const auto& device : spec.blockDevices)
    arguments.blocks.push_back({device.name, device.volumeName, device.sectorSize});
  for (const auto& interface : spec.networkInterfaces) {
    albatross::Bridge bridge{interface.name, interface.bridge, std::nullopt};
    if (interface.mac) {
      const auto mac = albatross::parseMac(*interface.mac);
      if (!mac) return std::unexpected(mac.error());
      bridge.mac = *mac;
    }
    arguments.bridges.push_back(std::move(bridge));
  }
  return arguments;
}

albatross::Policy toPolicy(const api::UnikernelPolicy& spec) {
  return {spec.cpuIDs, spec.unikernels, spec.memory, spec.blockStorage, spec.bridges};
}

}  // namespace rookery::plan
