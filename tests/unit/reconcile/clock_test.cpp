#include "reconcile/clock.h"

#include <gtest/gtest.h>

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using api::SystemTime;

TEST(SteadyClock, TellsTheTimeOfDayAndIsNotSetWithIt) {
  SystemTime system{1h};
  std::chrono::nanoseconds passed = 5s;
  const auto now = steadyClock([&] { return system; }, [&] { return passed; });
  EXPECT_EQ(now(), SystemTime(1h));

  passed += 10s;
  system += 24h;  // somebody sets the clock
  EXPECT_EQ(now(), SystemTime(1h + 10s));
  system -= 48h;
  passed += 1ms;
  EXPECT_EQ(now(), SystemTime(1h + 10s + 1ms));
}

TEST(SteadyClock, CountsByTheMachineUnlessToldOtherwise) {
  const auto now = steadyClock();
  const SystemTime before = now();
  EXPECT_LE(before, now());
  EXPECT_GT(uptime(), 0ns);
}

}  // namespace
}  // namespace rookery::reconcile
