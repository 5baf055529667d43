#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace rookery::cli {

/// Says what occurs again and again at a growing distance: the 1st, 2nd, 4th, 8th … time. What has not
/// occurred for an hour is new again. Remembers so many of them, those that occurred last. Not thread-safe.
class Repeats {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most = 1'000;
  static constexpr std::chrono::hours lifetime{1};

  /// How often `what` has occurred, this time included, if it is to be said now.
  std::optional<std::uint64_t> occurred(const std::string& what, Clock::time_point now);
  /// The next time is the first.
  void forget(const std::string& what) { known_.erase(what); }

 private:
  void makeRoom();

  struct Known {
    std::uint64_t times = 0;
    Clock::time_point last;
  };
  std::map<std::string, Known> known_;
};

}  // namespace rookery::cli
