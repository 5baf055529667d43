#include "kubernetes/status.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "api/age.h"
#include "api/expand.h"
#include "kubernetes/object_meta.h"

namespace rookery::kubernetes {

using api::Condition;
using nlohmann::json;

namespace {

/// The enumerator that stands at the place of `text` in `words`.
template <class Enum, std::size_t N>
std::optional<Enum> enumOf(const std::array<std::string_view, N>& words, std::string_view text) {
  const auto found = std::ranges::find(words, text);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

std::optional<Condition> conditionIn(const json& value) {
  constexpr std::array<std::string_view, 3> types = {"Ready", "Reconciling", "Stalled"};
  constexpr std::array<std::string_view, 3> statuses = {"True", "False", "Unknown"};
  const auto type = enumOf<Condition::Type>(types, textAt(value, "type"));
  const auto status = enumOf<Condition::Status>(statuses, textAt(value, "status"));
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
  status.lastAction = lastActionIn(memberOf(value, "lastAction"));
  for (const json& digest : memberOf(value, "history")) {
    if (digest.is_string()) status.history.push_back(digest);
  }
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
