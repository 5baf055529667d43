#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "simulation/disturbance.h"
#include "simulation/tally.h"
#include "simulation/world.h"

namespace rookery::simulation {

/// A change of a small fleet, and the one that takes it back.
struct Scenario {
  const char* name;
  void (*begin)(Fleet& fleet);  // as it is before
  void (*forth)(Fleet& fleet);
  void (*back)(Fleet& fleet);
  std::optional<Happening> after = {};  // both, which leaves nothing behind
  friend std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
    return out << scenario.name;
  }
};

/// All of them.
const std::vector<Scenario>& scenarios();

/// Everything that can go wrong once: by its number, which says what, and at which moment.
Disturbance disturbanceOf(std::size_t number);

/// Makes a change again and again, in one world, while something else goes wrong each time: dies at each
/// moment at which a server or a disk is touched, fails each call in each way. Each time it has to end as it
/// does when nothing goes wrong.
class Points {
 public:
  explicit Points(const Scenario& scenario) : scenario_(scenario) {}

  /// What goes wrong at a time: one thing, or one in 31 of those that can; or also two calls, one soon
  /// after the other, where the change takes few steps; or any two things. What is found wrong is in
  /// wrongs().
  enum class Depth { Sample, One, TwoCalls, Two };
  void run(Depth depth);
  /// Only that, in a world of its own.
  void run(const std::vector<std::size_t>& numbers);

  const Tally& tally() const { return tally_; }
  const std::vector<std::string>& wrongs() const { return wrongs_; }
  /// Of one scenario.
  static constexpr std::size_t mostWrongs = 3;

 private:
  /// How the change forth went, and the one back.
  using Both = std::array<World::Settled, 2>;
  Both change(const std::vector<std::size_t>& numbers);
  World::Settled change(bool forth, const std::vector<std::size_t>& numbers);
  void goOn(std::size_t first, const Both& after, Depth depth);
  World& world();
  void end();

  const Scenario& scenario_;
  std::unique_ptr<World> world_;
  std::array<std::string, 2> fixpoints_;
  Both calm_;  // when nothing goes wrong
  Tally tally_;
  std::vector<std::string> wrongs_;
};

}  // namespace rookery::simulation
