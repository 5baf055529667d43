#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/status.h"
#include "plan/desired.h"
#include "plan/rollout.h"

namespace rookery::reconcile {

/// The roll-outs of the unikernels that are on several instances: takes what the instances' loops say of
/// them, and tells each on which instances what runs may be stopped (plan::decideRollout). On the
/// controller's strand.
///
/// Nothing of it outlives the process: until all instances were looked at, nothing is stopped.
class Rollouts {
 public:
  using Instances = std::map<std::string, std::shared_ptr<plan::Desired>>;
  using Replicas = std::map<api::ObjectKey, plan::Replica>;

  /// How one stands on an instance that is another process's to command, as that has told; nothing: it has
  /// not.
  using Foreign =
      std::function<std::optional<api::Status>(const std::string& instance, const api::ObjectKey& unikernel)>;

  /// Puts into `instances` who waits, and remembers what there is to roll out.
  void apply(Instances& instances, const Foreign& foreign = {});
  /// What a look at an instance said of those of its unikernels; it could not be looked at: of none.
  void seen(const std::string& instance, Replicas replicas) { seen_[instance] = std::move(replicas); }
  /// Whether a unikernel is Ready on all instances that it was placed on, as was seen since it is to be what
  /// it is to be.
  bool ready(const api::ObjectKey& unikernel) const;
  /// Whether apply() would say something else by now.
  bool moved() const;

 private:
  using Items = std::map<std::string, decltype(plan::Desired::unikernels)::ItemPtr>;  // by instance
  struct Known {
    plan::RolloutInput input;                      // but for the replicas, and who was admitted
    std::map<std::string, std::string> goals;      // by instance: plan::goalOf()
    std::map<std::string, plan::Replica> foreign;  // of other processes' instances
    plan::Rollout told;
    Items items;  // as they were told
  };

  plan::RolloutInput inputOf(const Known& known) const;
  void tell(Known& known, Instances& instances) const;

  std::map<std::string, Replicas> seen_;  // by instance
  std::map<api::ObjectKey, Known> known_;
};

}  // namespace rookery::reconcile
