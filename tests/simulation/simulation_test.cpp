#include "simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace rookery::simulation {
namespace {

/// ROOKERY_SIMULATION_SEEDS, for a longer search than a test can afford.
std::uint64_t seeds() {
  constexpr std::uint64_t usual = 40;
  const char* wanted = std::getenv("ROOKERY_SIMULATION_SEEDS");
  return wanted == nullptr ? usual : std::stoull(wanted);
}

/// Once edits and faults stop, the declared state is reached and stays, whatever happened before.
TEST(Simulation, EveryHistoryEndsInTheDeclaredState) {
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    try {
      Simulation(seed).run();
    } catch (const Violation& violation) {
      FAIL() << "seed " << seed << ": " << violation.what();
    }
  }
}

}  // namespace
}  // namespace rookery::simulation
