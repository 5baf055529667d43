// What of a plan can be done when some of what has to be remembered could not be written down.

#include <fmt/format.h>

#include <algorithm>

#include "api/conditions.h"
#include "plan/plan.h"
#include "plan/unikernel_state.h"
#include "sentence.h"

namespace rookery::plan {

namespace {

/// Takes the steps under a name out of what is due; true: there are some.
bool putOffSteps(Plan& plan, const albatross::Name& name, api::Kind kind) {
  bool some = false;
  for (Step& step : plan.steps) {
    if (step.object.kind != kind || step.name != name) continue;
    step.notBefore = SystemTime::max();
    some = true;
  }
  return some;
}

/// What runs as declared still does, whatever cannot be noted of it.
void addToReady(ObjectState& state, const Error& error) {
  for (api::Condition& condition : state.status.conditions) {
    if (condition.type == api::Condition::Type::Ready)
      condition.message = sentences({condition.message, error.message});
  }
}

}  // namespace

void withhold(Plan& plan, const std::map<albatross::Name, Error>& unwritten, SystemTime now, api::Kind kind) {
  const Inventory& inventory =
      kind == api::Kind::UnikernelVolume ? plan.memory.volumes : plan.memory.inventory;
  for (const auto& [name, error] : unwritten) {
    const bool waits = putOffSteps(plan, name, kind);
    const auto entry = inventory.find(name);
    if (entry == inventory.end()) {
      plan.errors.push_back(error);
      continue;
    }
    const auto object = plan.objects.find(entry->second.object);
    if (object == plan.objects.end()) {
      plan.removals[entry->second.object] = error;
      plan.errors.push_back(error);
    } else if (waits) {
      object->second.status.conditions = api::stalledConditions(error, now);
      object->second.settled = true;
      object->second.state = UnikernelState::Failed;
    } else {
      addToReady(object->second, error);
    }
  }
}

}  // namespace rookery::plan
