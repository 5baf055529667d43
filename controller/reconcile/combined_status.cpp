#include "reconcile/combined_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "sentence.h"
#include "text.h"

namespace rookery::reconcile {

namespace {

using api::Condition;
using api::PlacementStatus;
using api::Status;
using Placements = std::vector<PlacementStatus>;

/// Of one placement; an object has many.
constexpr std::size_t longestPlacementMessage = 1 << 10;

PlacementStatus placementOf(const std::string& instance, const Status& seen) {
  const Condition& ready = *seen.condition(Condition::Type::Ready);
  return {.instance = instance,
          .ready = ready.status,
          .reason = ready.reason,
          .message = visible(ready.message, longestPlacementMessage),
          .reconciling = seen.condition(Condition::Type::Reconciling) != nullptr,
          .stalled = seen.condition(Condition::Type::Stalled) != nullptr,
          .updated = seen.updated,
          .observedGeneration = seen.observedGeneration,
          .digest = seen.digest,
          .startedAt = seen.startedAt,
          .restarts = seen.restarts,
          .history = seen.history};
}

/// Of one that nobody has looked at.
PlacementStatus unseenOn(const std::string& instance) {
  return {.instance = instance,
          .reason = Reason::Reconciling,
          .message = "Not looked at yet.",
          .reconciling = true};
}

PlacementStatus unusableOn(const std::string& instance, const Error& error) {
  return {.instance = instance,
          .ready = Condition::Status::False,
          .reason = error.reason,
          .message = error.message,
          .stalled = true};
}

bool isReady(const PlacementStatus& placement) { return placement.ready == Condition::Status::True; }

/// What runs as it is declared, and of which something is to be said all the same: that its manifest has a
/// mistake, say.
bool hasRemark(const PlacementStatus& placement) { return !placement.message.ends_with(" as declared."); }

/// The higher, the worse: in trouble, not Ready, not known, waiting, well.
int weightOf(const PlacementStatus& placement) {
  if (isReady(placement)) return placement.reason == Reason::Running ? 0 : 1;
  if (placement.ready == Condition::Status::Unknown) return 2;
  return placement.stalled || !placement.reconciling ? 4 : 3;
}

Condition readyOf(const Placements& placements, std::int64_t wanted, api::SystemTime now) {
  const auto ready = std::ranges::count_if(placements, isReady);
  Condition condition{Condition::Type::Ready, Condition::Status::True, Reason::Running,
                      fmt::format("{} of {} are Ready.", ready, wanted), now};
  const auto worst = std::ranges::max_element(placements, {}, [](const PlacementStatus& placement) {
    return std::pair(weightOf(placement), hasRemark(placement));
  });  // of equals, the first
  const bool fewer = std::cmp_less(placements.size(), wanted);
  if (worst != placements.end() && (weightOf(*worst) > 0 || hasRemark(*worst))) {
    condition.reason = worst->reason;
    condition.message =
        sentences({condition.message, fmt::format("{}: {}", worst->instance, worst->message)});
    if (!isReady(*worst)) condition.status = worst->ready;
  }
  if (!fewer) return condition;
  if (condition.status == Condition::Status::True) {
    condition.status = Condition::Status::False;
    condition.reason = Reason::InstanceNotFound;
  }
  condition.message = sentences(
      {condition.message,
       fmt::format("It is to run on {} instances, and spec.placement.instanceSelector selects {} that can "
                   "have it.",
                   wanted, placements.size())});
  return condition;
}

/// What is said of all together.
Status summaryOf(Placements placements, api::RolloutStatus rollout, const Status& first,
                 api::SystemTime now) {
  Status status;
  Condition ready = readyOf(placements, rollout.replicas, now);
  const bool reconciling = std::ranges::any_of(placements, &PlacementStatus::reconciling);
  const bool stalled = !reconciling && ready.status == Condition::Status::False;
  for (const auto& [type, holds] :
       {std::pair(Condition::Type::Reconciling, reconciling), std::pair(Condition::Type::Stalled, stalled)}) {
    if (holds) status.conditions.push_back({type, Condition::Status::True, ready.reason, ready.message, now});
  }
  status.conditions.insert(status.conditions.begin(), std::move(ready));
  rollout.updated = std::ranges::count_if(placements, &PlacementStatus::updated);
  rollout.ready = std::ranges::count_if(placements, isReady);
  for (const PlacementStatus& placement : placements) status.restarts += placement.restarts;
  if (!placements.empty()) {
    const PlacementStatus& shown = placements.front();
    status.observedGeneration =
        std::ranges::min(placements, {}, &PlacementStatus::observedGeneration).observedGeneration;
    status.instance = shown.instance;
    status.digest = shown.digest;
    status.startedAt = shown.startedAt;
    status.history = shown.history;
    if (first.instance == shown.instance) status.lastAction = first.lastAction;
  }
  status.placements = std::move(placements);
  status.rollout = std::move(rollout);
  return status;
}

}  // namespace

Status combinedStatus(const Status& before, const Status& seen, const plan::Replicas& replicas,
                      api::SystemTime now) {
  Placements placements;
  placements.reserve(replicas.instances.size());
  for (const std::string& instance : replicas.instances) {
    const PlacementStatus* known = before.placementOn(instance);
    const auto unusable = replicas.unusable.find(instance);
    if (unusable != replicas.unusable.end()) {
      placements.push_back(unusableOn(instance, unusable->second));
    } else if (seen.instance == instance) {
      placements.push_back(placementOf(instance, seen));
    } else {
      placements.push_back(known == nullptr ? unseenOn(instance) : *known);
    }
  }
  const bool isFirst = !replicas.instances.empty() && seen.instance == *replicas.instances.begin();
  return summaryOf(std::move(placements), {.revision = replicas.revision, .replicas = replicas.wanted},
                   isFirst ? seen : before, now);
}

Status combinedStatus(const Status& before, const Status& others, const std::set<std::string>& own,
                      api::SystemTime now) {
  if (!before.rollout) return before;
  Placements placements = before.placements;
  for (PlacementStatus& placement : placements) {
    const PlacementStatus* told = others.placementOn(placement.instance);
    if (told != nullptr && !own.contains(placement.instance)) placement = *told;
  }
  return summaryOf(std::move(placements), *before.rollout, before, now);
}

}  // namespace rookery::reconcile
