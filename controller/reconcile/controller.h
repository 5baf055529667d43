#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clock/clock.h"
#include "image/image.h"
#include "image/inspector.h"
#include "plan/desired.h"
#include "reconcile/applied_revisions.h"
#include "reconcile/consoles.h"
#include "reconcile/guard.h"
#include "reconcile/instance_loops.h"
#include "reconcile/left_volumes.h"
#include "reconcile/leftovers.h"
#include "reconcile/preview_instances.h"
#include "reconcile/pruner.h"
#include "reconcile/resolve.h"
#include "reconcile/rollouts.h"
#include "reconcile/snapshot_resolver.h"
#include "reconcile/strays.h"
#include "reconcile/volume_dumps.h"
#include "reconcile/volume_loads.h"
#include "source/source.h"

namespace rookery::reconcile {

/// The whole fleet: hands what the sources declare to one InstanceLoop per AlbatrossInstance. Its coroutines
/// must be spawned on strand(); the loops run on strands of their own, on the same executor.
class Controller {
 public:
  Controller(asio::any_io_executor executor, Environment environment, image::Inspector& inspector,
             GuardOptions guard);
  ~Controller() = default;
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  asio::any_io_executor strand() const { return strand_; }

  /// Follows `source` until the coroutine is cancelled, then ends what is on its way and returns.
  asio::awaitable<void> run(source::Source& source);

  /// What unikernels print, while it runs.
  Consoles& consoles() { return consoles_; }
  /// What is on volumes, the same.
  VolumeDumps& dumps() { return dumps_; }
  /// What is to be written to volumes, the same.
  VolumeLoads& loads() { return volumeLoads_; }

  /// Which instances are ours to command has changed (Environment::holds), or which images are there
  /// (Environment::puller, Environment::lookout). From any thread.
  void redistribute();

  /// Looks at all instances now. From any thread.
  void lookNow();

  /// Lets a set of unikernels go that the prune guard withholds; says in a sentence which, or which IDs there
  /// are. On strand(). Errors: UsageError (no set with this ID is withheld), LeaseLost.
  Result<std::string> confirmPrune(const std::string& id);

  /// Why a unikernel could not run on an instance, as that was seen last (plan::cannotRun); nothing where it
  /// could, where that is not known, or not within `patience`. From any thread but those that the controller
  /// runs on, which it waits for.
  std::optional<Error> cannotRun(const std::string& instance, const api::ObjectPtr& unikernel,
                                 std::chrono::milliseconds patience);

  /// Works on one snapshot until nothing is left to do or `timeout` has passed.
  struct Outcome {
    bool finished = false;  // false: the time ran out
    std::vector<Error>
        errors;  // what has no object to tell it: the prune guard, an instance that cannot be asked
    std::map<std::string, std::vector<plan::Unpruned>> unpruned;  // by instance
  };
  asio::awaitable<Outcome> apply(source::SnapshotPtr snapshot, std::chrono::milliseconds timeout);

  /// What would be done for `snapshot`, by instance, and what no instance can have, once its images have been
  /// read. Changes nothing.
  struct Preview {
    InstancePreviews instances;
    std::map<api::ObjectKey, Error> unplaced;
  };
  asio::awaitable<Preview> preview(source::SnapshotPtr snapshot);

 private:
  asio::awaitable<source::SnapshotPtr> nextSnapshot(source::Source& source);
  Resolution resolveSnapshot(const trace::Context& part = {});
  asio::awaitable<Resolution> resolveSettled();
  void distribute();
  void addLoads(Resolution& resolution) const;
  void lookAgainIn(std::optional<std::chrono::milliseconds> delay);
  void roundEnded(const RoundEnd& end);
  plan::Dependency standingOf(const std::string& instance, const api::ObjectKey& unikernel) const;
  bool dependenciesMoved() const;
  void noteReadiness();
  std::optional<api::Status> toldOf(const std::string& instance, const api::ObjectKey& unikernel) const;
  bool noteReach(const RoundEnd& end);
  std::map<std::string, std::chrono::milliseconds> outOfReach() const;
  asio::awaitable<void> stopAll();
  asio::awaitable<void> waitForEvent(std::chrono::steady_clock::time_point deadline);

  asio::any_io_executor executor_;
  asio::any_io_executor strand_;
  Rivals rivals_;
  Servers servers_;
  Consoles consoles_;
  VolumeDumps dumps_;
  VolumeLoads volumeLoads_;
  Environment environment_;
  SnapshotResolver resolver_;
  Pruner pruner_;
  InstanceLoops loops_;
  Leftovers leftovers_;
  LeftVolumes leftVolumes_;
  AppliedRevisions revisions_;
  clock::Timer lookAgain_;  // at the snapshot: a file was being written
  /// Cancelled whenever something happened that a waiting coroutine may want to know.
  clock::Timer event_;
  source::SnapshotPtr snapshot_;
  Strays strays_;
  Rollouts rollouts_;
  /// Since when instances have not answered.
  std::map<std::string, SystemTime> outOfReach_;
  bool failsOver_ = false;  // and somebody wants to know it: Resolution::failsOver
  Declarations declared_;   // in the object store
  /// What each instance's last round said of those that other instances wait for, and of its policies.
  std::map<std::string, std::map<api::ObjectKey, plan::Dependency>> awaited_;
  std::map<std::string, std::map<std::string, plan::PolicyUse>> uses_;
  /// How unikernels stood, by instance, when others were told of them last.
  std::map<std::pair<std::string, api::ObjectKey>, plan::Dependency> told_;
  std::atomic<bool> redistributing_ = false;  // it was asked for and has not begun
  bool previewing_ = false;                   // nothing is to be handed to anybody
};

}  // namespace rookery::reconcile
