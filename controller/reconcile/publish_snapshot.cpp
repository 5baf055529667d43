#include "reconcile/publish_snapshot.h"

#include "api/conditions.h"

namespace rookery::reconcile {

namespace {

/// Other controllers tell how the objects stand that are not ours.
void disownOthers(const Environment& environment, const Instances& instances) {
  for (const auto& [name, desired] : instances) {
    if (environment.commands(name)) continue;
    environment.objects.disown(desired->instance->key());
    for (const auto& [key, unikernel] : desired->unikernels) {
      if (unikernel.replicas) {
        environment.objects.disown(key, name);
      } else {
        environment.objects.disown(key);
      }
    }
    for (const auto& [key, volume] : desired->volumes) environment.objects.disown(key);
    for (const auto& [nameSpace, policy] : desired->policies)
      environment.objects.disown(policy.object->key());
  }
}

/// Nothing can become of it until somebody mends that.
void reportUnplaced(const Environment& environment, const api::ObjectKey& key, const Error& error) {
  const ObjectViewPtr view = environment.objects.find(key);
  if (view == nullptr) return;
  api::Status status;
  status.observedGeneration = view->identity.generation;
  status.conditions = api::stalledConditions(error, environment.now());
  environment.objects.report(key, std::move(status), environment.listener);
}

}  // namespace

void publishSnapshot(const Environment& environment, const source::Snapshot& snapshot,
                     const Instances& desired, const Resolution& resolution, const Declarations& before,
                     Leftovers& leftovers) {
  environment.objects.declare(resolution.declarations, before, environment.now());
  leftovers.declare();
  for (const auto& [key, status] : snapshot.statuses)
    environment.objects.mirror(key, status, environment.now());
  leftovers.forgetGone();
  if (snapshot.synced) environment.objects.setSynced();
  disownOthers(environment, desired);
  const bool ours = environment.commands("");
  for (const auto& [key, error] : resolution.unplaced) {
    if (ours) {
      reportUnplaced(environment, key, error);
    } else {
      environment.objects.disown(key);
    }
  }
}

}  // namespace rookery::reconcile
