#include "kubernetes/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace rookery::kubernetes {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

/// What all members do at the same time; whoever takes what another takes, too, loses the race.
void step(Shards& shards) {
  std::map<std::string, ShardMoves> moves;
  for (const std::string& member : shards.members) moves[member] = balance(shards, member);
  for (const auto& [member, own] : moves) {
    for (const std::string& instance : own.release) shards.holders[instance] = "";
    for (const std::string& instance : own.acquire) {
      if (!shards.members.contains(shards.holders[instance])) shards.holders[instance] = member;
    }
  }
}

std::map<std::string, std::size_t> counts(const Shards& shards) {
  std::map<std::string, std::size_t> held;
  for (const std::string& member : shards.members) held[member] = 0;
  for (const auto& [instance, holder] : shards.holders) ++held[holder];
  return held;
}

void settle(Shards& shards) {
  for (int i = 0; i < 50; ++i) step(shards);
}

void expectEven(const Shards& shards) {
  const auto held = counts(shards);
  ASSERT_THAT(held, SizeIs(shards.members.size())) << "nobody who is dead holds one";
  const auto [least, most] =
      std::ranges::minmax_element(held, {}, [](const auto& item) { return item.second; });
  EXPECT_LE(most->second - least->second, 1u);
}

Shards make(std::size_t members, std::size_t instances) {
  Shards shards;
  for (std::size_t i = 0; i < members; ++i) shards.members.insert("member-" + std::to_string(i));
  for (std::size_t i = 0; i < instances; ++i) shards.holders["eu-" + std::to_string(i)];
  return shards;
}

TEST(Shards, AreEvenHoweverTheyBegin) {
  std::minstd_rand random(7);
  for (const std::size_t members : {1u, 2u, 3u, 5u}) {
    for (const std::size_t instances : {0u, 1u, 2u, 4u, 5u, 17u}) {
      Shards shards = make(members, instances);
      for (auto& [instance, holder] : shards.holders) {
        if (random() % 3 != 0) holder = "member-" + std::to_string(random() % (members + 1));  // one is dead
      }
      settle(shards);
      if (instances > 0) expectEven(shards);
    }
  }
}

TEST(Shards, StayWhereTheyAreWhenTheyAreEven) {
  Shards shards = make(3, 7);
  settle(shards);
  for (const std::string& member : shards.members) {
    const ShardMoves moves = balance(shards, member);
    EXPECT_THAT(moves.acquire, IsEmpty());
    EXPECT_THAT(moves.release, IsEmpty());
  }
}

TEST(Shards, OfOneThatDiesGoToTheOthersAndNoneElseMoves) {
  Shards shards = make(3, 9);
  settle(shards);
  const auto before = shards.holders;
  shards.members.erase("member-1");
  settle(shards);
  expectEven(shards);
  for (const auto& [instance, holder] : before) {
    if (holder == "member-1") continue;
    EXPECT_EQ(shards.holders[instance], holder);
  }
}

TEST(Shards, MakeRoomForOneThatComes) {
  Shards shards = make(2, 8);
  settle(shards);
  shards.members.insert("member-2");
  settle(shards);
  expectEven(shards);
}

TEST(Shards, AreNothingToSomebodyWhoDoesNotLive) {
  const Shards shards = make(1, 3);
  EXPECT_THAT(balance(shards, "stranger").acquire, IsEmpty());
}

}  // namespace
}  // namespace rookery::kubernetes
