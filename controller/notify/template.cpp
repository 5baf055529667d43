#include "notify/template.h"

#include <algorithm>
#include <array>
#include <map>

#include "api/expand.h"
#include "api/status.h"
#include "text.h"

namespace rookery::notify {

namespace {

constexpr std::size_t longestFilled = 8 << 10;
constexpr std::array<std::string_view, 13> placeholderNames = {
    "id",     "instance", "kind",     "message", "name", "namespace", "object",
    "reason", "revision", "severity", "summary", "time", "type"};

}  // namespace

std::span<const std::string_view> placeholders() { return placeholderNames; }

std::optional<std::string> unknownPlaceholder(std::string_view text) {
  for (std::string& name : api::references(text)) {
    if (std::ranges::find(placeholderNames, name) == placeholderNames.end()) return std::move(name);
  }
  return std::nullopt;
}

std::string fill(std::string_view text, const Notification& notification) {
  const api::ObjectKey key = notification.object.value_or(api::ObjectKey{});
  const bool known = notification.object.has_value();
  const std::map<std::string, std::string> values = {
      {"id", notification.id},
      {"instance", notification.instance},
      {"kind", known ? std::string(api::toString(key.kind)) : ""},
      {"message", notification.message},
      {"name", key.name},
      {"namespace", key.nameSpace},
      {"object", known ? key.toString() : ""},
      {"reason", notification.reason},
      {"revision", notification.revision},
      {"severity", std::string(toString(severityOf(notification.type)))},
      {"summary", summaryOf(notification)},
      {"time", api::toRfc3339(notification.time)},
      {"type", std::string(toString(notification.type))}};
  return shorten(api::expand(text, values), longestFilled);
}

}  // namespace rookery::notify
