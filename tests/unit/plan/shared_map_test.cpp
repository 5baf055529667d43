#include "plan/shared_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace rookery::plan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Numbers = SharedMap<int, std::string>;

/// Which keys differ, with what is there before and after.
std::map<int, std::string> differences(const Numbers& left, const Numbers& right) {
  std::map<int, std::string> differing;
  Numbers::compare(left, right, [&](const Numbers::Item* was, const Numbers::Item* is) {
    differing[was == nullptr ? is->first : was->first] =
        (was == nullptr ? "" : was->second) + ">" + (is == nullptr ? "" : is->second);
  });
  return differing;
}

TEST(SharedMap, IsAMap) {
  std::mt19937 random(1);
  Numbers numbers;
  std::map<int, std::string> expected;
  for (int i = 0; i < 1'000; ++i) {
    const int key = static_cast<int>(random() % 50);
    if (random() % 3 == 0) {
      numbers.erase(key);
      expected.erase(key);
    } else {
      numbers.set(key, std::to_string(i));
      expected[key] = std::to_string(i);
    }
    ASSERT_EQ(numbers.size(), expected.size());
    ASSERT_TRUE(std::equal(numbers.begin(), numbers.end(), expected.begin(), expected.end()));
    const int other = static_cast<int>(random() % 50);
    ASSERT_EQ(numbers.contains(other), expected.contains(other));
    ASSERT_EQ(numbers.find(other) == numbers.end(), expected.find(other) == expected.end());
  }
  EXPECT_EQ(numbers.at(numbers.begin()->first), numbers.begin()->second);
}

TEST(SharedMap, ChangesInItsCopiesAlone) {
  Numbers numbers;
  numbers.set(2, "two");
  numbers.set(1, "one");
  Numbers copy = numbers;
  EXPECT_EQ(&copy.at(1), &numbers.at(1)) << "they share their items";

  copy.set(1, "uno");
  copy.erase(2);

  EXPECT_EQ(numbers.at(1), "one");
  EXPECT_EQ(numbers.size(), 2u);
  EXPECT_EQ(copy.at(1), "uno");
}

TEST(SharedMap, EqualsWhatHoldsTheSame) {
  Numbers one, other;
  one.set(1, "one");
  other.set(1, "one");
  EXPECT_EQ(one, other) << "the items are others, and say the same";
  other.set(1, "uno");
  EXPECT_NE(one, other);
  other = one;
  other.set(2, "two");
  EXPECT_NE(one, other);
}

TEST(SharedMap, TellsWhatDiffers) {
  Numbers before;
  for (const int key : {1, 2, 3, 5}) before.set(key, "a");
  EXPECT_THAT(differences(before, before), IsEmpty());
  Numbers after = before;
  after.set(2, "b");
  after.erase(3);
  after.set(4, "c");
  after.set(6, "d");
  EXPECT_THAT(differences(before, after),
              ElementsAre(std::pair(2, "a>b"), std::pair(3, "a>"), std::pair(4, ">c"), std::pair(6, ">d")));
  EXPECT_THAT(differences(Numbers(), before).size(), 4);
  EXPECT_THAT(differences(before, Numbers()).size(), 4);
}

}  // namespace
}  // namespace rookery::plan
