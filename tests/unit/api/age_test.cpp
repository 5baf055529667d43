#include "api/age.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

TEST(Age, IsFormattedAsKubectlDoes) {
  const std::pair<std::chrono::seconds, const char*> cases[] = {
      {-2s, "<invalid>"},
      {-1s, "0s"},
      {0s, "0s"},
      {1s, "1s"},
      {119s, "119s"},
      {2min, "2m"},
      {5min + 2s, "5m2s"},
      {9min + 59s, "9m59s"},
      {10min + 30s, "10m"},
      {179min, "179m"},
      {3h, "3h"},
      {3h + 12min, "3h12m"},
      {8h + 30min, "8h"},
      {47h, "47h"},
      {48h, "2d"},
      {days(3) + 4h, "3d4h"},
      {days(8) + 4h, "8d"},
      {days(729), "729d"},
      {days(730), "2y"},
      {days(740), "2y10d"},
      {days(8 * 365 + 5), "8y"},
  };
  for (const auto& [age, text] : cases) EXPECT_EQ(formatAge(age), text) << age.count();
}

TEST(Age, IsCountedFromATimestamp) {
  const std::chrono::system_clock::time_point now(1'700'000'000s);  // 2023-11-14T22:13:20Z
  EXPECT_EQ(formatAgeSince("2023-11-14T22:08:18Z", now), "5m2s");
  EXPECT_EQ(formatAgeSince("2023-11-14T22:13:20Z", now), "0s");
  EXPECT_EQ(formatAgeSince("2023-11-14T22:08:18.999999Z", now), "5m2s");
  for (const char* text : {"", "yesterday", "2023-11-14T22:08:18", "2023-11-14", "2023-11-14T22:08:18.5"}) {
    EXPECT_EQ(formatAgeSince(text, now), "<invalid>") << text;
  }
}

TEST(Timestamp, IsReadByRfc3339) {
  using namespace std::chrono;
  const system_clock::time_point noon = sys_days(2027y / 1 / 31) + 12h;
  for (const char* text : {"2027-01-31T12:00:00Z", "2027-01-31T12:00:00.75Z", "2027-01-31T14:30:00+02:30",
                           "2027-01-31T00:00:00-12:00"}) {
    EXPECT_EQ(parseRfc3339(text), noon) << text;
  }
  for (const char* text :
       {"", "2027-01-31", "2027-01-31T12:00:00", "2027-01-31T12:00Z", "2027-02-29T12:00:00Z",
        "2027-13-01T12:00:00Z", "2027-01-31T24:00:00Z", "2027-01-31T12:60:00Z", "2027-01-31 12:00:00Z",
        "2027-01-31T12:00:00.Z", "2027-01-31T12:00:00Zz", "2027-01-31T12:00:00+0200",
        "2027-01-31T12:00:00+24:00", "+027-01-31T12:00:00Z", " 2027-01-31T12:00:00Z", "1"}) {
    EXPECT_FALSE(parseRfc3339(text)) << text;
  }
}

TEST(Timestamp, IsOneThatTheClockCanSay) {
  using namespace std::chrono;
  const system_clock::time_point first, last = sys_days(2261y / 1 / 1) - 1s;
  EXPECT_EQ(parseRfc3339("9999-12-31T23:59:59Z"), last) << "and not a year of the past";
  EXPECT_EQ(parseRfc3339("2261-01-01T00:00:00Z"), last);
  EXPECT_EQ(parseRfc3339("0000-01-01T00:00:00Z"), first);
  EXPECT_EQ(parseRfc3339("1969-12-31T23:59:59Z"), first);
  EXPECT_EQ(formatAgeSince("9999-12-31T23:59:59Z", first), "<invalid>");
  EXPECT_EQ(formatAgeSince("0001-01-01T00:00:00Z", last), "291y");
}

}  // namespace
}  // namespace rookery::api
