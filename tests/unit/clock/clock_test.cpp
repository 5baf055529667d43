#include "clock/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace rookery::clock {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;

constexpr Steady::time_point begin{1000h};

class Simulated : public testing::Test {
 protected:
  asio::awaitable<void> wait(std::string name, Steady::duration time, int times) {
    Timer timer(co_await asio::this_coro::executor);
    for (int i = 0; i < times; ++i) {
      timer.expires_after(time);
      co_await timer.async_wait(asio::use_awaitable);
      told_.emplace_back(name, Steady::now() - begin);
    }
  }

  Simulation time_{begin};
  asio::io_context context_;
  std::vector<std::pair<std::string, Steady::duration>> told_;
};

TEST_F(Simulated, TimersExpireInTheirOrderAndAtTheirTime) {
  asio::co_spawn(context_, wait("hour", 1h, 2), asio::detached);
  asio::co_spawn(context_, wait("minutes", 25min, 3), asio::detached);
  time_.run(context_, begin + 24h);
  EXPECT_THAT(told_, ElementsAre(Pair("minutes", 25min), Pair("minutes", 50min), Pair("hour", 1h),
                                 Pair("minutes", 75min), Pair("hour", 2h)));
  EXPECT_EQ(Steady::now(), begin + 24h);
}

TEST_F(Simulated, TimeStandsStillWhileSomethingCanBeDone) {
  int left = 1'000;
  std::function<void()> again = [&] {
    if (--left > 0) asio::post(context_, again);
    EXPECT_EQ(Steady::now(), begin);
  };
  asio::post(context_, again);
  time_.run(context_, begin);
  EXPECT_EQ(left, 0);
}

TEST_F(Simulated, ATimerThatIsPutOffOrCancelledIsNotWaitedFor) {
  Timer never(context_, Steady::time_point::max());
  Timer putOff(context_, 1min);
  bool cancelled = false;
  never.async_wait([&](boost::system::error_code error) { cancelled = error.failed(); });
  putOff.expires_after(3min);
  putOff.async_wait([&](boost::system::error_code error) {
    told_.emplace_back("put off", Steady::now() - begin);
    EXPECT_FALSE(error);
    never.cancel();
  });
  time_.run(context_, begin + 1h);
  EXPECT_TRUE(cancelled);
  EXPECT_THAT(told_, ElementsAre(Pair("put off", 3min)));
}

TEST_F(Simulated, EndsWhenItIsToldTo) {
  asio::co_spawn(context_, wait("second", 1s, 100), asio::detached);
  time_.run(context_, begin + 1h, [&] { return told_.size() == 7; });
  EXPECT_EQ(Steady::now(), begin + 7s);
}

TEST_F(Simulated, IsThatOfItsThreadAlone) {
  Steady::time_point elsewhere;
  std::thread([&] { elsewhere = Steady::now(); }).join();
  EXPECT_NE(elsewhere, begin);
  EXPECT_LE(elsewhere, std::chrono::steady_clock::now());
}

TEST(Steady, IsTheMachinesWithoutASimulation) {
  {
    const Simulation over(begin);
  }
  const auto before = std::chrono::steady_clock::now();
  const auto now = Steady::now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, std::chrono::steady_clock::now());
  asio::io_context context;
  Timer timer(context, 1ms);
  bool expired = false;
  timer.async_wait([&](boost::system::error_code error) { expired = !error; });
  context.run();
  EXPECT_TRUE(expired);
}

}  // namespace
}  // namespace rookery::clock
