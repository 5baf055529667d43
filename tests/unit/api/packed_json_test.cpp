#include "api/packed_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace rookery::api {
namespace {

using nlohmann::json;

TEST(PackedJson, IsTheSameValueAgain) {
  const json values[] = {
      nullptr,
      true,
      "",
      "a\nb \xf0\x9f\x90\xa6",
      std::numeric_limits<std::int64_t>::min(),
      std::numeric_limits<std::uint64_t>::max(),
      0.1,
      1e300,
      json::array(),
      json::object(),
      json{{"metadata", {{"name", "web"}}}, {"spec", {{"cpuIDs", {0, 1}}, {"memory", "32Mi"}}}},
      std::string(70'000, 'a'),
  };
  for (const json& value : values) {
    const PackedJson packed = value;
    EXPECT_EQ(packed.unpack(), value);
    EXPECT_EQ(packed.unpack().dump(), value.dump());
    for (const json& other : values) EXPECT_EQ(packed == PackedJson(other), value == other) << value << other;
  }
  EXPECT_EQ(PackedJson().unpack(), json());
}

TEST(PackedJson, TakesLessRoomThanText) {
  const json value{{"spec", {{"cpuIDs", {0, 1, 2, 3}}, {"restart", false}, {"memory", "32Mi"}}}};
  EXPECT_LT(PackedJson(value).size(), value.dump().size());
}

TEST(PackedJson, OfEqualNumbersIsEqual) {
  EXPECT_EQ(PackedJson(std::int64_t{5}), PackedJson(std::uint64_t{5}));
}

}  // namespace
}  // namespace rookery::api
