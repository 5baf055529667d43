#pragma once

#include <chrono>

#include "schedule/cron.h"
#include "schedule/time_zone.h"

namespace rookery::schedule {

/// A time span that recurs.
struct Window {
  Cron opens;  // by the clocks of `zone`
  std::chrono::minutes duration;
  TimeZone zone = {};

  /// The first time at which it is open, not before `time`: that itself where it is.
  std::chrono::system_clock::time_point openFrom(std::chrono::system_clock::time_point time) const;
};

}  // namespace rookery::schedule
