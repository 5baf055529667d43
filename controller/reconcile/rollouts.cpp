#include "reconcile/rollouts.h"

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

}  // namespace

/// With what is known by now of what is to be now.
plan::RolloutInput Rollouts::inputOf(const Known& known) const {
  plan::RolloutInput input = known.input;
  for (const auto& [instance, goal] : known.goals) {
    std::optional<plan::Replica>& replica = input.replicas[instance];
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

void Rollouts::apply(Instances& instances) {
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

bool Rollouts::moved() const {
  for (const auto& [key, known] : known_) {
    if (plan::decideRollout(inputOf(known)) != known.told) return true;
  }
  return false;
}

}  // namespace rookery::reconcile
