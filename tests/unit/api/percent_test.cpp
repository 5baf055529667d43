#include "api/percent.h"

#include <gtest/gtest.h>

namespace rookery::api {
namespace {

TEST(Percent, EncodesAllButWhatIsUnreserved) {
  EXPECT_EQ(percentEncode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percentEncode("a/b c?d#e%f&g=h+i\xc3\xa9"), "a%2Fb%20c%3Fd%23e%25f%26g%3Dh%2Bi%C3%A9");
  EXPECT_EQ(percentEncode(""), "");
}

}  // namespace
}  // namespace rookery::api
