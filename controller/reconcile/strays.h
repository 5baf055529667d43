#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/desired.h"
#include "plan/inventory.h"
#include "source/snapshot.h"

namespace rookery::reconcile {

/// The inventory, sorted by whether there is anything to judge about an entry.
struct SortedEntries {
  struct Stray {
    const plan::Entry* entry;
    bool wasAtHome;  // the time before
  };
  using Visit = std::function<void(const plan::Entry& entry)>;

  std::vector<Stray> strays;
  /// Goes over all that are at home: declared for sure, on the instance that the entry names, and not
  /// withheld.
  std::function<void(const Visit& visit)> forEachAtHome;
};

/// Tells which entries are not at home, by what has changed since it was asked last. One thread at a time.
class Strays {
 public:
  using Instances = std::map<std::string, std::shared_ptr<plan::Desired>>;

  /// `instances`: what `snapshot` resolves to. The result is good until this is called again.
  SortedEntries sort(plan::Inventories inventories, const Instances& instances,
                     const source::Snapshot& snapshot, plan::Inventories volumes = {});

 private:
  using Unikernels = decltype(plan::Desired::unikernels);
  using EntryKey = std::pair<std::string, albatross::Name>;  // server key, name

  bool isAtHome(const plan::Entry& entry) const;
  void addVolumes(const Instances& instances, plan::Inventories volumes, SortedEntries& sorted);
  void sortAll();
  void sortAgain(const plan::Inventories& before);
  void sort(const EntryKey& key, const plan::Entry& entry);
  bool declaresTheSame(const std::map<std::string, Unikernels>& unikernels) const;

  plan::Inventories inventories_;
  std::map<std::string, Unikernels> unikernels_;  // by instance
  std::map<api::ObjectKey, api::Outdated> outdated_;
  std::set<EntryKey> strays_;
  plan::Inventories volumes_;       // few: each is looked at every time
  std::set<EntryKey> volumesHome_;  // those that were at home
};

}  // namespace rookery::reconcile
