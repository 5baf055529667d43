#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "reconcile/desired.h"
#include "reconcile/inventory.h"
#include "source/source.h"

namespace rookery::reconcile {

struct GuardOptions {
  bool prune = true;                // false: nothing that vanished from the sources is destroyed
  bool settle = true;               // wait for a second complete scan, settleTime after the first
  std::set<std::string> confirmed;  // --confirm-prune: IDs of sets that may go, however large
};

/// Stands before every destroy that an absence from the sources asks for: a missing, broken or half
/// checked-out source must not look like the wish to be rid of everything. Remembers since when an object has
/// been absent, and what it has let go until that has happened. Not thread-safe.
class PruneGuard {
 public:
  explicit PruneGuard(GuardOptions options) : options_(std::move(options)) {}

  /// What is to become of the unikernels of ours that `snapshot` does not declare. Those that somebody asked
  /// by name to be deleted (`requested`) need no second scan, no confirmation however many they are, and no
  /// source that can be read completely.
  std::map<api::ObjectKey, Absence> judge(const source::Snapshot& snapshot, const std::vector<Entry>& entries,
                                          const std::set<api::ObjectKey>& requested = {});

  bool prunes() const { return options_.prune; }

  /// When another scan could change what judge() said; absent: nothing waits for one.
  std::optional<std::chrono::system_clock::time_point> rescanAt() const { return rescanAt_; }

  /// How far two complete scans that both miss an object must be apart.
  static constexpr std::chrono::seconds settleTime{10};
  /// The same where objects are deleted by name: how long it takes at most until all that one command deletes
  /// is seen to be deleted.
  static constexpr std::chrono::seconds cascadeTime{2};

 private:
  using EntryKey = std::pair<std::string, albatross::Name>;  // server key, name
  struct RootTally {
    std::size_t owned = 0;
    std::vector<const Entry*> vanished;
  };

  std::optional<Absence> judgeAlone(const source::Snapshot& snapshot, const Entry& entry,
                                    bool requested) const;
  bool settled(const source::Snapshot& snapshot, const Entry& entry);
  void withhold(const source::Root& root, const RootTally& tally, const std::set<std::string>& confirmed,
                std::map<api::ObjectKey, Absence>& absences) const;

  GuardOptions options_;
  std::map<EntryKey, std::chrono::system_clock::time_point> absentSince_;
  std::set<EntryKey> allowed_;  // absent, and judged to go: no longer part of what vanishes "at once"
  std::optional<std::chrono::system_clock::time_point> rescanAt_;
};

/// The ID that stands for exactly this set of unikernels, and for no other objects of the same names that
/// come after them: a confirmation is used up.
std::string confirmationId(const std::vector<const Entry*>& entries);

/// A sentence to append: what can be done, besides, of a deleted object that waits for its unikernel to be
/// destroyed. Empty where the source keeps no object that waits.
std::string howToRelease(bool deletesByName);

}  // namespace rookery::reconcile
