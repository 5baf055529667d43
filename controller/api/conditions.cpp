#include "api/conditions.h"

namespace rookery::api {

std::vector<Condition> stalledConditions(const Error& error, SystemTime now) {
  return {{Condition::Type::Ready, Condition::Status::False, error.reason, error.message, now},
          {Condition::Type::Stalled, Condition::Status::True, error.reason, error.message, now}};
}

void keepTransitions(const Status& before, std::vector<Condition>& conditions) {
  for (Condition& condition : conditions) {
    const Condition* old = before.condition(condition.type);
    if (old != nullptr && old->status == condition.status)
      condition.lastTransitionTime = old->lastTransitionTime;
  }
}

}  // namespace rookery::api
