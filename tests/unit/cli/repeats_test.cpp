#include "cli/repeats.h"

#include <gmock/gmock.h>

#include <vector>

namespace rookery::cli {
namespace {

using testing::ElementsAre;

const Repeats::Clock::time_point start{};

TEST(Repeats, AreSaidAtAGrowingDistance) {
  Repeats repeats;
  std::vector<std::uint64_t> said;
  for (int i = 0; i < 1'000; ++i) {
    if (const auto times = repeats.occurred("a", start)) said.push_back(*times);
  }
  EXPECT_THAT(said, ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512));
  EXPECT_EQ(repeats.occurred("b", start), 1);
  repeats.forget("a");
  EXPECT_EQ(repeats.occurred("a", start), 1);
}

TEST(Repeats, AreNewAfterAnHourOfSilence) {
  Repeats repeats;
  auto at = start;
  for (int i = 0; i < 3; ++i) repeats.occurred("a", at += Repeats::lifetime);
  EXPECT_EQ(repeats.occurred("a", at += Repeats::lifetime), 4) << "it was never silent for longer than that";
  EXPECT_EQ(repeats.occurred("a", at + Repeats::lifetime + std::chrono::seconds(1)), 1);
}

TEST(Repeats, RememberTheLatestOnly) {
  Repeats repeats;
  for (std::size_t i = 0; i < Repeats::most; ++i)
    repeats.occurred("other " + std::to_string(i), start + std::chrono::seconds(i));
  repeats.occurred("other 0", start + std::chrono::minutes(50));
  repeats.occurred("one more", start + std::chrono::minutes(50));
  EXPECT_EQ(repeats.occurred("other 0", start + std::chrono::minutes(50)), std::nullopt) << "the third time";
  EXPECT_EQ(repeats.occurred("other 2", start + std::chrono::minutes(50)), 2);
  EXPECT_EQ(repeats.occurred("other 1", start + std::chrono::minutes(50)), 1) << "it was let go";
}

}  // namespace
}  // namespace rookery::cli
