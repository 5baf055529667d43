#include "api/age.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace rookery::api {
namespace {

std::string twoUnits(std::int64_t coarse, char coarseUnit, std::int64_t fine, char fineUnit) {
  return fine == 0 ? fmt::format("{}{}", coarse, coarseUnit)
                   : fmt::format("{}{}{}{}", coarse, coarseUnit, fine, fineUnit);
}

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
  std::tm time{};
  const std::string text(timestamp);
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end == nullptr) return "<invalid>";
  std::string_view rest = end;
  if (rest.starts_with('.'))
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  if (rest != "Z") return "<invalid>";
  return formatAge(now - std::chrono::system_clock::from_time_t(::timegm(&time)));
}

}  // namespace rookery::api
