#include "kubernetes/status.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "api/age.h"
#include "api/expand.h"
#include "kubernetes/object_meta.h"

namespace rookery::kubernetes {

using api::Condition;
using nlohmann::json;

namespace {

/// The one of them that is called so.
template <class Enum>
std::optional<Enum> enumNamed(std::string_view text, std::initializer_list<Enum> all) {
  const auto found = std::ranges::find(all, text, [](Enum each) { return api::toString(each); });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

std::optional<Condition> conditionIn(const json& value) {
  using enum Condition::Type;
  using enum Condition::Status;
  const auto type = enumNamed(textAt(value, "type"), {Ready, Reconciling, Stalled});
  const auto status = enumNamed(textAt(value, "status"), {True, False, Unknown});
  const auto reason = reasonNamed(textAt(value, "reason"));
  if (!type || !status || !reason) return std::nullopt;
  return Condition{*type, *status, *reason, textAt(value, "message"),
                   api::parseRfc3339(textAt(value, "lastTransitionTime")).value_or(api::SystemTime())};
}

std::optional<std::string> textIn(const json& value, std::string_view member) {
  std::string text = textAt(value, member);
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

/// How long something took: no time at all, too.
std::optional<std::chrono::milliseconds> parseElapsed(std::string_view text) {
  if (text == "0s") return std::chrono::milliseconds(0);
  const auto duration = api::parseDuration(text);
  return duration ? std::optional(*duration) : std::nullopt;
}

std::optional<api::LastAction> lastActionIn(const json& value) {
  std::string verb = textAt(value, "verb");
  const auto time = api::parseRfc3339(textAt(value, "time"));
  const auto duration = parseElapsed(textAt(value, "duration"));
  const std::int64_t bytes = numberAt(value, "bytes");
  if (verb.empty() || !time || !duration || bytes < 0) return std::nullopt;
  return api::LastAction{std::move(verb), *time, static_cast<std::uint64_t>(bytes), *duration};
}

std::vector<std::string> textsIn(const json& list) {
  std::vector<std::string> texts;
  for (const json& text : list) {
    if (text.is_string()) texts.push_back(text);
  }
  return texts;
}

std::optional<api::PlacementStatus> placementIn(const json& value) {
  using enum Condition::Status;
  const auto ready = enumNamed(textAt(value, "ready"), {True, False, Unknown});
  const auto reason = reasonNamed(textAt(value, "reason"));
  std::string instance = textAt(value, "instance");
  if (!ready || !reason || instance.empty()) return std::nullopt;
  const auto flagAt = [&](std::string_view member) { return memberOf(value, member) == true; };
  return api::PlacementStatus{.instance = std::move(instance),
                              .ready = *ready,
                              .reason = *reason,
                              .message = textAt(value, "message"),
                              .reconciling = flagAt("reconciling"),
                              .stalled = flagAt("stalled"),
                              .updated = flagAt("updated"),
                              .observedGeneration = numberAt(value, "observedGeneration"),
                              .digest = textIn(value, "digest"),
                              .startedAt = api::parseRfc3339(textAt(value, "startedAt")),
                              .restarts = numberAt(value, "restarts"),
                              .history = textsIn(memberOf(value, "history"))};
}

std::optional<api::RolloutStatus> rolloutIn(const json& value) {
  std::string revision = textAt(value, "revision");
  if (revision.empty()) return std::nullopt;
  return api::RolloutStatus{.revision = std::move(revision),
                            .replicas = numberAt(value, "replicas"),
                            .updated = numberAt(value, "updated"),
                            .ready = numberAt(value, "ready")};
}

}  // namespace

std::optional<api::Status> statusFromJson(const json& value) {
  api::Status status;
  for (const json& item : memberOf(value, "conditions")) {
    if (auto condition = conditionIn(item)) status.conditions.push_back(*std::move(condition));
  }
  if (status.condition(Condition::Type::Ready) == nullptr) return std::nullopt;
  status.observedGeneration = numberAt(value, "observedGeneration");
  status.instance = textIn(value, "instance");
  status.digest = textIn(value, "digest");
  status.startedAt = api::parseRfc3339(textAt(value, "startedAt"));
  status.restarts = numberAt(value, "restarts");
  if (const auto size = api::parseMi(textAt(value, "size"))) status.size = *size;
  status.lastAction = lastActionIn(memberOf(value, "lastAction"));
  status.history = textsIn(memberOf(value, "history"));
  for (const json& item : memberOf(value, "placements")) {
    if (auto placement = placementIn(item)) status.placements.push_back(*std::move(placement));
  }
  status.rollout = rolloutIn(memberOf(value, "rollout"));
  return status;
}

json mergePatch(const json& before, const json& after) {
  if (before == after) return {};
  if (!before.is_object() || !after.is_object()) return after;
  json patch = json::object();
  for (const auto& [key, value] : after.items()) {
    if (const json& old = memberOf(before, key); old.is_null() || old != value)
      patch[key] = old.is_object() && value.is_object() ? mergePatch(old, value) : value;
  }
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key)) patch[key] = nullptr;
  }
  return patch;
}

}  // namespace rookery::kubernetes
