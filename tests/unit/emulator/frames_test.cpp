#include "emulator/frames.h"

#include <gtest/gtest.h>

#include "albatross/wire.h"

namespace rookery::emulator {
namespace {

std::string frame(const std::string& content) { return albatross::frameHeader(content.size()) + content; }

class Pieces : public testing::TestWithParam<std::size_t> {};

TEST_P(Pieces, OfAnySizeGiveTheSameContent) {
  const std::string stream = frame("one") + frame(std::string(300, 'x')) + frame("three") + frame("");
  FrameCollector frames;
  for (std::size_t i = 0; i < stream.size(); i += GetParam()) {
    const bool ended = frames.feed(stream.substr(i, GetParam()));
    EXPECT_EQ(i + GetParam() >= stream.size(), ended);
  }
  EXPECT_EQ("one" + std::string(300, 'x') + "three", frames.content());
}

INSTANTIATE_TEST_SUITE_P(Sizes, Pieces, testing::Values(1, 2, 3, 5, 64, 10'000));

TEST(FrameCollector, EndsAtALengthThatIsNotPositive) {
  FrameCollector frames;
  EXPECT_TRUE(frames.feed(frame("a") + "\xff\xff\xff\xff" + frame("ignored")));
  EXPECT_TRUE(frames.feed(frame("ignored too")));
  EXPECT_EQ("a", frames.takeContent());
}

TEST(FrameCollector, TakesNoMemoryForWhatIsOnlyAnnounced) {
  FrameCollector frames;
  EXPECT_FALSE(
      frames.feed("\x7f\xff\xff\xff"
                  "few"));
  EXPECT_EQ("few", frames.content());
  EXPECT_LT(frames.content().capacity(), 1024U);
}

}  // namespace
}  // namespace rookery::emulator
