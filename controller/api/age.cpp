#include "api/age.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace rookery::api {
namespace {

std::string twoUnits(std::int64_t coarse, char coarseUnit, std::int64_t fine, char fineUnit) {
  return fine == 0 ? fmt::format("{}{}", coarse, coarseUnit)
                   : fmt::format("{}{}{}{}", coarse, coarseUnit, fine, fineUnit);
}

/// The number of just so many digits that the text begins with, which are taken off it together with the
/// character after them, where one is given.
std::optional<int> takeNumber(std::string_view& text, std::size_t digits, char after = 0) {
  if (text.size() < digits + (after != 0 ? 1 : 0)) return std::nullopt;
  const std::string_view number = text.substr(0, digits);
  if (!std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  if (after != 0 && text[digits] != after) return std::nullopt;
  int value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  text.remove_prefix(digits + (after != 0 ? 1 : 0));
  return value;
}

/// "Z", or "+02:00": how far the local time is ahead of UTC.
std::optional<std::chrono::minutes> parseOffset(std::string_view text) {
  if (text == "Z") return std::chrono::minutes(0);
  if (!text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
  const int sign = text.front() == '+' ? 1 : -1;
  text.remove_prefix(1);
  const auto hours = takeNumber(text, 2, ':');
  const auto minutes = takeNumber(text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return std::chrono::minutes(sign * (*hours * 60 + *minutes));
}

constexpr std::chrono::sys_seconds earliest{};
constexpr std::chrono::sys_seconds latest =
    std::chrono::sys_days(std::chrono::year(2261) / 1 / 1) - std::chrono::seconds(1);

}  // namespace

// The steps are those of k8s.io/apimachinery/pkg/util/duration.HumanDuration.
std::string formatAge(std::chrono::nanoseconds age) {
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  const std::int64_t days = hours / 24;
  constexpr std::int64_t daysPerYear = 365;
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (minutes < 10) return twoUnits(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  if (hours < 8) return twoUnits(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  if (days < 8) return twoUnits(days, 'd', hours % 24, 'h');
  if (days < 2 * daysPerYear) return fmt::format("{}d", days);
  if (days < 8 * daysPerYear) return twoUnits(days / daysPerYear, 'y', days % daysPerYear, 'd');
  return fmt::format("{}y", days / daysPerYear);
}

std::string formatAgeSince(std::string_view timestamp, std::chrono::system_clock::time_point now) {
  const auto time = parseRfc3339(timestamp);
  return time ? formatAge(now - *time) : "<invalid>";
}

std::optional<std::chrono::system_clock::time_point> parseRfc3339(std::string_view text) {
  const auto year = takeNumber(text, 4, '-');
  const auto month = takeNumber(text, 2, '-');
  const auto day = takeNumber(text, 2, 'T');
  const auto hour = takeNumber(text, 2, ':');
  const auto minute = takeNumber(text, 2, ':');
  const auto second = takeNumber(text, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text.starts_with('.')) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end == 1) return std::nullopt;
    text.remove_prefix(end);
  }
  const auto offset = parseOffset(text);
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!offset || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::sys_seconds time = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                                        std::chrono::minutes(*minute) + std::chrono::seconds(*second) -
                                        *offset;
  return std::clamp(time, earliest, latest);
}

}  // namespace rookery::api
