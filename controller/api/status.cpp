#include "api/status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace rookery::api {

using nlohmann::json;

namespace {

/// As Go writes a duration: "350ms", "1.5s", "2m0.25s", "1h0m0s".
std::string toGoDuration(std::chrono::milliseconds duration) {
  const auto total = duration.count();
  if (total == 0) return "0s";
  if (total < 1'000) return fmt::format("{}ms", total);
  const auto hours = total / 3'600'000, minutes = total / 60'000 % 60;
  const std::string text = hours > 0     ? fmt::format("{}h{}m", hours, minutes)
                           : minutes > 0 ? fmt::format("{}m", minutes)
                                         : "";
  return text + fmt::format("{}s", static_cast<double>(total % 60'000) / 1'000);
}

json toJson(const Condition& condition) {
  return {{"type", toString(condition.type)},
          {"status", toString(condition.status)},
          {"lastTransitionTime", toRfc3339(condition.lastTransitionTime)},
          {"reason", rookery::toString(condition.reason)},
          {"message", condition.message}};
}

json toJson(const Use& use) {
  json value = {{"memory", fmt::format("{}Mi", use.memory)}};
  if (use.unikernels < Use::unlimited) value["unikernels"] = use.unikernels;
  if (use.blockStorage) value["blockStorage"] = fmt::format("{}Mi", *use.blockStorage);
  return value;
}

json toJson(const SourceStatus& source) {
  json value = {{"root", source.root}, {"lastAttemptedRevision", source.lastAttemptedRevision}};
  if (!source.lastAppliedRevision.empty()) value["lastAppliedRevision"] = source.lastAppliedRevision;
  return value;
}

json toJson(const LastAction& action) {
  return {{"verb", action.verb},
          {"time", toRfc3339(action.time)},
          {"bytes", action.bytes},
          {"duration", toGoDuration(action.duration)}};
}

}  // namespace

std::string_view toString(Condition::Type type) {
  switch (type) {
    case Condition::Type::Ready:
      return "Ready";
    case Condition::Type::Reconciling:
      return "Reconciling";
    case Condition::Type::Stalled:
      return "Stalled";
  }
  check(false, "every condition type has a name");
  return {};
}

std::string_view toString(Condition::Status status) {
  switch (status) {
    case Condition::Status::True:
      return "True";
    case Condition::Status::False:
      return "False";
    case Condition::Status::Unknown:
      return "Unknown";
  }
  check(false, "every condition status has a name");
  return {};
}

const Condition* Status::condition(Condition::Type type) const {
  const auto found = std::ranges::find(conditions, type, &Condition::type);
  return found == conditions.end() ? nullptr : &*found;
}

bool Status::ready() const {
  const Condition* ready = condition(Condition::Type::Ready);
  return ready != nullptr && ready->status == Condition::Status::True;
}

std::string_view finalizerOf(Kind kind) {
  if (kind == Kind::UnikernelVolume) return "rookery.dev/unikernelvolume";
  return kind == Kind::AlbatrossInstance ? "rookery.dev/albatrossinstance" : "rookery.dev/unikernel";
}

std::string toRfc3339(SystemTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

json toJson(const Status& status) {
  json object = json::object();
  json conditions = json::array();
  for (const Condition& condition : status.conditions) conditions.push_back(toJson(condition));
  if (!conditions.empty()) object["conditions"] = std::move(conditions);
  if (status.observedGeneration > 0) object["observedGeneration"] = status.observedGeneration;
  if (status.instance) object["instance"] = *status.instance;
  if (status.digest) object["digest"] = *status.digest;
  if (status.startedAt) object["startedAt"] = toRfc3339(*status.startedAt);
  if (status.restarts > 0) object["restarts"] = status.restarts;
  if (status.lastAction) object["lastAction"] = toJson(*status.lastAction);
  if (!status.history.empty()) object["history"] = status.history;
  if (status.used) object["used"] = toJson(*status.used);
  if (status.capacity) object["capacity"] = toJson(*status.capacity);
  if (status.version) object["version"] = *status.version;
  for (const SourceStatus& source : status.sources) object["sources"].push_back(toJson(source));
  if (status.size) object["size"] = fmt::format("{}Mi", *status.size);
  return object;
}

json toJson(const Object& object, const Identity& identity, const Status& status) {
  json shaped = object.manifest;
  json& metadata = shaped["metadata"];
  metadata["uid"] = identity.uid;
  metadata["creationTimestamp"] = toRfc3339(identity.creationTimestamp);
  if (identity.deletionTimestamp) {
    metadata["deletionTimestamp"] = toRfc3339(*identity.deletionTimestamp);
    metadata["deletionGracePeriodSeconds"] = 0;
    metadata["finalizers"] = json::array({finalizerOf(object.kind())});
  }
  if (object.kind() == Kind::Secret) return shaped;  // Kubernetes gives it neither a generation nor a status
  metadata["generation"] = identity.generation;
  shaped["status"] = toJson(status);
  // A count of none is news for a unikernel, where other kinds have no such field.
  if (object.kind() == Kind::Unikernel) shaped["status"]["restarts"] = status.restarts;
  return shaped;
}

}  // namespace rookery::api
