#include "plan/change.h"

#include <utility>

namespace rookery::plan {

using nlohmann::json;

Change changeOf(Step step, const std::string& instance, SystemTime now) {
  Change change{.object = std::move(step.object),
                .instance = instance,
                .verb = step.verb,
                .reason = step.reason,
                .message = std::move(step.message),
                .fields = std::move(step.fields),
                .waits = step.notBefore == SystemTime::max()};
  if (!change.waits && step.notBefore > now) change.notBefore = step.notBefore;
  return change;
}

Change laterChangeOf(Step step, const std::string& instance) {
  Change change = changeOf(std::move(step), instance, SystemTime::max());
  change.waits = true;
  return change;
}

json toJson(const Change& change) {
  json fields = json::array();
  for (const FieldChange& field : change.fields)
    fields.push_back({{"path", field.path}, {"old", field.oldValue}, {"new", field.newValue}});
  return {{"kind", api::toString(change.object.kind)},
          {"namespace", change.object.nameSpace},
          {"name", change.object.name},
          {"instance", change.instance},
          {"verb", toString(change.verb)},
          {"reason", toString(change.reason)},
          {"fields", std::move(fields)}};
}

}  // namespace rookery::plan
