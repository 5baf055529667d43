#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/wait_traits.hpp>
#include <chrono>
#include <functional>

namespace rookery::clock {

/// The clock that all that waits, waits by, and nobody sets: std::chrono::steady_clock, whose times it has.
/// On a thread that has a Simulation it is that one's.
struct Steady {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;  // NOLINT(readability-identifier-naming): the standard's name
  static time_point now() noexcept;
};

/// How long the thread that runs a context may sleep before it looks whether a timer has expired.
struct WaitTraits {
  static Steady::duration to_wait_duration(  // NOLINT(readability-identifier-naming): Asio's name
      const Steady::duration& untilFirst);
};

/// A timer of Asio's, by that clock.
using Timer = boost::asio::basic_waitable_timer<Steady, WaitTraits>;

/// Lets the thread that made it live in a time of its own, as long as it lives: the time stands still while
/// something can be done, and jumps to the next moment that somebody waits for. For a context that only this
/// thread runs. One at a time.
class Simulation {
 public:
  explicit Simulation(Steady::time_point begin);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Steady::time_point now() const { return now_; }

  /// Runs what is ready and lets time pass to the next timer, again and again, until `end`, which it is then;
  /// or until `stop`, asked whenever nothing is ready at a time, says so.
  void run(
      boost::asio::io_context& context, Steady::time_point end,
      const std::function<bool()>& stop = [] { return false; });

 private:
  friend struct WaitTraits;

  Steady::time_point now_;
  Steady::duration untilFirst_ = Steady::duration::max();  // timer, as the context was told last
};

}  // namespace rookery::clock
