#include "reconcile/rollouts.h"

#include <algorithm>
#include <utility>

#include "api/annotations.h"

namespace rookery::reconcile {

namespace {

/// All but the replicas.
plan::RolloutInput rolloutOf(const plan::DesiredUnikernel& unikernel) {
  const api::Unikernel& spec = unikernel.spec();
  const auto& annotations = unikernel.object->metadata.annotations;
  const std::string& revision = unikernel.replicas->revision;
  return {.unikernel = unikernel.object->key(),
          .replicas = {},
          .maxUnavailable = spec.maxUnavailable,
          .pauseAfter = spec.pauseAfter,
          .paused = api::isPaused(annotations),
          .resumed = api::requestOf(annotations, api::rolloutResumeAnnotation) == revision,
          .revision = revision};
}

/// As another process has told how it stands.
plan::Replica replicaOf(const api::Status& told, const std::string& goal) {
  const api::Condition& ready = *told.condition(api::Condition::Type::Ready);
  const bool troubled = ready.reason == Reason::RolledBack || ready.reason == Reason::Unhealthy ||
                        ready.reason == Reason::CrashLoopBackOff || ready.reason == Reason::NotConverging;
  return {.goal = goal,
          .ready = told.ready(),
          .outdated = ready.reason == Reason::UpdatePending,
          .updated = told.updated,
          .failed = troubled && (told.updated || ready.reason == Reason::RolledBack),
          .proven = false};
}

}  // namespace

/// With what is known by now of what is to be now.
plan::RolloutInput Rollouts::inputOf(const Known& known) const {
  plan::RolloutInput input = known.input;
  for (const auto& [instance, goal] : known.goals) {
    std::optional<plan::Replica>& replica = input.replicas[instance];
    if (const auto told = known.foreign.find(instance); told != known.foreign.end()) {
      replica = told->second;
      continue;
    }
    const auto seen = seen_.find(instance);
    if (seen == seen_.end()) continue;
    const auto found = seen->second.find(input.unikernel);
    if (found != seen->second.end() && found->second.goal == goal) replica = found->second;
  }
  input.admitted = known.told.admitted;
  return input;
}

void Rollouts::tell(Known& known, Instances& instances) const {
  const api::ObjectKey& key = known.input.unikernel;
  Items items;
  for (const auto& [instance, goal] : known.goals) {
    const auto desired = instances.find(instance);
    if (desired == instances.end() || !desired->second->unikernels.contains(key)) continue;
    plan::DesiredUnikernel unikernel = desired->second->unikernels.at(key);
    if (const auto waits = known.told.waits.find(instance); waits != known.told.waits.end())
      unikernel.waits = waits->second;
    const auto before = known.items.find(instance);
    if (before != known.items.end() && before->second->second == unikernel) {
      desired->second->unikernels.share(before->second);
    } else {
      desired->second->unikernels.set(key, std::move(unikernel));
    }
    items[instance] = desired->second->unikernels.item(key);
  }
  known.items = std::move(items);
}

void Rollouts::apply(Instances& instances, const Foreign& foreign) {
  std::map<api::ObjectKey, Known> before = std::exchange(known_, {});
  std::erase_if(seen_, [&](const auto& item) { return !instances.contains(item.first); });
  for (const auto& [name, desired] : instances) {
    for (const api::ObjectKey& key : desired->replicated) {
      const plan::DesiredUnikernel& unikernel = desired->unikernels.at(key);
      Known& known = known_[key];
      if (known.goals.empty()) {
        known.input = rolloutOf(unikernel);
        // What nothing can be done on is not known to run.
        for (const auto& [instance, error] : unikernel.replicas->unusable) known.goals[instance];
      }
      known.goals[name] = plan::goalOf(unikernel);
      const auto told = foreign ? foreign(name, key) : std::nullopt;
      if (told && told->observedGeneration == unikernel.identity.generation)
        known.foreign.emplace(name, replicaOf(*told, known.goals[name]));
    }
  }
  for (auto& [key, known] : known_) {
    if (const auto same = before.find(key); same != before.end()) {
      known.told = std::move(same->second.told);
      known.items = std::move(same->second.items);
    }
    known.told = plan::decideRollout(inputOf(known));
    tell(known, instances);
  }
}

bool Rollouts::ready(const api::ObjectKey& unikernel) const {
  const auto known = known_.find(unikernel);
  if (known == known_.end()) return false;
  const plan::RolloutInput input = inputOf(known->second);
  return std::ranges::all_of(input.replicas,
                             [](const auto& item) { return item.second && item.second->ready; });
}

bool Rollouts::moved() const {
  for (const auto& [key, known] : known_) {
    if (plan::decideRollout(inputOf(known)) != known.told) return true;
  }
  return false;
}

}  // namespace rookery::reconcile
