#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/desired.h"
#include "plan/inventory.h"
#include "reconcile/environment.h"
#include "reconcile/guard.h"
#include "reconcile/instance_loops.h"
#include "reconcile/strays.h"

namespace rookery::reconcile {

/// What still runs of objects that nobody declares any more, or that are declared with a mistake and not
/// known otherwise: keeps it in the object store, and says there why nobody destroys it. On the controller's
/// strand.
class Leftovers {
 public:
  using StandingOf = std::function<Standing(const std::string& instance)>;

  /// `environment` must outlive it.
  Leftovers(const Environment& environment, StandingOf standingOf);

  /// Finds what is left as of `snapshot`, for which the prune guard has judged `absences`.
  void note(source::SnapshotPtr snapshot, Absences absences, const SortedEntries& entries);
  /// Nothing is left that this would have to say anything of.
  void clear();

  /// What runs is shown, whatever became of its manifest.
  void declare() const;
  /// Says of what is left on an instance why it is still there.
  void report(const std::string& instance) const;
  /// The same of all; and of what is declared with a mistake, what the mistake is.
  void reportAll() const;
  /// Removes the views of objects that nobody declares and of which nothing runs any more.
  void forgetGone();

 private:
  /// Where something is left.
  struct Place {
    std::string instance;
    std::filesystem::path root, file;  // where it was declared
    bool byName = false;               // source::Root::deletesByName
  };
  /// Why nobody destroys it.
  struct Obstacle {
    Error error;
    bool stalled = true;  // it takes somebody to end that
  };

  std::set<api::ObjectKey> undeclared();
  void declareByName(const api::ObjectKey& key, const Place& place) const;
  void report(const api::ObjectKey& key, const std::vector<Place>& places) const;
  void reportMistake(const api::ObjectKey& key, const Place& place) const;
  std::optional<Obstacle> obstacleOf(const api::ObjectKey& key, const plan::Absence& absence,
                                     const Place& place, const Standing& standing) const;
  Error instanceMissing(const api::ObjectKey& key, const Place& place) const;
  bool speaksFor(const std::string& instance) const;
  bool isUncertain(const api::ObjectKey& key) const;

  const Environment& environment_;
  StandingOf standingOf_;
  source::SnapshotPtr snapshot_;
  Absences absences_;
  std::map<api::ObjectKey, std::vector<Place>> places_;  // of what nobody declares
  std::map<api::ObjectKey, Place> mistaken_;
  /// What undeclared() compared when it found nothing last.
  struct Compared {
    api::KeySet declared;
    std::uint64_t shown;  // ObjectStore::keyChanges
  };
  std::optional<Compared> compared_;
};

}  // namespace rookery::reconcile
