#include "simulation/points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
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

/// What was found, as a failure prints it.
struct Found {
  const char* scenario;
  std::vector<std::size_t> numbers;
};
const Found foundPoints[] = {
    // What was removed at a second attempt was told to be lost, and never that this was over.
    {"Existence", {2, 7}},
    {"Existence", {2, 8}},
    {"Existence", {2, 11}},
    // What was told to be lost is taken back within the second in which it goes.
    {"Existence", {7, 8}},
};

void replay(const Found& point) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name != std::string_view(point.scenario)) continue;
    Points points(scenario);
    points.run(point.numbers);
    for (const std::string& wrong : points.wrongs()) ADD_FAILURE() << wrong;
  }
}

TEST(Point, StaysMended) {
  for (const Found& point : foundPoints) replay(point);
}

/// ROOKERY_SIMULATION_POINT=SCENARIO:NUMBER,NUMBER, as a failure prints it.
TEST(Point, Replays) {
  const std::string wanted = environment("ROOKERY_SIMULATION_POINT");
  if (wanted.empty()) GTEST_SKIP() << "ROOKERY_SIMULATION_POINT=SCENARIO:NUMBER,… says what";
  std::istringstream text(wanted);
  std::string name;
  std::getline(text, name, ':');
  std::vector<std::size_t> numbers;
  for (std::string number; std::getline(text, number, ',');) numbers.push_back(std::stoul(number));
  replay({name.c_str(), numbers});
}

}  // namespace
}  // namespace rookery::simulation
