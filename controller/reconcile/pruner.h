#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/desired.h"
#include "reconcile/environment.h"
#include "reconcile/guard.h"
#include "reconcile/resolve.h"

namespace rookery::reconcile {

/// Decides what is to become of those unikernels of ours that should not be any more where they are: because
/// nobody declares them, which the prune guard judges, or because they belong on another instance now. On the
/// controller's strand.
class Pruner {
 public:
  /// Whether a unikernel with a placement is Ready on all instances that it was placed on.
  using ReplicasReady = std::function<bool(const api::ObjectKey& unikernel)>;

  /// `environment` must outlive it.
  Pruner(const Environment& environment, GuardOptions guard, ReplicasReady replicasReady);

  /// Tells every instance in `resolution`, which is of `snapshot`. Returns what becomes of those that nobody
  /// declares.
  Absences judge(Resolution& resolution, const source::Snapshot& snapshot, const SortedEntries& entries);

  /// When another scan could change what judge() said; absent: nothing waits for one.
  std::optional<std::chrono::steady_clock::time_point> rescanAt() const { return guard_.rescanAt(); }
  /// Whether one that moves runs by now where it belongs: judge() lets it be destroyed where it was.
  bool moveArrived() const;

  /// See Controller::confirmPrune. judge() acts on it.
  Result<std::string> confirm(const std::string& id);

 private:
  /// Where one belongs that is somewhere else as well.
  struct Destination {
    std::set<std::string> instances;
    std::size_t wanted = 1;  // instances that it has to run on before it goes where it does not belong
    bool replicated = false;
  };
  void judgeMove(Resolution& resolution, const plan::Entry& entry);
  bool arrived(const api::ObjectKey& key, const Destination& to) const;
  std::string noSuchSet(const std::string& id, const std::string& instance) const;

  const Environment& environment_;
  PruneGuard guard_;
  ReplicasReady replicasReady_;
  /// Unikernels that go where they are once they run there.
  std::map<api::ObjectKey, Destination> moving_;
};

}  // namespace rookery::reconcile
