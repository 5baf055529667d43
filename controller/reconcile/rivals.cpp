#include "reconcile/rivals.h"

#include <fmt/format.h>

#include <utility>

namespace rookery::reconcile {

using albatross::Name;
using api::ObjectKey;

void Rivals::declare(std::map<std::string, plan::DesiredPtr> instances) {
  const std::lock_guard lock(mutex_);
  instances_ = std::move(instances);
  std::erase_if(places_, [&](const auto& item) { return !instances_.contains(item.first); });
}

bool Rivals::seen(const std::string& instance, const std::string& serverKey, const Name& base) {
  Place place{serverKey, base};
  const std::lock_guard lock(mutex_);
  const auto [it, added] = places_.try_emplace(instance, place);
  if (!added && it->second == place) return false;
  it->second = std::move(place);
  return true;
}

std::map<Name, ObjectKey> Rivals::namesOf(const plan::Desired& desired, const Name& base) {
  std::map<Name, ObjectKey> names;
  const auto domainOf = [&](const std::string& nameSpace) {
    Name domain{base.path, std::nullopt};
    if (desired.spec().rootNamespace != nameSpace) domain.path.push_back(nameSpace);
    return domain;
  };
  for (const auto& [key, unikernel] : desired.unikernels) {
    Name name = domainOf(key.nameSpace);
    name.label = key.name;
    names.emplace(std::move(name), key);
  }
  for (const auto& [nameSpace, policy] : desired.policies)
    names.emplace(domainOf(nameSpace), policy.object->key());
  return names;
}

namespace {

/// Whether it is to run on several instances: on one server it is the same there.
bool isReplicated(const plan::Desired& desired, const ObjectKey& key) {
  return desired.replicated.contains(key);
}

}  // namespace

std::map<ObjectKey, Error> Rivals::clashesOf(const plan::Desired& desired) const {
  std::map<ObjectKey, Error> clashes;
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(desired.name());
  if (place == places_.end()) return clashes;
  std::map<Name, ObjectKey> names;
  for (const auto& [instance, other] : instances_) {
    const auto there = places_.find(instance);
    const bool same = instance != desired.name() && there != places_.end() &&
                      there->second.serverKey == place->second.serverKey;
    if (!same) continue;
    if (names.empty()) names = namesOf(desired, place->second.base);
    for (const auto& [name, key] : namesOf(*other, there->second.base)) {
      const auto ours = names.find(name);
      if (ours == names.end() || (ours->second == key && !isReplicated(desired, key))) continue;
      clashes.emplace(
          ours->second,
          Error{Reason::DuplicateObject,
                fmt::format("{} on {} and {} on {} are one and the same there, {}: both instances name one "
                            "server. Remove one of the two, or correct the instances' rootNamespace.",
                            ours->second.toString(), desired.name(), key.toString(), instance,
                            name.toString())});
    }
  }
  return clashes;
}

}  // namespace rookery::reconcile
