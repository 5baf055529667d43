#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string_view>

#include "error.h"

namespace rookery::schedule {

/// A time of day and a date as a clock on the wall shows them, to the minute.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;

/// When something recurs, as crontab(5) says it: minute, hour, day of the month, month and day of the week,
/// each `*`, a number, a name (of months and days), a range, a list of these, and steps (`*/15`); or one of
/// @hourly, @daily, @weekly, @monthly and @yearly. As there, a day counts when either of the two fields for
/// days names it, unless one of them is `*`.
class Cron {
 public:
  /// Error (InvalidManifest): which field is wrong and how; also of what never comes, as February 30.
  static Result<Cron> parse(std::string_view text);

  /// The first minute that it names, not before `from`. There is one within forty years.
  LocalMinute next(LocalMinute from) const;

 private:
  std::optional<LocalMinute> find(LocalMinute from) const;
  bool namesDay(std::chrono::local_days day) const;
  std::optional<std::chrono::minutes> findInDay(std::chrono::minutes from) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // of the month, from 1
  std::bitset<13> months_;   // from 1
  std::bitset<7> weekdays_;  // from Sunday
  bool anyDay_ = false;      // days_ is `*`
  bool anyWeekday_ = false;  // weekdays_ is `*`
};

}  // namespace rookery::schedule
