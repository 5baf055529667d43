#include "reconcile/strays.h"

#include <algorithm>
#include <ranges>
#include <unordered_set>
#include <utility>

namespace rookery::reconcile {

bool Strays::isAtHome(const plan::Entry& entry) const {
  const auto there = unikernels_.find(entry.instance);
  return there != unikernels_.end() && there->second.contains(entry.object) && entry.withheld.empty() &&
         !outdated_.contains(entry.object);
}

void Strays::sort(const EntryKey& key, const plan::Entry& entry) {
  if (isAtHome(entry)) {
    strays_.erase(key);
  } else {
    strays_.insert(key);
  }
}

void Strays::sortAll() {
  strays_.clear();
  for (const auto& [server, inventory] : inventories_) {
    for (const auto& [name, entry] : inventory) {
      if (!isAtHome(entry)) strays_.emplace(server, name);
    }
  }
}

/// Only the entries have changed.
void Strays::sortAgain(const plan::Inventories& before) {
  static const plan::SharedInventory none;
  const auto in = [](const plan::Inventories& inventories, const std::string& server) -> const auto& {
    const auto found = inventories.find(server);
    return found == inventories.end() ? none : found->second;
  };
  std::set<std::string> servers;
  std::ranges::copy(before | std::views::keys, std::inserter(servers, servers.end()));
  std::ranges::copy(inventories_ | std::views::keys, std::inserter(servers, servers.end()));
  using Item = plan::SharedInventory::Item;
  for (const std::string& server : servers) {
    plan::SharedInventory::compare(in(before, server), in(inventories_, server),
                                   [&](const Item* was, const Item* is) {
                                     if (is == nullptr) strays_.erase({server, was->first});
                                     if (is != nullptr) sort({server, is->first}, is->second);
                                   });
  }
}

/// The same unikernels on the same instances, whatever they are.
bool Strays::declaresTheSame(const std::map<std::string, Unikernels>& unikernels) const {
  if (!std::ranges::equal(unikernels_ | std::views::keys, unikernels | std::views::keys)) return false;
  bool same = true;
  for (const auto& [instance, those] : unikernels) {
    Unikernels::compare(unikernels_.at(instance), those,
                        [&](const Unikernels::Item* was, const Unikernels::Item* is) {
                          same = same && was != nullptr && is != nullptr;
                        });
  }
  return same;
}

void Strays::addVolumes(const Instances& instances, plan::Inventories volumes, SortedEntries& sorted) {
  volumes_ = std::move(volumes);
  const std::set<EntryKey> homeBefore = std::exchange(volumesHome_, {});
  for (const auto& [server, inventory] : volumes_) {
    for (const auto& [name, entry] : inventory) {
      const EntryKey key{server, name};
      const auto there = instances.find(entry.instance);
      const bool home = there != instances.end() && there->second->volumes.contains(entry.object) &&
                        entry.withheld.empty() && !outdated_.contains(entry.object);
      if (home) {
        volumesHome_.insert(key);
      } else {
        sorted.strays.push_back({&entry, homeBefore.contains(key)});
      }
    }
  }
}

SortedEntries Strays::sort(plan::Inventories inventories, const Instances& instances,
                           const source::Snapshot& snapshot, plan::Inventories volumes) {
  std::map<std::string, Unikernels> unikernels;
  for (const auto& [name, desired] : instances) unikernels.emplace(name, desired->unikernels);
  const bool onlyEntries = declaresTheSame(unikernels) && snapshot.outdated == outdated_;
  unikernels_ = std::move(unikernels);
  outdated_ = snapshot.outdated;
  const std::set<EntryKey> straysBefore = strays_;
  const plan::Inventories before = std::exchange(inventories_, std::move(inventories));
  if (onlyEntries) {
    sortAgain(before);
  } else {
    sortAll();
  }
  SortedEntries sorted;
  std::unordered_set<const plan::Entry*> apart;
  for (const EntryKey& key : strays_) {
    const auto& [server, name] = key;
    const plan::Entry& entry = inventories_.at(server).at(name);
    const auto serverBefore = before.find(server);
    const bool known = serverBefore != before.end() && serverBefore->second.contains(name);
    sorted.strays.push_back({&entry, known && !straysBefore.contains(key)});
    apart.insert(&entry);
  }
  addVolumes(instances, std::move(volumes), sorted);
  sorted.forEachAtHome = [this, apart = std::move(apart)](const SortedEntries::Visit& visit) {
    for (const auto& [server, inventory] : inventories_) {
      for (const auto& [name, entry] : inventory) {
        if (!apart.contains(&entry)) visit(entry);
      }
    }
  };
  return sorted;
}

}  // namespace rookery::reconcile
