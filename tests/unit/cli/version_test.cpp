#include "cli/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

TEST(Version, SaysWhatWasBuilt) {
  const serve::BuildInfo build = buildInfo();
  EXPECT_THAT(build.version, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(build.revision, MatchesRegex("[0-9a-f]{12}|unknown"));

  const Invocation text = invoke({"version"});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, StartsWith("rookery " + build.version));
  EXPECT_THAT(text.out, HasSubstr("openssl: 3."));

  const Invocation machine = invoke({"version", "-o", "json"});
  const auto document = nlohmann::json::parse(machine.out);
  EXPECT_EQ(document.at("version"), build.version);
  EXPECT_EQ(document.at("revision"), build.revision);
  EXPECT_TRUE(document.at("libraries").contains("boost"));
}

}  // namespace
}  // namespace rookery::cli
