#include "file/stamp.h"

#include <gtest/gtest.h>

namespace rookery::file {
namespace {

using std::chrono::system_clock;
using namespace std::chrono_literals;

TEST(FileTime, IsATimeOfTheClockAndBack) {
  const system_clock::time_point times[] = {system_clock::time_point(),
                                            system_clock::time_point(1'700'000'000s + 5ns),
                                            system_clock::time_point(-5ns),
                                            system_clock::time_point(-3s),
                                            system_clock::time_point(-3s - 999'999'999ns),
                                            system_clock::time_point::max(),
                                            system_clock::time_point::min()};
  for (const auto time : times) {
    const FileTime stored = toFileTime(time);
    EXPECT_GE(stored.nanoseconds, 0);
    EXPECT_EQ(toSystemTime(stored), time) << time.time_since_epoch().count();
  }
}

TEST(FileTime, OfWhatTheClockCannotHaveIsTheNearest) {
  EXPECT_EQ(toSystemTime({.seconds = std::int64_t{1} << 50, .nanoseconds = 0}),
            system_clock::time_point::max());
  EXPECT_EQ(toSystemTime({.seconds = -(std::int64_t{1} << 50), .nanoseconds = 5}),
            system_clock::time_point::min());
}

TEST(FileTime, ComparesInTheOrderOfTime) {
  EXPECT_LT(toFileTime(system_clock::time_point(-1ns)), toFileTime(system_clock::time_point()));
  EXPECT_LT(toFileTime(system_clock::time_point(5ns)), toFileTime(system_clock::time_point(1s)));
}

}  // namespace
}  // namespace rookery::file
