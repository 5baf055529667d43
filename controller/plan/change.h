#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace rookery::plan {

/// A step as people and other programs are told of it: nothing of what is sent, and so no secret.
struct Change {
  api::ObjectKey object;
  std::string instance;
  Verb verb = Verb::Create;
  Reason reason = Reason::Absent;
  std::string message;  // a sentence: why, and what it waits for
  std::vector<FieldChange> fields;
  std::optional<SystemTime> notBefore = {};  // absent: nothing but others' turn is waited for, or `waits`
  bool waits = false;                        // until something else has changed, whenever that is
};

/// Of one of a plan's steps that are to be taken in their order, seen at `now`.
Change changeOf(Step step, const std::string& instance, SystemTime now);
/// Of a step that is to follow once something else has been done (Plan::later).
Change laterChangeOf(Step step, const std::string& instance);

/// As `plan -o json` has it: {"kind", "namespace", "name", "instance", "verb", "reason", "fields": [{"path",
/// "old", "new"}]}.
nlohmann::json toJson(const Change& change);

}  // namespace rookery::plan
