#include "clock/clock.h"

#include <algorithm>

#include "error.h"

namespace rookery::clock {

namespace {

thread_local Simulation* simulation = nullptr;  // of this thread; null: there is none

}  // namespace

Steady::time_point Steady::now() noexcept {
  return simulation == nullptr ? std::chrono::steady_clock::now() : simulation->now();
}

/// In a simulation the context looks whenever it is run, and says here how long there would be to wait.
Steady::duration WaitTraits::to_wait_duration(const Steady::duration& untilFirst) {
  if (simulation == nullptr) return untilFirst;
  simulation->untilFirst_ = untilFirst;
  return Steady::duration::zero();
}

Simulation::Simulation(Steady::time_point begin) : now_(begin) {
  check(simulation == nullptr, "a thread has one simulation at a time");
  simulation = this;
}

Simulation::~Simulation() { simulation = nullptr; }

void Simulation::run(boost::asio::io_context& context, Steady::time_point end,
                     const std::function<bool()>& stop) {
  for (;;) {
    context.restart();
    do {
      untilFirst_ = Steady::duration::max();
    } while (context.poll() > 0);
    if (stop()) return;
    if (now_ >= end) return;
    now_ += std::clamp(untilFirst_, Steady::duration(1), end - now_);
  }
}

}  // namespace rookery::clock
