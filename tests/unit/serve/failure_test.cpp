#include "serve/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace rookery::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

TEST(Failure, TellsNoMoreOfWhatWasSentThanHelps) {
  std::string turned;
  for (int i = 0; i < 100'000; ++i) turned += "\u202e";
  const FailureDetails details{.name = turned,
                               .group = {},
                               .kind = "unikernels",
                               .causes = std::vector<FailureCause>(
                                   100, {.reason = "FieldValueInvalid", .message = turned, .field = turned})};

  const http::Response response = failure(422, turned, details);

  EXPECT_LE(response.body.size(), 256u << 10);
  EXPECT_THAT(response.body, Not(HasSubstr("\u202e")));
  const auto status = nlohmann::json::parse(response.body);
  EXPECT_THAT(status.at("details").at("causes"), SizeIs(32));
  EXPECT_THAT(status.at("message").get<std::string>(), HasSubstr("\\u202e"));
}

TEST(Failure, LeavesItsLinesAsTheyAre) {
  const auto status = nlohmann::json::parse(failure(400, "two\nlines, \"quoted\"").body);
  EXPECT_EQ(status.at("message"), "two\nlines, \"quoted\"");
}

}  // namespace
}  // namespace rookery::serve
