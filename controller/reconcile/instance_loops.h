#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/desired.h"
#include "reconcile/environment.h"
#include "reconcile/instance_loop.h"

namespace rookery::reconcile {

/// What is desired of instances, by name.
using Instances = std::map<std::string, plan::DesiredPtr>;

/// Those that have something which another has as well (Rivals::clashesOf).
Instances contested(const Rivals& rivals, const Instances& instances);

/// How an instance stands in this process.
struct Standing {
  plan::DesiredPtr desired;        // null: no snapshot that could be used declares it
  const RoundEnd* last = nullptr;  // what its loop told last, about that; null: nothing, or there is no loop
  bool awaited = false;            // a loop is about to tell something, which may be about another snapshot
};

/// The loops of the instances that are this process's to command, one for each, and what they are to bring
/// about. To be used, and calls back, on the controller's strand; the loops run on strands of their own.
class InstanceLoops {
 public:
  struct Callbacks {
    /// A loop has ended, or its last round left something else undone than the one before.
    std::function<void(const std::string& instance)> changed;
    /// After each round that was about what is desired now.
    std::function<void(const RoundEnd& end)> roundEnded;
  };

  /// `environment` must have `rivals`. It must outlive the loops, and so must this.
  InstanceLoops(asio::any_io_executor executor, asio::any_io_executor strand, const Environment& environment,
                Callbacks callbacks);

  /// What is desired from now on. Stops the loops of all other instances, and of those that are not ours any
  /// more. Returns of which something else is desired than before: the others need not be looked at.
  std::set<std::string> assign(std::map<std::string, std::shared_ptr<plan::Desired>> instances);
  /// Starts the loops that are missing, and lets those that `changed` look again.
  void wake(const std::set<std::string>& changed);
  /// Lets all look.
  void lookNow();
  /// Nothing is desired any more; ended() once it has come to that.
  void stopAll();

  const Instances& desired() const { return desired_; }
  /// Null: it has none here.
  std::shared_ptr<InstanceLoop> loopOf(const std::string& instance) const;
  bool ended() const { return held_.empty() && ending_.empty(); }
  /// Every instance was looked at, or failed to answer, once.
  bool allSeen() const;
  /// Nothing is left to do on any instance.
  bool finished() const;
  /// What the last rounds had to say of what has no object.
  std::vector<Error> errors() const;
  /// What they left, as pruning is off, by instance.
  std::map<std::string, std::vector<plan::Unpruned>> unpruned() const;
  Standing standing(const std::string& instance) const;

 private:
  struct Held {
    std::shared_ptr<InstanceLoop> loop;
    asio::any_io_executor strand;
    std::shared_ptr<asio::cancellation_signal> cancel;  // to be emitted on the loop's strand
    std::optional<RoundEnd> last;
  };

  void start(const std::string& name, plan::DesiredPtr desired);
  void stop(std::string name);
  void loopEnded(const std::string& name);
  void roundEnded(const std::string& name, const RoundEnd& end);
  void wakeRivalsOf(const std::string& name);

  asio::any_io_executor executor_;
  asio::any_io_executor strand_;
  const Environment& environment_;
  Rivals& rivals_;
  Callbacks callbacks_;
  Instances desired_;
  std::map<std::string, Held> held_;
  std::set<std::string> ending_;  // instances whose loops were stopped and have not ended yet
};

}  // namespace rookery::reconcile
