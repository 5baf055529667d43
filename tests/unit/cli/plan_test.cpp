#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixtures/temp_dir.h"
#include "unit/cli/invoke.h"

namespace rookery::cli {
namespace {

TEST(Plan, ReadsStandardInputButKeepsNoPlanOfIt) {
  const fixtures::TempDir folder;
  const std::string state = (folder.path() / "state").string();
  const Invocation plan = invoke({"plan", "-f", "-", "--state-dir", state}, "kind: [\n");
  EXPECT_EQ(plan.status, 1);
  EXPECT_THAT(plan.out, testing::HasSubstr("! -:2:"));
  const std::string file = (folder.path() / "plan.json").string();
  const Invocation kept = invoke({"plan", "-f", "-", "--out", file, "--state-dir", state}, "");
  EXPECT_EQ(kept.status, 1);
  EXPECT_THAT(kept.err, testing::HasSubstr("standard input"));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Plan, StandardInputIsNeitherPrunedNorFollowed) {
  const fixtures::TempDir folder;
  const Invocation pruned =
      invoke({"apply", "-f", "-", "--prune", "--state-dir", (folder.path() / "state").string()}, "");
  EXPECT_EQ(pruned.status, 1);
  EXPECT_THAT(pruned.err, testing::HasSubstr("--prune needs manifests in files"));
  const Invocation followed = invoke({"run", "-f", "-"}, "");
  EXPECT_EQ(followed.status, 1);
  EXPECT_THAT(followed.err, testing::HasSubstr("not standard input"));
}

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
