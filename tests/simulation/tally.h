#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <string>

namespace rookery::simulation {

/// What simulated worlds have been through.
struct Tally {
  std::size_t worlds = 0;
  /// Of something that happened or went wrong where it had not before, with all that must hold seen to hold
  /// after it.
  std::size_t cases = 0;
  std::size_t commands = 0;  // that changed something on a server
  std::size_t violations = 0;
  std::chrono::nanoseconds time{0};  // simulated

  Tally& operator+=(const Tally& other) {
    worlds += other.worlds;
    cases += other.cases;
    commands += other.commands;
    violations += other.violations;
    time += other.time;
    return *this;
  }
  /// One line, which `run` adds up.
  std::string toString() const {
    return fmt::format("simulated: {} worlds, {} cases, {:.1f} hours, {} commands, {} violations", worlds,
                       cases, std::chrono::duration<double, std::ratio<3'600>>(time).count(), commands,
                       violations);
  }
};

}  // namespace rookery::simulation
