#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "api/object.h"

/// How an update of a unikernel with a placement goes from one instance to the next, as a pure function.
namespace rookery::plan {

struct DesiredUnikernel;

/// How a unikernel with a placement stands on one instance, as it was judged last.
struct Replica {
  std::string goal = {};  // what it was judged by: goalOf()
  bool ready = false;
  bool outdated = false;  // what runs has to be stopped to become what is declared
  bool updated = false;   // what runs is what is declared
  bool failed = false;    // it was tried, and is in trouble
  bool proven = false;    // what is declared has run there before
  friend bool operator==(const Replica&, const Replica&) = default;
};

/// What a unikernel is to be, and which restart of it: of another goal, what was seen before says nothing.
/// For this process only, as it hangs on arguments that may be secret.
std::string goalOf(const DesiredUnikernel& unikernel);

/// What stands for what a unikernel's manifest runs, for people to name: of its spec and its image. Nothing
/// of what a Secret holds goes into it.
std::string rolloutRevision(const DesiredUnikernel& unikernel);

struct RolloutInput {
  api::ObjectKey unikernel;
  /// By instance, all that it was placed on; nothing: it was not seen since it is to be what it is to be.
  std::map<std::string, std::optional<Replica>> replicas;
  std::set<std::string> admitted = {};  // Rollout::admitted of before
  std::int64_t maxUnavailable = 1;
  std::optional<std::int64_t> pauseAfter = {};
  bool paused = false;        // by somebody
  bool resumed = false;       // somebody has said that this revision goes on
  std::string revision = {};  // rolloutRevision()
};

struct Rollout {
  std::set<std::string> admitted;            // instances where what runs may be stopped
  std::map<std::string, std::string> waits;  // the others, and why, as a sentence
  friend bool operator==(const Rollout&, const Rollout&) = default;
};

/// Where an update may be made now. What was not seen counts as being down, so that who starts in the middle
/// stops nothing before all is known; and where one has failed, no other is begun. One that is not Ready
/// anyway is the first.
Rollout decideRollout(const RolloutInput& input);

}  // namespace rookery::plan
