#include "schedule/time_zone.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <stdexcept>

#include "text.h"

namespace rookery::schedule {

using std::chrono::minutes;

Result<TimeZone> TimeZone::find(std::string_view name) {
  TimeZone zone;
  if (name == "UTC") return zone;
  try {
    zone.zone_ = date::locate_zone(name);
    return zone;
  } catch (const std::runtime_error&) {
    return fail(Reason::InvalidManifest,
                fmt::format("this machine knows no time zone {}: write one of its database (Debian's package "
                            "tzdata), such as Europe/Berlin",
                            quote(name)));
  }
}

LocalMinute TimeZone::toLocal(std::chrono::sys_time<minutes> time) const {
  if (zone_ == nullptr) return LocalMinute(time.time_since_epoch());
  return LocalMinute(std::chrono::floor<minutes>(zone_->to_local(time).time_since_epoch()));
}

std::chrono::sys_time<minutes> TimeZone::toSystem(LocalMinute time) const {
  if (zone_ == nullptr) return std::chrono::sys_time<minutes>(time.time_since_epoch());
  const date::local_time<minutes> local(time.time_since_epoch());
  return std::chrono::floor<minutes>(zone_->to_sys(local, date::choose::earliest));
}

}  // namespace rookery::schedule
