#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>

namespace rookery::http {

/// How much one may do: `burst` at once, and `perSecond` in the long run.
struct Rate {
  double perSecond = 50;
  double burst = 200;
};

/// A token bucket for each key, such as an address. Remembers only so many keys, those used last.
/// Thread-safe.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;

  explicit RateLimiter(const Rate& rate, Now now = Clock::now, std::size_t maxKeys = 4096)
      : rate_(rate), now_(std::move(now)), maxKeys_(maxKeys) {}

  /// Takes one; false when there is none left.
  bool take(const std::string& key);
  /// Whether there is one left, without taking it.
  bool allows(const std::string& key);

 private:
  struct Bucket {
    std::string key;
    double left = 0;
    Clock::time_point filled;
  };
  using Buckets = std::list<Bucket>;

  Bucket& bucketOf(const std::string& key);

  const Rate rate_;
  const Now now_;
  const std::size_t maxKeys_;
  std::mutex mutex_;
  Buckets buckets_;  // the one used last first
  std::map<std::string, Buckets::iterator> byKey_;
};

/// What an address counts as: itself, or its /64 network for IPv6, of which one client has many addresses.
std::string rateKeyOf(const std::string& address);

}  // namespace rookery::http
