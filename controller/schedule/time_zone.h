#pragma once

#include <chrono>
#include <string_view>

#include "error.h"
#include "schedule/cron.h"

namespace date {
class time_zone;  // NOLINT(readability-identifier-naming): the library's
}

namespace rookery::schedule {

/// The time zone of a place, of the system's database (tzdata). A value.
class TimeZone {
 public:
  /// UTC, which needs no database.
  TimeZone() = default;
  /// `name`: "Europe/Berlin". Error (InvalidManifest): the system knows none of that name, or has no
  /// database.
  static Result<TimeZone> find(std::string_view name);

  LocalMinute toLocal(std::chrono::sys_time<std::chrono::minutes> time) const;
  /// A time of day that is skipped when clocks are put forward comes when they are; of one that comes twice
  /// the first is meant.
  std::chrono::sys_time<std::chrono::minutes> toSystem(LocalMinute time) const;

  friend bool operator==(const TimeZone&, const TimeZone&) = default;

 private:
  const date::time_zone* zone_ = nullptr;  // of the library's, which has it for ever; null: UTC
};

}  // namespace rookery::schedule
