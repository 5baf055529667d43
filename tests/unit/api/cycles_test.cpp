#include "api/cycles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace rookery::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

ObjectKey key(const std::string& name) { return {Kind::Unikernel, "shop", name}; }

WaitsFor waits(const std::map<std::string, std::string>& names) {
  WaitsFor waitsFor;
  for (const auto& [name, others] : names) {
    waitsFor[key(name)];
    for (const char other : others) waitsFor[key(name)].push_back(key(std::string(1, other)));
  }
  return waitsFor;
}

TEST(Cycles, AreNotWhereSomethingCanBeFirst) {
  EXPECT_THAT(cyclesOf({}), IsEmpty());
  EXPECT_THAT(cyclesOf(waits({{"a", "bc"}, {"b", "d"}, {"c", "d"}, {"d", "x"}})), IsEmpty());
}

TEST(Cycles, HaveAllThatAreOnThemAndNoOther) {
  EXPECT_THAT(cyclesOf(waits({{"a", "a"}})), ElementsAre(Pair(key("a"), "a → a")));
  EXPECT_THAT(cyclesOf(waits({{"a", "b"}, {"b", "ca"}, {"c", ""}, {"d", "a"}, {"e", "f"}, {"f", "e"}})),
              ElementsAre(Pair(key("a"), "a → b → a"), Pair(key("b"), "a → b → a"),
                          Pair(key("e"), "e → f → e"), Pair(key("f"), "e → f → e")));
}

TEST(Cycles, AreFoundAndShownShortHoweverLongTheyAre) {
  constexpr int length = 5'000;
  WaitsFor waitsFor;
  for (int i = 0; i < length; ++i)
    waitsFor[key("u" + std::to_string(i))].push_back(key("u" + std::to_string((i + 1) % length)));
  const auto cycles = cyclesOf(waitsFor);
  EXPECT_THAT(cycles, SizeIs(length));
  EXPECT_EQ(cycles.begin()->second, "u0 → u1 → u2 → u3 → u4 → u5 → u6 → u7 → u8 → … → u0");
}

}  // namespace
}  // namespace rookery::api
