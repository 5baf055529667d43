#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "notify/notification.h"

namespace rookery::notify {

/// What waits to be sent to one receiver: pure, the time comes in. It has a bound: what is routine goes
/// first, the oldest before the others, and what matters only where all of it does. What fails is tried
/// again, later each time, until it is too old to be of use. What is told of one object arrives in its order.
class Queue {
 public:
  struct Limits {
    std::size_t most = 1'000;
    std::chrono::hours longest{72};
    unsigned perMinute = 20;            // posts
    unsigned atOnce = 5;                // of them, after a rest
    std::chrono::seconds unwritten{5};  // how long one waits to be written down, on a disk that may be full
    std::size_t together = 50;          // notifications in one post
  };
  /// By the number that it was added with.
  using Numbers = std::vector<std::uint64_t>;
  using Batch = std::map<std::uint64_t, Notification>;

  /// `name`: of the receiver; spreads what many try at the same time.
  Queue(std::string name, Limits limits) : name_(std::move(name)), limits_(limits) {}

  void setLimits(Limits limits) { limits_ = limits; }

  /// The numbers of those that had to go to make room, which may be this one. It is not sent before it is
  /// written down, or has waited for that.
  Numbers add(std::uint64_t number, Notification notification);
  /// Those with lower numbers are written down, and what was told with them.
  void written(std::uint64_t end);
  /// Those that have waited for too long, which then do not any more.
  Numbers expire(SystemTime now);

  /// What is to be sent now, the oldest first; empty: nothing is. It is under way until sent() or failed().
  Batch take(SystemTime now);
  /// Those that were taken have arrived: their numbers.
  Numbers sent();
  /// They have not, as far as can be told. `refused`: they would not if they were sent again as they are;
  /// `retryAfter`: the receiver asks for that. Returns the numbers of those that are given up.
  Numbers failed(bool refused, std::chrono::seconds retryAfter, SystemTime now);
  /// When something is to be sent; nothing: nothing waits, or something is under way.
  std::optional<SystemTime> due() const;
  std::size_t size() const { return waiting_.size(); }
  bool isUnderWay() const { return !underWay_.empty(); }
  Numbers numbers() const;

 private:
  struct Waiting {
    Notification notification;
    SystemTime notBefore;
    unsigned refusals = 0;
    bool written = false;
  };
  SystemTime slot() const;
  std::map<std::uint64_t, SystemTime> times() const;
  void forget(const Numbers& numbers);

  std::string name_;
  Limits limits_;
  std::map<std::uint64_t, Waiting> waiting_;
  Numbers underWay_;
  unsigned failures_ = 0;                     // in a row
  bool oneByOne_ = false;                     // several together were refused
  SystemTime notBefore_ = SystemTime::min();  // as the receiver does not answer
  SystemTime paid_ = SystemTime::min();       // until then the rate is used up
};

}  // namespace rookery::notify
