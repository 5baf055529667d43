#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "error.h"
#include "probe/target.h"

namespace rookery::probe {

/// Asks targets whether they are well: each time over a connection of its own, to what its name means then,
/// and past every proxy, so that what is seen is what is there now. Reads no more of an answer than it takes
/// to know. All of it happens on one thread, which begins with the first probe, however many are under way.
/// Thread-safe.
class Prober {
 public:
  struct Options {
    /// Probes at a time, each with a descriptor or two. More wait for their turn.
    std::size_t parallel = 512;
  };
  /// On the prober's thread; must not block. Error: Unhealthy, with what was seen, as a sentence that is the
  /// same where the same was seen.
  using Done = std::function<void(Result<void>)>;

  Prober() : Prober(Options()) {}
  explicit Prober(Options options);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  /// One that has not ended after `patience` fails. Never calls `done` before this returns, and not at all
  /// once stop() was called.
  void probe(Target target, std::chrono::milliseconds patience, Done done);
  /// Gives up everything and waits for the thread's end; nothing is probed any more.
  void stop();

 private:
  struct State;
  class Worker;

  std::unique_ptr<State> state_;
};

}  // namespace rookery::probe
