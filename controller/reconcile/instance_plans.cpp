#include "reconcile/instance_plans.h"

#include <utility>

namespace rookery::reconcile {

void InstancePlans::tell(const std::string& instance, InstancePlan plan, SystemTime observedAt) {
  Known told{std::make_shared<const InstancePlan>(std::move(plan)), observedAt, std::nullopt};
  const std::lock_guard lock(mutex_);
  std::swap(known_[instance], told);  // what was known before ends without the lock
}

void InstancePlans::looked(const std::string& instance, SystemTime observedAt) {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(instance);
  if (known != known_.end()) known->second.observedAt = observedAt;
}

void InstancePlans::failed(const std::string& instance, const Error& error) {
  const std::lock_guard lock(mutex_);
  Known& known = known_[instance];
  known.plan = nullptr;
  known.failure = error;
}

void InstancePlans::forget(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  known_.erase(instance);
}

std::optional<InstancePlans::Known> InstancePlans::find(const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(instance);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

std::map<std::string, InstancePlans::Known> InstancePlans::all() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

}  // namespace rookery::reconcile
