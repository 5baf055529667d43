#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

TEST(Plan, TellsMistakesInAFileWhoseNameIsNotUtf8) {
  const fixtures::TempDir folder;
  folder.write("manifests/\xff.yaml", "kind: [\n");
  const auto plan = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"plan", "-f", (folder.path() / "manifests").string(), "--state-dir",
                                          (folder.path() / "state").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return invoke(arguments);
  };
  const Invocation asJson = plan({"-o", "json", "--out", (folder.path() / "plan.json").string()});
  EXPECT_EQ(asJson.status, 1) << asJson.err;
  const auto error = nlohmann::json::parse(asJson.out).at("errors").at(0);
  EXPECT_EQ(error.at("file"), (folder.path() / "manifests").string() + "/\uFFFD.yaml");
  EXPECT_EQ(error.at("line"), 2);
  EXPECT_EQ(plan({}).status, 1);
}

TEST(Plan, WarnsOfArgumentsThatAreHardlyMeant) {
  const fixtures::TempDir folder;
  folder.write("manifests/web.yaml",
               "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web}\n"
               "spec: {image: {path: web.hvt}, arguments: [\"$(PW)\"]}\n");
  const Invocation plan = invoke({"plan", "-f", (folder.path() / "manifests").string(), "--state-dir",
                                  (folder.path() / "state").string()});
  EXPECT_THAT(plan.err,
              testing::ContainsRegex("warning: .*web.yaml:4:44: spec.arguments.0.: nothing defines "));
}

}  // namespace
}  // namespace rookery::cli
