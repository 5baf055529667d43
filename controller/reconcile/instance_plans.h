#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "albatross/wire.h"
#include "plan/change.h"
#include "plan/desired.h"

namespace rookery::reconcile {

using api::SystemTime;

/// What the loop of an instance made of its last look: what it is about to do there, in that order, and what
/// is in its way. Immutable once told. Times are the machine's.
struct InstancePlan {
  plan::DesiredPtr desired;
  albatross::Era era = albatross::Era::Current;  // whose forms the server understands
  std::vector<plan::Change> changes;
  std::vector<plan::Unpruned> unpruned;  // Plan::unpruned
  std::vector<Error> errors;             // Plan::errors
};

/// The plans of all instances that are ours to look at, for whoever asks. Thread-safe.
class InstancePlans {
 public:
  struct Known {
    std::shared_ptr<const InstancePlan> plan;  // null: it could not be looked at, at least not any more
    std::optional<SystemTime> observedAt;      // when that was asked for which was seen last; absent: nothing
    std::optional<Error> failure;              // why the last look failed; absent: it did not
  };

  /// What was planned by what was seen at `observedAt`.
  void tell(const std::string& instance, InstancePlan plan, SystemTime observedAt);
  /// It was looked at again, and nothing is to be done otherwise.
  void looked(const std::string& instance, SystemTime observedAt);
  /// It could not be looked at.
  void failed(const std::string& instance, const Error& error);
  /// It is not ours to look at any more.
  void forget(const std::string& instance);

  /// Nothing: nobody here looks at it, or has not yet.
  std::optional<Known> find(const std::string& instance) const;
  std::map<std::string, Known> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Known> known_;
};

}  // namespace rookery::reconcile
