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

json toJson(const PlacementStatus& placement) {
  json value = {{"instance", placement.instance},
                {"ready", toString(placement.ready)},
                {"reason", rookery::toString(placement.reason)},
                {"message", placement.message},
                {"updated", placement.updated},
                {"observedGeneration", placement.observedGeneration},
                {"restarts", placement.restarts}};
  if (placement.reconciling) value["reconciling"] = true;
  if (placement.stalled) value["stalled"] = true;
  if (placement.digest) value["digest"] = *placement.digest;
  if (placement.startedAt) value["startedAt"] = toRfc3339(*placement.startedAt);
  if (!placement.history.empty()) value["history"] = placement.history;
  return value;
}

/// The names of instances as a column has room for them: "eu-1,eu-2 (+3)".
std::string shortened(const std::vector<PlacementStatus>& placements) {
  constexpr std::size_t shown = 2;
  std::string names;
  for (std::size_t i = 0; i < std::min(shown, placements.size()); ++i)
    names += (i == 0 ? "" : ",") + placements[i].instance;
  if (placements.size() > shown) names += fmt::format(" (+{})", placements.size() - shown);
  return names;
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

const PlacementStatus* Status::placementOn(std::string_view where) const {
  const auto found = std::ranges::find(placements, where, &PlacementStatus::instance);
  return found == placements.end() ? nullptr : &*found;
}

std::optional<Status> Status::seenOn(const std::string& where) const {
  if (placements.empty()) return instance == where ? std::optional(*this) : std::nullopt;
  const PlacementStatus* placement = placementOn(where);
  if (placement == nullptr) return std::nullopt;
  Status seen;
  seen.conditions = {{Condition::Type::Ready, placement->ready, placement->reason, placement->message, {}}};
  seen.observedGeneration = placement->observedGeneration;
  seen.instance = where;
  seen.digest = placement->digest;
  seen.startedAt = placement->startedAt;
  seen.restarts = placement->restarts;
  seen.history = placement->history;
  seen.updated = placement->updated;
  return seen;
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
  for (const PlacementStatus& placement : status.placements)
    object["placements"].push_back(toJson(placement));
  if (status.rollout) {
    object["rollout"] = {{"revision", status.rollout->revision},
                         {"replicas", status.rollout->replicas},
                         {"updated", status.rollout->updated},
                         {"ready", status.rollout->ready}};
  }
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

void addPlacedOn(const Status& status, json& object) {
  if (!status.placements.empty()) {
    object["placedOn"] = shortened(status.placements);
  } else if (status.instance) {
    object["placedOn"] = *status.instance;
  }
}

json toJson(const Object& object, const Identity& identity, const Status& status) {
  json shaped = object.manifest.unpack();
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
  if (object.kind() == Kind::Unikernel) addPlacedOn(status, shaped["status"]);
  return shaped;
}

}  // namespace rookery::api
