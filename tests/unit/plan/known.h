#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "plan/plan.h"

namespace rookery::plan {

/// The conditions without the time of the look that they are from.
inline ObjectState timeless(ObjectState state) {
  for (api::Condition& condition : state.status.conditions) condition.lastTransitionTime = {};
  return state;
}

/// What is known by judging only what has to be judged, as a loop does.
struct Known {
  /// `plan`: about all.
  Known(const Desired& wanted, const Observed& seen, const Plan& plan)
      : desired(wanted), observed(seen), objects(plan.objects), counts(plan.counts), rest(plan.rest) {}

  /// What has to be judged now; nothing: all.
  std::optional<std::set<api::ObjectKey>> changed(const Desired& wanted, const Observed& seen,
                                                  SystemTime now) const {
    if (!rest.each || (rest.until && *rest.until <= now)) return std::nullopt;
    auto those = changedUnikernels(desired, wanted);
    const auto others = changedUnikernels(observed, seen, wanted);
    if (!those || !others) return std::nullopt;
    those->insert(others->begin(), others->end());
    those->insert(rest.restless.begin(), rest.restless.end());
    return those;
  }

  /// What decideAgain() said of them.
  void add(const Desired& wanted, const Observed& seen, const Plan& again) {
    desired = wanted;
    observed = seen;
    for (const auto& [key, state] : again.objects) objects[key] = state;
    counts = again.counts;
    const auto until = rest.until;
    rest = again.rest;
    if (until) rest.until = std::min(rest.until.value_or(*until), *until);
  }

  Desired desired;
  Observed observed;
  std::map<api::ObjectKey, ObjectState> objects;
  Counts counts;
  Plan::Rest rest;
};

}  // namespace rookery::plan
