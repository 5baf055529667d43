#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"

namespace rookery::api {

/// A condition as Kubernetes has it (metav1.Condition), of the types that kstatus reads.
struct Condition {
  enum class Type { Ready, Reconciling, Stalled };
  enum class Status { True, False, Unknown };
  Type type = Type::Ready;
  Status status = Status::Unknown;
  Reason reason = Reason::Reconciling;
  std::string message;
  SystemTime lastTransitionTime;
  friend bool operator==(const Condition&, const Condition&) = default;
};

std::string_view toString(Condition::Type type);      // "Ready", …
std::string_view toString(Condition::Status status);  // "True", …

struct LastAction {
  std::string verb;
  SystemTime time;
  std::uint64_t bytes = 0;
  std::chrono::milliseconds duration{0};
  friend bool operator==(const LastAction&, const LastAction&) = default;
};

/// How much of what a policy limits is used, or can be.
struct Use {
  std::int64_t unikernels = 0;
  std::int64_t memory = 0;                   // Mi
  std::optional<std::int64_t> blockStorage;  // Mi; absent: nobody asked

  /// What a server says of unikernels where only the memory limits them.
  static constexpr std::int64_t unlimited = (std::int64_t{1} << 62) - 1;
  friend bool operator==(const Use&, const Use&) = default;
};

/// How far what one manifest root declares of an AlbatrossInstance has been carried out, where the root is a
/// checkout of Git. Revisions as source::Revision writes them.
struct SourceStatus {
  std::string root;
  std::string lastAttemptedRevision;  // that was read last
  std::string lastAppliedRevision;    // at which all was seen to be as it is declared; empty: none was yet
  friend bool operator==(const SourceStatus&, const SourceStatus&) = default;
};

/// How a unikernel with a placement stands on one instance.
struct PlacementStatus {
  std::string instance;
  Condition::Status ready = Condition::Status::Unknown;
  Reason reason = Reason::Reconciling;
  std::string message;
  bool reconciling = false, stalled = false;  // as the conditions of these names say
  bool updated = false;                       // what is declared runs
  std::int64_t observedGeneration = 0;
  std::optional<std::string> digest = {};  // as of Status
  std::optional<SystemTime> startedAt = {};
  std::int64_t restarts = 0;
  std::vector<std::string> history = {};
  friend bool operator==(const PlacementStatus&, const PlacementStatus&) = default;
};

/// How far what is declared of a unikernel with a placement has come.
struct RolloutStatus {
  std::string revision;       // plan::rolloutRevision
  std::int64_t replicas = 0;  // that there are to be
  std::int64_t updated = 0, ready = 0;
  friend bool operator==(const RolloutStatus&, const RolloutStatus&) = default;
};

/// Status of an object; what a kind does not have stays empty.
struct Status {
  std::vector<Condition> conditions;
  std::int64_t observedGeneration = 0;
  // Unikernel, and as far as it has them UnikernelVolume
  std::optional<std::string> instance;
  std::optional<std::string> digest;  // lower-case hex
  std::optional<SystemTime> startedAt;
  std::int64_t restarts = 0;
  std::optional<LastAction> lastAction;
  std::vector<std::string> history;  // digests of the last 5 images, newest first
  // UnikernelPolicy and AlbatrossInstance
  std::optional<Use> used;
  std::optional<Use> capacity;       // of an AlbatrossInstance: what the credential's own domain may use
  std::optional<std::int64_t> size;  // Mi; of a UnikernelVolume's block device
  std::optional<std::string> version = {};  // of an AlbatrossInstance: the releases that speak as it does
  std::vector<SourceStatus> sources = {};   // of an AlbatrossInstance
  // Unikernel with a placement: by instance. `instance` and what follows it are then of the first.
  std::vector<PlacementStatus> placements = {};
  std::optional<RolloutStatus> rollout = {};
  bool updated = false;  // of what was seen on one instance: PlacementStatus::updated
  friend bool operator==(const Status&, const Status&) = default;

  const Condition* condition(Condition::Type type) const;
  bool ready() const;
  /// Null: it was not placed there, or has no placement.
  const PlacementStatus* placementOn(std::string_view instance) const;
  /// What was seen on one instance, where it was placed on it; nothing: it was not.
  std::optional<Status> seenOn(const std::string& instance) const;
};

/// What an object of that kind waits for that is deleted: until what it made has been destroyed, or until
/// nothing of ours is left on the AlbatrossInstance.
std::string_view finalizerOf(Kind kind);

/// Time as RFC 3339 with whole seconds in UTC, as Kubernetes writes it.
std::string toRfc3339(SystemTime time);
nlohmann::json toJson(const Status& status);

/// Adds to a Unikernel's status as toJson() has it what is only there to be shown: on which instances it is.
void addPlacedOn(const Status& status, nlohmann::json& object);

/// The object as the Kubernetes API shapes it: manifest, identity, status.
nlohmann::json toJson(const Object& object, const Identity& identity, const Status& status);

}  // namespace rookery::api
