#include "schedule/cron.h"

#include <gmock/gmock.h>

#include "schedule/time_zone.h"
#include "schedule/window.h"

namespace rookery::schedule {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::sys_days;
using testing::HasSubstr;
using namespace std::chrono_literals;

LocalMinute at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  return std::chrono::local_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)) +
         hours(hour) + minutes(minute);
}

std::chrono::sys_time<minutes> utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
  return std::chrono::sys_time<minutes>(at(year, month, day, hour, minute).time_since_epoch());
}

struct Recurrence {
  const char* schedule;
  LocalMinute from, next;
};

// 2026-11-29 is a Sunday.
const Recurrence recurrences[] = {
    {"* * * * *", at(2026, 11, 29, 10, 3), at(2026, 11, 29, 10, 3)},
    {"0 2 * * 1-5", at(2026, 11, 29, 1, 0), at(2026, 11, 30, 2, 0)},
    {"0 2 * * 1-5", at(2026, 11, 30, 2, 0), at(2026, 11, 30, 2, 0)},
    {"0 2 * * 1-5", at(2026, 11, 30, 2, 1), at(2026, 12, 1, 2, 0)},
    {"*/15 8-10 * * *", at(2026, 11, 29, 8, 46), at(2026, 11, 29, 9, 0)},
    {"*/15 8-10 * * *", at(2026, 11, 29, 10, 46), at(2026, 11, 30, 8, 0)},
    {"5/20 * * * *", at(2026, 11, 29, 8, 26), at(2026, 11, 29, 8, 45)},
    {"0 0 31 * *", at(2026, 11, 1), at(2026, 12, 31)},
    {"0 0 29 2 *", at(2026, 1, 1), at(2028, 2, 29)},
    {"0 0 29 2 *", at(2096, 3, 1), at(2104, 2, 29)},
    {"30 4 1,15 * 5", at(2026, 11, 29), at(2026, 12, 1, 4, 30)},  // either of the two
    {"30 4 1,15 * FRI", at(2026, 12, 2), at(2026, 12, 4, 4, 30)},
    {"0 0 * * 7", at(2026, 11, 30), at(2026, 12, 6)},
    {"0 0 ? jan-MAR sun", at(2026, 11, 29), at(2027, 1, 3)},
    {"@daily", at(2026, 11, 29, 0, 1), at(2026, 11, 30)},
    {"@weekly", at(2026, 11, 29, 0, 1), at(2026, 12, 6)},
    {"@yearly", at(2026, 11, 29), at(2027, 1, 1)},
    {"0 0 1 1 */4294967295", at(2026, 11, 29), at(2034, 1, 1)},  // the first, on a Sunday
    {"0 0 29 2 */7", at(2096, 3, 1), at(2128, 2, 29)},           // both, and no leap day in 2100
};

TEST(Cron, RecursAsCrontabSays) {
  for (const auto& [schedule, from, next] : recurrences) {
    const Result<Cron> cron = Cron::parse(schedule);
    ASSERT_TRUE(cron) << schedule << ": " << cron.error().message;
    EXPECT_EQ(cron->next(from), next) << schedule;
  }
}

TEST(Cron, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "this has 0"},
      {"0 2 * *", "this has 4"},
      {"0 0 2 * * *", "this has 6"},
      {"@reboot", "this has 1"},
      {"60 * * * *", "the minute must be from 0 to 59, not \"60\""},
      {"* 24 * * *", "the hour must be from 0 to 23"},
      {"* * 0 * *", "the day of the month must be from 1 to 31"},
      {"* * * 13 *", "the month must be from 1 to 12, or a name such as jan"},
      {"* * * * mo", "the day of the week must be from 0 to 7, or a name such as sun"},
      {"5-1 * * * *", "a range that does not go up"},
      {"1-2-3 * * * *", "a range that does not go up"},
      {"*/0 * * * *", "a step that is no number from 1"},
      {"*/ * * * *", "a step that is no number from 1"},
      {"*/1/1 * * * *", "a step that is no number from 1"},
      {"1, * * * *", "not \"\""},
      {"-1 * * * *", "not \"\""},
      {"99999999999 * * * *", "from 0 to 59"},
      {"0 0 30 2 *", "never comes"},
      {"0 0 31 2,4,6 *", "never comes"},
  };
  for (const auto& [schedule, message] : wrong) {
    const Result<Cron> cron = Cron::parse(schedule);
    ASSERT_FALSE(cron) << schedule;
    EXPECT_THAT(cron.error().message, HasSubstr(message)) << schedule;
  }
}

TEST(TimeZones, AreThoseOfTheSystem) {
  EXPECT_EQ(TimeZone::find("UTC"), TimeZone());
  EXPECT_FALSE(TimeZone::find("Europe/Atlantis"));
  EXPECT_FALSE(TimeZone::find("../../etc/passwd"));
  EXPECT_FALSE(TimeZone::find(""));
  const Result<TimeZone> berlin = TimeZone::find("Europe/Berlin");
  ASSERT_TRUE(berlin) << berlin.error().message;
  EXPECT_EQ(berlin->toLocal(utc(2026, 7, 1, 12)), at(2026, 7, 1, 14));
  EXPECT_EQ(berlin->toSystem(at(2026, 12, 1, 2)), utc(2026, 12, 1, 1));
  EXPECT_EQ(berlin->toSystem(at(2026, 3, 29, 2, 30)), utc(2026, 3, 29, 1)) << "skipped";
  EXPECT_EQ(berlin->toSystem(at(2026, 10, 25, 2, 30)), utc(2026, 10, 25, 0, 30)) << "comes twice";
}

struct Opening {
  const char* schedule;
  minutes duration;
  const char* zone;
  std::chrono::sys_time<minutes> from, open;
};

const Opening openings[] = {
    {"0 2 * * 1-5", 2h, "UTC", utc(2026, 11, 30, 1, 59), utc(2026, 11, 30, 2)},
    {"0 2 * * 1-5", 2h, "UTC", utc(2026, 11, 30, 2), utc(2026, 11, 30, 2)},
    {"0 2 * * 1-5", 2h, "UTC", utc(2026, 11, 30, 3, 59), utc(2026, 11, 30, 3, 59)},
    {"0 2 * * 1-5", 2h, "UTC", utc(2026, 11, 30, 4), utc(2026, 12, 1, 2)},
    {"0 2 * * 1-5", 2h, "UTC", utc(2026, 12, 5, 4), utc(2026, 12, 7, 2)},
    {"0 2 * * 1-5", 2h, "Europe/Berlin", utc(2026, 11, 29, 0), utc(2026, 11, 30, 1)},
    {"0 2 * * 1-5", 2h, "Europe/Berlin", utc(2026, 7, 1, 3), utc(2026, 7, 2, 0)},
    {"0 23 * * *", 3h, "America/New_York", utc(2026, 11, 30, 4, 30), utc(2026, 11, 30, 4, 30)},
    {"30 2 * * *", 1h, "Europe/Berlin", utc(2026, 3, 29, 0), utc(2026, 3, 29, 1)},
    {"30 2 * * *", 2h, "Europe/Berlin", utc(2026, 10, 25, 2), utc(2026, 10, 25, 2)},
    {"0 0 * * 6", 168h, "UTC", utc(2026, 12, 4, 23, 59), utc(2026, 12, 4, 23, 59)},
    {"* * * * *", 1min, "Europe/Berlin", utc(2026, 7, 1, 1, 5), utc(2026, 7, 1, 1, 5)},
};

TEST(Windows, AreOpenFromTheirScheduleOn) {
  for (const auto& [schedule, duration, zone, from, open] : openings) {
    const Window window{*Cron::parse(schedule), duration, *TimeZone::find(zone)};
    EXPECT_EQ(window.openFrom(from), std::chrono::system_clock::time_point(open)) << schedule << " " << zone;
  }
}

}  // namespace
}  // namespace rookery::schedule
