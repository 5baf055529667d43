#include "api/conditions.h"

#include <gtest/gtest.h>

#include <chrono>

namespace rookery::api {
namespace {

TEST(Conditions, ThatStandAsTheyStoodKeepTheirTime) {
  const SystemTime old{std::chrono::hours(1)}, now{std::chrono::hours(2)};
  Status before;
  before.conditions = {{Condition::Type::Ready, Condition::Status::False, Reason::NoPolicy, "None.", old}};
  auto conditions = stalledConditions({Reason::ImageNotFound, "It is not there."}, now);
  keepTransitions(before, conditions);
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[0].lastTransitionTime, old) << "False before, for another reason";
  EXPECT_EQ(conditions[0].reason, Reason::ImageNotFound);
  EXPECT_EQ(conditions[1].type, Condition::Type::Stalled);
  EXPECT_EQ(conditions[1].lastTransitionTime, now) << "new";
}

}  // namespace
}  // namespace rookery::api
