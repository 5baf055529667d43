#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "albatross/wire.h"

namespace rookery::albatross {
namespace {

using ::testing::HasSubstr;

TEST(Mac, IsWrittenInLowerCase) {
  EXPECT_EQ(toString(Mac{0x02, 0x00, 0xab, 0xCD, 0x0e, 0xff}), "02:00:ab:cd:0e:ff");
}

TEST(Mac, IsParsedInAnyCase) {
  EXPECT_EQ(parseMac("02:00:aB:CD:0e:ff"), (Mac{0x02, 0x00, 0xab, 0xcd, 0x0e, 0xff}));
}

TEST(Mac, RefusesWhatIsNone) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:01:", "02:00:00:00:00:01:02",
                           "02-00-00-00-00-01", "2:00:00:00:00:001", "02:00:00:00:00:0g", "02:00:00:00:00: 1",
                           "+2:00:00:00:00:01", "-2:00:00:00:00:01", "0x:00:00:00:00:01", "020000000001"}) {
    const auto mac = parseMac(text);
    ASSERT_FALSE(mac) << text;
    EXPECT_EQ(mac.error().reason, Reason::InvalidManifest);
    EXPECT_THAT(mac.error().message, HasSubstr(std::string("\"") + text + "\" is not a MAC address"));
  }
}

// As a server derived it.
TEST(Mac, IsDerivedFromInterfaceAndName) {
  EXPECT_EQ(toString(derivedMac("service", {.path = {"tenant"}, .label = "netty"})), "00:80:41:a3:f6:fc");
}

TEST(Mac, IsDerivedFromTheNameOnTheWire) {
  EXPECT_NE(derivedMac("service", {.path = {}, .label = "netty"}),
            derivedMac("service", {.path = {"netty"}, .label = {}}));
}

}  // namespace
}  // namespace rookery::albatross
