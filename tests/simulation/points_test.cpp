#include "simulation/points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "simulation/settings.h"

namespace rookery::simulation {
namespace {

class EveryPoint : public testing::TestWithParam<Scenario> {};

/// ROOKERY_SIMULATION_DEPTH=1: everything goes wrong once; 2, or 3: two things do at a time (Points::Depth).
TEST_P(EveryPoint, EndsAsIfNothingHadGoneWrong) {
  Points points(GetParam());
  points.run(static_cast<Points::Depth>(std::stoi(environment("ROOKERY_SIMULATION_DEPTH", "0"))));
  EXPECT_GT(points.tally().cases, 0u);
  for (const std::string& wrong : points.wrongs()) ADD_FAILURE() << wrong;
  report(points.tally());
}

INSTANTIATE_TEST_SUITE_P(Points, EveryPoint, testing::ValuesIn(scenarios()),
                         [](const auto& scenario) { return scenario.param.name; });

/// ROOKERY_SIMULATION_POINT=SCENARIO:NUMBER,NUMBER, as a failure prints it.
TEST(Point, Replays) {
  const std::string wanted = environment("ROOKERY_SIMULATION_POINT");
  if (wanted.empty()) GTEST_SKIP() << "ROOKERY_SIMULATION_POINT=SCENARIO:NUMBER,… says what";
  std::istringstream text(wanted);
  std::string name;
  std::getline(text, name, ':');
  std::vector<std::size_t> numbers;
  for (std::string number; std::getline(text, number, ',');) numbers.push_back(std::stoul(number));
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name != name) continue;
    Points points(scenario);
    points.run(numbers);
    for (const std::string& wrong : points.wrongs()) ADD_FAILURE() << wrong;
  }
}

}  // namespace
}  // namespace rookery::simulation
