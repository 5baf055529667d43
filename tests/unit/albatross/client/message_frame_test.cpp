#include "albatross/client/message_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rookery::albatross {
namespace {

Wire messageWith(bool force, std::string image) {
  Config config;
  config.image = std::move(image);
  config.arguments.arguments = {{"--ipv4=10.0.0.1/24", std::string(200, 'x')}};
  const Name name{{"shop"}, "web"};
  if (force) return {{0, name}, Command(UnikernelCommand(unikernel::ForceCreate{std::move(config)}))};
  return {{0, name}, Command(UnikernelCommand(unikernel::Create{std::move(config)}))};
}

TEST(FrameAround, IsWhatAMessageWithTheImageIs) {
  for (const bool force : {false, true}) {
    for (const std::size_t size : {1U, 15U, 16U, 17U, 60U, 100U, 127U, 128U, 200U, 255U, 256U, 257U, 65'000U,
                                   65'535U, 65'536U, 1U << 20U, 1U << 24U, (1U << 24U) + 1}) {
      const std::string image(size, '\x01');
      const auto frame = frameAround(messageWith(force, ""), size);
      ASSERT_TRUE(frame) << frame.error().message;
      const std::string whole = encode(messageWith(force, image));
      EXPECT_TRUE(frame->before + image + frame->after == frameHeader(whole.size()) + whole) << size;
      EXPECT_FALSE(frame->after.empty());
    }
  }
}

TEST(FrameAround, RefusesWhatNoFrameHolds) {
  const auto frame = frameAround(messageWith(false, ""), std::uint64_t{1} << 31);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().reason, Reason::ImageTooLarge);
}

}  // namespace
}  // namespace rookery::albatross
