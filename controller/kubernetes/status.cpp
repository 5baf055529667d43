#include "kubernetes/status.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "api/age.h"
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

/// What a number at the start of `text` and the unit behind it amount to; takes both off. Nothing: it is
/// neither.
std::optional<double> takeMillis(std::string_view& text) {
  constexpr std::array<std::pair<std::string_view, double>, 4> units = {
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  for (const auto& [unit, millis] : units) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return number * millis;
  }
  return std::nullopt;
}

/// A duration as Go writes it, down to milliseconds: "350ms", "2m0.25s".
std::optional<std::chrono::milliseconds> parseGoDuration(std::string_view text) {
  constexpr double longest = 1e12;
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto millis = takeMillis(text);
    if (!millis) return std::nullopt;
    total += *millis;
  }
  if (!(total <= longest)) return std::nullopt;
  return std::chrono::milliseconds(std::llround(total));
}

std::optional<api::LastAction> lastActionIn(const json& value) {
  std::string verb = textAt(value, "verb");
  const auto time = api::parseRfc3339(textAt(value, "time"));
  const auto duration = parseGoDuration(textAt(value, "duration"));
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
