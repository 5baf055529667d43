#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/image.h"
#include "reconcile/instance_loop.h"
#include "reconcile/pruner.h"
#include "reconcile/snapshot_resolver.h"
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

  /// Which instances are ours to command has changed (Environment::holds), or which images are there
  /// (Environment::puller, Environment::lookout). From any thread.
  void redistribute();

  /// Lets a set of unikernels go that the prune guard withholds; says in a sentence which, or which IDs there
  /// are. On strand(). Errors: UsageError (no set with this ID is withheld), LeaseLost.
  Result<std::string> confirmPrune(const std::string& id);

  /// Works on one snapshot until nothing is left to do or `timeout` has passed.
  struct Outcome {
    bool finished = false;  // false: the time ran out
    std::vector<Error>
        errors;  // what has no object to tell it: the prune guard, an instance that cannot be asked
  };
  asio::awaitable<Outcome> apply(source::SnapshotPtr snapshot, std::chrono::milliseconds timeout);

  /// What would be done for `snapshot`, by instance, and what no instance can have, once its images have been
  /// read. Changes nothing.
  struct Preview {
    std::map<std::string, InstanceLoop::Preview> instances;
    std::map<api::ObjectKey, Error> unplaced;
  };
  asio::awaitable<Preview> preview(source::SnapshotPtr snapshot);

 private:
  struct Held {
    std::shared_ptr<InstanceLoop> loop;
    asio::any_io_executor strand;
    std::shared_ptr<asio::cancellation_signal> cancel;  // to be emitted on the loop's strand
    std::optional<RoundEnd> last;
  };
  struct Previewing;
  using PreviewingPtr = std::shared_ptr<Previewing>;
  using Instances = std::map<std::string, DesiredPtr>;
  asio::awaitable<bool> previewAll(PreviewingPtr previewing, Instances instances);
  Instances contested(const Instances& instances) const;
  void wakeRivalsOf(const std::string& name);
  /// Where something is left of an object that nobody declares any more.
  struct Left {
    std::string instance;
    std::filesystem::path root, file;  // where it was declared
    bool byName = false;               // source::Root::deletesByName
  };
  /// Why nobody destroys it.
  struct Obstacle {
    Error error;
    bool stalled = true;  // it takes somebody to end that
  };

  void distribute();
  void lookAgainIn(std::optional<std::chrono::milliseconds> delay);
  std::set<std::string> takeDesired(std::map<std::string, std::shared_ptr<Desired>> instances);
  void disownOthers(const std::map<api::ObjectKey, Error>& unplaced);
  void noteLeft(const std::vector<Entry>& entries);
  void declareLeft();
  bool isUncertain(const api::ObjectKey& key) const;
  void reportMistaken();
  void reportLeft(const std::string& instance);
  void reportLeft(const api::ObjectKey& key, const std::vector<Left>& places);
  std::optional<Obstacle> obstacleOf(const api::ObjectKey& key, const Absence& absence,
                                     const Left& place) const;
  Error instanceMissing(const api::ObjectKey& key, const Left& place) const;
  bool speaksFor(const std::string& instance) const;
  bool toldAll(const std::string& instance) const;
  void wantImages();
  void start(const std::string& name, DesiredPtr desired);
  void stop(std::string name);
  static void breakOff(const Held& held);
  void ended(const std::string& name);
  void declareObjects();
  void reportUnplaced(const std::map<api::ObjectKey, Error>& unplaced);
  void forgetGone();
  void roundEnded(const std::string& name, const RoundEnd& end);
  void noteReadiness();
  bool finished() const;
  asio::awaitable<source::SnapshotPtr> nextSnapshot(source::Source& source);
  asio::awaitable<void> stopAll();
  asio::awaitable<void> waitForEvent(std::chrono::steady_clock::time_point deadline);
  Resolution resolveSnapshot();
  asio::awaitable<Resolution> resolveSettled();

  asio::any_io_executor executor_;
  asio::any_io_executor strand_;
  Rivals rivals_;
  Environment environment_;
  SnapshotResolver resolver_;
  Pruner pruner_;
  asio::steady_timer lookAgain_;  // at the snapshot: a file was being written
  asio::steady_timer
      event_;  // cancelled whenever something happened that a waiting coroutine may want to know
  source::SnapshotPtr snapshot_;
  std::map<api::ObjectKey, Absence> absences_;        // as the pruner judged them last
  std::map<api::ObjectKey, std::vector<Left>> left_;  // as of then, too
  std::map<api::ObjectKey, Left> mistaken_;  // runs; declared with a mistake, and not known otherwise
  std::map<std::string, DesiredPtr> desired_;
  std::map<std::string, Held> held_;
  std::atomic<bool> redistributing_ = false;  // it was asked for and has not begun
  bool previewing_ = false;                   // nothing is to be handed to anybody
  std::set<std::string> ending_;              // instances whose loops were stopped and have not ended yet
};

}  // namespace rookery::reconcile
