#include "serve/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace rookery::serve {
namespace {

TEST(Admission, SoManyAreInAtTheSameTime) {
  Admission admission(2, 2);
  auto first = admission.enter("a");
  const auto second = admission.enter("a");
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(admission.enter("b"));
  first.reset();
  EXPECT_TRUE(admission.enter("b"));
}

TEST(Admission, OneCallerHasAShare) {
  Admission admission(4, 2);
  std::vector<Admission::Pass> passes;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(passes.emplace_back(admission.enter("a")));
  EXPECT_FALSE(admission.enter("a"));
  EXPECT_TRUE(passes.emplace_back(admission.enter("b")));
  passes.erase(passes.begin());
  EXPECT_TRUE(admission.enter("a"));
}

TEST(Admission, AShareIsAtLeastOne) {
  Admission admission(1, 0);
  EXPECT_TRUE(admission.enter("a"));
}

}  // namespace
}  // namespace rookery::serve
