#include "http/rate_limiter.h"

#include <gtest/gtest.h>

namespace rookery::http {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public testing::Test {
 protected:
  int takeAll(const std::string& key) {
    int taken = 0;
    while (limiter_.take(key)) ++taken;
    return taken;
  }

  RateLimiter::Clock::time_point now_{};
  RateLimiter limiter_{{.perSecond = 2, .burst = 5}, [this] { return now_; }, 3};
};

TEST_F(RateLimiterTest, ABurstThenARate) {
  EXPECT_EQ(takeAll("a"), 5);
  now_ += 400ms;
  EXPECT_EQ(takeAll("a"), 0);
  now_ += 1100ms;
  EXPECT_EQ(takeAll("a"), 3);
  now_ += 1h;
  EXPECT_EQ(takeAll("a"), 5);
}

TEST_F(RateLimiterTest, EachKeyHasItsOwn) {
  EXPECT_EQ(takeAll("a"), 5);
  EXPECT_TRUE(limiter_.allows("b"));
  EXPECT_EQ(takeAll("b"), 5);
  EXPECT_FALSE(limiter_.allows("b"));
}

TEST_F(RateLimiterTest, OnlyTheLastKeysAreRemembered) {
  for (const char* key : {"a", "b", "c"}) takeAll(key);
  EXPECT_FALSE(limiter_.allows("a"));  // used again, so it is b that is forgotten
  takeAll("d");
  EXPECT_FALSE(limiter_.allows("a"));
  EXPECT_TRUE(limiter_.allows("b"));
}

TEST(RateKey, AnIPv6ClientIsItsNetwork) {
  EXPECT_EQ(rateKeyOf("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(rateKeyOf("2001:db8:1:2:3:4:5:6"), rateKeyOf("2001:db8:1:2::9"));
  EXPECT_NE(rateKeyOf("2001:db8:1:2::1"), rateKeyOf("2001:db8:1:3::1"));
  EXPECT_EQ(rateKeyOf(""), "");
}

}  // namespace
}  // namespace rookery::http
