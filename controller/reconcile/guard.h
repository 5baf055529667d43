#pragma once

#include <chrono>
#include <compare>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "plan/desired.h"
#include "plan/inventory.h"
#include "reconcile/strays.h"
#include "source/source.h"

namespace rookery::reconcile {

struct GuardOptions {
  bool prune = true;                     // false: nothing that is not declared any more is destroyed
  bool settle = true;                    // wait for a second complete scan, settleTime after the first
  std::set<std::string> confirmed = {};  // IDs of sets that may go, however large
  /// What confirms the set with this ID that vanished from a folder: a command to copy.
  std::function<std::string(const std::string& id)> howToConfirm = [](const std::string& id) {
    return "--confirm-prune " + id;
  };
  /// Half a sentence, for where prune is false.
  std::string whyNot = "pruning is off (--no-prune)";
};

/// Unikernels of one instance that vanished at once, and are kept until somebody confirms that.
struct WithheldSet {
  std::string id;
  std::string instance;
  std::size_t size = 0;  // unikernels that wait
  std::string what;      // vanished from where, as the beginning of a sentence
  std::string command;   // that confirms it
  /// For who may do that.
  std::string message() const;
};

/// What is to become of unikernels that are not declared. One that is on several instances is judged on each.
class Absences {
 public:
  /// Null: nothing. An instance that it is not known to be on, as it has another name now, gets what was
  /// judged elsewhere: to be kept, if that was.
  const plan::Absence* find(const api::ObjectKey& object, const std::string& instance) const;
  std::map<api::ObjectKey, plan::Absence> on(const std::string& instance) const;

  plan::Absence& at(const plan::Entry& entry) { return judged_[entry.object][entry.instance]; }
  plan::Absence* find(const plan::Entry& entry);
  bool contains(const api::ObjectKey& object) const { return judged_.contains(object); }
  std::size_t size() const { return judged_.size(); }
  bool empty() const { return judged_.empty(); }
  friend bool operator==(const Absences&, const Absences&) = default;

 private:
  std::map<api::ObjectKey, std::map<std::string, plan::Absence>> judged_;
};

/// Stands before every destroy that an absence from the sources asks for: a missing, broken or half
/// checked-out source must not look like the wish to be rid of everything. Remembers since when an object has
/// been absent, and what it has let go until that has happened. Not thread-safe.
///
/// What vanishes at once is judged together: all that came from a folder, or the unikernels of one namespace
/// on one instance of a cluster, where each is deleted by name and nobody shall be held up by his neighbours.
/// It is too much when there are five or more, or three or more that are more than half, or when a folder
/// that held some yields no object at all. Then it is withheld as sets, one for each instance, that stay as
/// they are: what vanishes later is judged without them, and a set's ID is confirmed for just that set. The
/// ID is kept with the entries (Entry::withheld), so that it is the same for other replicas and after a
/// restart, also when some of the set have gone. A confirmation by confirm() or GuardOptions is used up when
/// nothing of its set waits any more: what came back, and vanishes again, is asked about again.
class PruneGuard {
 public:
  explicit PruneGuard(GuardOptions options) : options_(std::move(options)) {}

  /// What is to become of the unikernels of ours that `snapshot` does not declare. Those that somebody asked
  /// by name to be deleted (`requested`) need no second scan, no confirmation however many they are, and no
  /// source that can be read completely. `lastSeen` finds an object as it was declared last, as far as that
  /// is known: what it says of its deletion counts, and not what an entry remembers from before.
  using LastSeen = std::function<api::ObjectPtr(const api::ObjectKey& key)>;
  Absences judge(
      const source::Snapshot& snapshot, const SortedEntries& entries,
      const std::set<api::ObjectKey>& requested = {},
      const LastSeen& lastSeen = [](const api::ObjectKey&) { return nullptr; });

  bool prunes() const { return options_.prune; }
  const std::string& whyNot() const { return options_.whyNot; }

  /// What judge() withheld.
  const std::vector<WithheldSet>& withheld() const { return withheld_; }
  /// What an annotation confirms since the last judge(), and is no set that waits there: by instance and ID.
  const std::set<std::pair<std::string, std::string>>& mistaken() const { return mistaken_; }
  /// The set with this ID may go. False: none with it is withheld. judge() acts on it.
  bool confirm(const std::string& id);

  /// When another scan could change what judge() said; absent: nothing waits for one.
  std::optional<std::chrono::steady_clock::time_point> rescanAt() const { return rescanAt_; }

  /// How far two complete scans that both miss an object must be apart.
  static constexpr std::chrono::seconds settleTime{10};
  /// The same where objects are deleted by name: how long it takes at most until all that one command deletes
  /// is seen to be deleted.
  static constexpr std::chrono::seconds cascadeTime{2};
  /// What vanishes so close together counts as vanished at once, for as many times the above at most.
  static constexpr int longestCascade = 5;

 private:
  using Clock = std::chrono::steady_clock;
  using EntryKey = std::tuple<std::string, albatross::Name, bool>;  // server key, name, of a volume
  static EntryKey keyOf(const plan::Entry& entry) { return {entry.serverKey, entry.name, entry.isVolume()}; }
  /// What is judged, or withheld, together; an empty instance or namespace: all.
  struct Scope {
    std::filesystem::path root;
    std::string instance, nameSpace;
    friend auto operator<=>(const Scope&, const Scope&) = default;
  };
  struct Tally {
    /// By instance: all of ours there that are neither withheld nor let go already.
    std::map<std::string, std::size_t> owned;
    std::vector<const plan::Entry*> vanished;

    std::size_t ownedInAll() const;
  };
  struct Judgement;

  void judgeEach(Judgement& now);
  static bool isReleased(const Judgement& now, const plan::Entry& entry);
  std::optional<plan::Absence> judgeAlone(const Judgement& now, const plan::Entry& entry) const;
  void noteSeen(const Judgement& now);
  void forget(const Judgement& now);
  void useUpConfirmations(const Judgement& now);
  void sortOut(Judgement& now);
  bool sortOut(Judgement& now, const plan::Entry& entry);
  std::string setOf(const plan::Entry& entry) const;
  void judgeTogether(Judgement& now);
  void freeze(Judgement& now, Tally& tally);
  void withholdSets(Judgement& now);
  void letGo(Judgement& now);
  void noteMistaken(const Judgement& now);
  bool isComplete(const Judgement& now, const source::Root& root, const Tally& tally);
  bool isConfirmed(const Judgement& now, const std::string& instance, const std::string& id) const;
  void rescan(Clock::time_point time) { rescanAt_ = rescanAt_ ? std::min(*rescanAt_, time) : time; }

  GuardOptions options_;
  std::map<EntryKey, Clock::time_point> absentSince_;
  /// When what was a stray was last declared for sure; all others were when judgedAt_.
  std::map<EntryKey, api::SystemTime> seen_;
  api::SystemTime judgedAt_;    // what scan it was that was judged last
  std::set<EntryKey> allowed_;  // absent, and judged to go: no longer part of what vanishes "at once"
  std::map<EntryKey, std::string> frozen_;  // the IDs of the sets that they are withheld with
  std::set<std::string> waiting_;           // the IDs of sets of which something has not gone
  std::set<EntryKey> returned_;             // declared again, whatever Entry::withheld says still
  std::vector<WithheldSet> withheld_;
  /// By instance: the IDs that its annotation named last. Absent: nothing was judged yet.
  std::optional<std::map<std::string, std::set<std::string>>> annotated_;
  std::set<std::pair<std::string, std::string>> mistaken_;
  std::optional<Clock::time_point> rescanAt_;
};

/// The ID that stands for exactly this set of unikernels, and for no other objects of the same names that
/// come after them: a confirmation is used up.
std::string confirmationId(const std::vector<const plan::Entry*>& entries);

/// A sentence to append: what can be done, besides, of a deleted object that waits for its unikernel to be
/// destroyed. Empty where the source keeps no object that waits.
std::string howToRelease(bool deletesByName);

}  // namespace rookery::reconcile
