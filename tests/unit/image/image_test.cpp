#include "image/image.h"

#include <gtest/gtest.h>

namespace rookery::image {
namespace {

TEST(Hex, GoesThereAndBack) {
  const std::string bytes("\x00\x7f\xff\x0a", 4);
  EXPECT_EQ(toHex(bytes), "007fff0a");
  EXPECT_EQ(fromHex("007fff0a"), bytes);
  EXPECT_EQ(fromHex("007FFF0A"), bytes);
}

TEST(Hex, IsEmptyForWhatIsNotHex) {
  for (const std::string_view text : {"", "0", "0g", "g0", "0x00", "00 1"})
    EXPECT_EQ(fromHex(text), "") << text;
}

}  // namespace
}  // namespace rookery::image
