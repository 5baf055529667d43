#include "simulation/simulation.h"

#include <gtest/gtest.h>

namespace rookery::simulation {
namespace {

/// Once edits and faults stop, the declared state is reached and stays, whatever happened before.
TEST(Simulation, EveryHistoryEndsInTheDeclaredState) {
  constexpr std::uint64_t seeds = 300;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    try {
      Simulation(seed).run();
    } catch (const Violation& violation) {
      FAIL() << "seed " << seed << ": " << violation.what();
    }
  }
}

}  // namespace
}  // namespace rookery::simulation
