// The verbs as a user or a CI job calls them, with the real programs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "integration/cluster.h"

namespace rookery::integration {
namespace {

using fixtures::eventually;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    cluster_.image("images/web.hvt", {.content = "one"});
    declare("--password=$(PASSWORD)");
  }

  void declare(const std::string& argument) {
    cluster_.write(
        "shop.yaml",
        policyManifest("shop", "eu-1") +
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: shop}\n"
            "stringData: {password: hunter2}\n" +
            unikernelManifest(
                "shop", "web",
                fmt::format("  image: {{path: images/web.hvt}}\n  arguments: [\"{}\"]\n  argumentsFrom:\n"
                            "    - {{name: PASSWORD, secretKeyRef: {{name: web, key: password}}}}",
                            argument)));
  }

  int verb(const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {name, "-f", cluster_.manifests().string(), "--state-dir",
                                          cluster_.stateDir().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cluster_.rookery(arguments);
  }

  Cluster cluster_;
};

TEST_F(CommandLine, PlanThenApplyThenNothing) {
  EXPECT_EQ(verb("plan", {"-o", "json"}), 2) << cluster_.err;
  const json plan = json::parse(cluster_.out);
  ASSERT_EQ(plan["changes"].size(), 2u) << cluster_.out;
  EXPECT_EQ(plan["changes"][0]["verb"], "applyPolicy");
  EXPECT_EQ(plan["changes"][1]["verb"], "create");
  EXPECT_THAT(cluster_.out, AllOf(HasSubstr("spec.cpuIDs"), HasSubstr("spec.arguments")));
  EXPECT_EQ(plan["changes"][1]["instance"], "eu-1");
  EXPECT_TRUE(plan["errors"].empty());
  EXPECT_EQ(cluster_.server().mutations(), 0u);

  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.err, HasSubstr("Unikernel shop/web: Ready"));
  EXPECT_EQ(cluster_.server().count("create", "shop:web"), 1u);
  EXPECT_EQ(verb("plan"), 0) << cluster_.out;
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().mutations(), 2u);
}

TEST_F(CommandLine, PlanShowsFieldsAndNoSecrets) {
  ASSERT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.err + cluster_.out, Not(HasSubstr("hunter2")));
  declare("--verbose");
  EXPECT_EQ(verb("plan", {"-o", "json"}), 2);
  const json plan = json::parse(cluster_.out);
  ASSERT_EQ(plan["changes"].size(), 1u);
  EXPECT_EQ(plan["changes"][0]["verb"], "restart");
  EXPECT_EQ(plan["changes"][0]["reason"], "ArgumentsDiffer");
  EXPECT_EQ(plan["changes"][0]["fields"][0]["path"], "spec.arguments");
  EXPECT_EQ(plan["changes"][0]["fields"][0]["new"], json({"--verbose"}));
  EXPECT_EQ(plan["changes"][0]["fields"][0]["old"], json({"‹redacted›"}));
  EXPECT_THAT(cluster_.out, Not(HasSubstr("hunter2")));
}

TEST_F(CommandLine, AnImageThatChangedIsAForceCreate) {
  ASSERT_EQ(verb("apply"), 0) << cluster_.err;
  cluster_.image("images/web.hvt", {.content = "two"});
  EXPECT_EQ(verb("plan"), 2);
  EXPECT_THAT(cluster_.out, HasSubstr("forceCreate Unikernel shop/web on eu-1 (ImageDiffers)"));
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("force-create", "shop:web"), 1u);
}

TEST_F(CommandLine, ApplyDestroysOnlyWithPruneAndWhenConfirmed) {
  std::string more;
  for (const char* name : {"a", "b", "c"})
    more += unikernelManifest("shop", name, "  image: {path: images/web.hvt}");
  cluster_.write("more.yaml", more);
  ASSERT_EQ(verb("apply"), 0) << cluster_.err;
  cluster_.write("shop.yaml", policyManifest("shop", "eu-1"));
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 0u);
  EXPECT_EQ(verb("apply", {"--prune"}), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy", "shop:web"), 1u) << "one is not many";
  cluster_.remove("more.yaml");
  EXPECT_EQ(verb("apply", {"--prune"}), 1) << "three of three need a confirmation";
  const auto at = cluster_.err.find("--prune --confirm-prune ");
  ASSERT_NE(at, std::string::npos) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 1u);
  const std::string id = cluster_.err.substr(at + 24, 12);
  EXPECT_EQ(verb("apply", {"--prune", "--confirm-prune", id}), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 4u);
}

TEST_F(CommandLine, PlanShowsWhatApplyWouldDoWithTheSameOptions) {
  cluster_.write("more.yaml", unikernelManifest("shop", "more", "  image: {path: images/web.hvt}"));
  ASSERT_EQ(verb("apply"), 0) << cluster_.err;
  cluster_.write("shop.yaml", policyManifest("shop", "eu-1"));

  EXPECT_EQ(verb("plan"), 0) << cluster_.out;
  EXPECT_THAT(cluster_.out, AllOf(HasSubstr("not pruned  Unikernel shop/web on eu-1: "),
                                  HasSubstr("No changes; 1 not pruned (--prune).")));
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("Ready; 1 not pruned (--prune)."));
  EXPECT_THAT(cluster_.err, HasSubstr("not pruned: on eu-1: Unikernel shop/web "));
  EXPECT_EQ(verb("plan", {"--prune"}), 2) << cluster_.out;
  EXPECT_THAT(cluster_.out, HasSubstr("- destroy     Unikernel shop/web on eu-1"));
  EXPECT_EQ(cluster_.server().count("destroy"), 0u);
  EXPECT_EQ(verb("apply", {"--prune"}), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy", "shop:web"), 1u);
  EXPECT_EQ(verb("plan", {"--prune"}), 0) << cluster_.out;
  EXPECT_THAT(cluster_.out, HasSubstr("No changes."));
}

TEST_F(CommandLine, APlanFileRemembersWhetherItPrunes) {
  const std::string file = (cluster_.folder().path() / "plan.json").string();
  const auto applyPlan = [&] {
    return cluster_.rookery({"apply", "--plan", file, "--state-dir", cluster_.stateDir().string()});
  };
  std::string more;
  for (const char* name : {"a", "b"})
    more += unikernelManifest("shop", name, "  image: {path: images/web.hvt}");
  cluster_.write("more.yaml", more);
  ASSERT_EQ(verb("apply"), 0) << cluster_.err;
  cluster_.write("shop.yaml", policyManifest("shop", "eu-1"));
  cluster_.write("more.yaml", policyManifest("other", "eu-1"));

  ASSERT_EQ(verb("plan", {"--out", file}), 2) << cluster_.out;
  EXPECT_EQ(applyPlan(), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 0u);
  ASSERT_EQ(verb("plan", {"--prune"}), 1) << "all three at once need a confirmation";
  const auto at = cluster_.out.find("--prune --confirm-prune ");
  ASSERT_NE(at, std::string::npos) << cluster_.out;
  const std::string id = cluster_.out.substr(at + 24, 12);
  ASSERT_EQ(verb("plan", {"--prune", "--confirm-prune", id, "--out", file}), 2) << cluster_.out;
  EXPECT_EQ(applyPlan(), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 3u);
}

TEST_F(CommandLine, AConfirmationNeedsThePruningThatItIsFor) {
  for (const char* name : {"plan", "apply"}) {
    EXPECT_EQ(verb(name, {"--confirm-prune", "123456789012"}), 1);
    EXPECT_THAT(cluster_.err, HasSubstr("--confirm-prune requires --prune"));
  }
}

TEST_F(CommandLine, PlanSaysWhatCouldNotBeCompared) {
  cluster_.server().kill();
  EXPECT_EQ(verb("plan"), 1);
  EXPECT_THAT(cluster_.out, AllOf(HasSubstr("AlbatrossInstance eu-1 could not be compared; 1 error."),
                                  Not(HasSubstr("No changes"))));
}

TEST_F(CommandLine, ApplyDoesExactlyThePlanOrRefuses) {
  const std::string file = (cluster_.folder().path() / "plan.json").string();
  EXPECT_EQ(cluster_.rookery({"apply", "--plan", file, "--state-dir", cluster_.stateDir().string()}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("The plan " + file + " cannot be read: No such file or directory."));
  EXPECT_EQ(verb("plan", {"--out", "/dev/full"}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("The plan cannot be written to /dev/full"));
  EXPECT_EQ(verb("plan", {"--out", file}), 2);
  cluster_.image("images/web.hvt", {.content = "changed since"});
  EXPECT_EQ(cluster_.rookery({"apply", "--plan", file, "--state-dir", cluster_.stateDir().string()}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("have changed since"));
  EXPECT_EQ(cluster_.server().mutations(), 0u);
  EXPECT_EQ(verb("plan", {"--out", file}), 2);
  EXPECT_EQ(cluster_.rookery({"apply", "--plan", file, "--state-dir", cluster_.stateDir().string()}), 0)
      << cluster_.err;
  EXPECT_EQ(cluster_.server().count("create", "shop:web"), 1u);
}

TEST_F(CommandLine, ApplyFailsWhenAnObjectCannotBecomeReady) {
  cluster_.write("bad.yaml", unikernelManifest("nowhere", "web", "  image: {path: images/web.hvt}"));
  EXPECT_EQ(verb("apply"), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("Unikernel nowhere/web is not Ready (NoPolicy)"));
  EXPECT_THAT(cluster_.err, HasSubstr("Declare a UnikernelPolicy in namespace nowhere"));
  EXPECT_EQ(cluster_.server().count("create", "shop:web"), 1u) << "the others are applied all the same";
}

TEST_F(CommandLine, ValidateTellsThePlaceOfEveryMistakeAndNeedsNoServer) {
  cluster_.server().kill();
  EXPECT_EQ(cluster_.rookery({"validate", "-f", cluster_.manifests().string()}), 0) << cluster_.err;
  cluster_.write(
      "bad.yaml",
      unikernelManifest("shop", "bad", "  image: {path: images/web.hvt}\n  memory: 32\n  colour: red"));
  EXPECT_EQ(cluster_.rookery({"validate", "-f", cluster_.manifests().string()}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("bad.yaml:7:"));
  EXPECT_THAT(cluster_.err, HasSubstr("spec.memory"));
  EXPECT_THAT(cluster_.err, HasSubstr("32Mi"));
  EXPECT_THAT(cluster_.err, HasSubstr("bad.yaml:8:"));
  EXPECT_THAT(cluster_.err, HasSubstr("spec.colour"));
}

TEST_F(CommandLine, WhatAnotherStateDirectoryOwnsIsNotAdopted) {
  ::setenv("XDG_STATE_HOME", cluster_.folder().path().c_str(), 1);
  ASSERT_EQ(cluster_.rookery({"apply", "-f", cluster_.manifests().string()}), 0) << cluster_.err;
  EXPECT_EQ(verb("plan"), 1) << "with another one";
  const std::string owner = (cluster_.folder().path() / "rookery").string();
  EXPECT_THAT(cluster_.out,
              AllOf(HasSubstr("unikernel of another Rookery on this machine"), HasSubstr(owner)));
  EXPECT_EQ(verb("apply"), 1) << cluster_.out;
  std::filesystem::remove_all(owner);
  EXPECT_EQ(verb("plan"), 2) << cluster_.out;
  EXPECT_THAT(cluster_.out, HasSubstr("no other Rookery must count it as its own"));
}

TEST_F(CommandLine, WhatARunningControllerOwnsIsNotAdoptedWhereverItsStateIs) {
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  for (const char* name : {"plan", "apply"}) {
    EXPECT_EQ(cluster_.rookery({name, "-f", cluster_.manifests().string(), "--state-dir",
                                (cluster_.folder().path() / "another").string()}),
              1);
    EXPECT_THAT(cluster_.out + cluster_.err, AllOf(HasSubstr("unikernel of another Rookery on this machine"),
                                                   HasSubstr(cluster_.stateDir().string())));
  }
}

TEST_F(CommandLine, ApplyLeavesTheWorkToAControllerThatFollowsTheSame) {
  cluster_.run();
  const std::string pid = std::to_string(cluster_.controller().pid());
  cluster_.write("more.yaml", unikernelManifest("shop", "more", "  image: {path: images/web.hvt}"));
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.err, HasSubstr("The rookery process " + pid + " follows these manifests"));
  EXPECT_EQ(cluster_.server().count("create", "shop:more"), 1u);

  cluster_.write("more.yaml", unikernelManifest("shop", "more", "  image: {path: images/none.hvt}"));
  EXPECT_EQ(verb("apply"), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("Unikernel shop/more is not Ready (ImageNotFound)"));

  const std::string other =
      cluster_.folder().write("other/shop.yaml", policyManifest("shop", "eu-1")).string();
  EXPECT_EQ(cluster_.rookery({"apply", "-f", other, "--state-dir", cluster_.stateDir().string()}), 1);
  EXPECT_THAT(cluster_.err, AllOf(HasSubstr("in use by the rookery process " + pid),
                                  HasSubstr("It follows other manifests: " + cluster_.manifests().string())));
}

TEST_F(CommandLine, ApplyBesideAControllerSaysWhatThatPrunes) {
  std::string more;
  for (const char* name : {"a", "b", "c"})
    more += unikernelManifest("shop", name, "  image: {path: images/web.hvt}");
  cluster_.write("more.yaml", more);
  cluster_.write("one.yaml", unikernelManifest("shop", "one", "  image: {path: images/web.hvt}"));
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 5; })) << cluster_.controller().err();
  cluster_.remove("one.yaml");
  EXPECT_EQ(verb("apply"), 0) << cluster_.err;
  EXPECT_THAT(cluster_.err, HasSubstr("not pruned: on eu-1: Unikernel shop/one is not declared"));
  EXPECT_THAT(cluster_.out, HasSubstr("Ready; 1 not pruned (--prune waits for that)."));
  EXPECT_EQ(verb("apply", {"--prune"}), 0) << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy", "shop:one"), 1u);

  cluster_.remove("more.yaml");
  EXPECT_EQ(verb("apply", {"--prune"}), 1) << cluster_.out;
  const auto at = cluster_.err.find("--confirm-prune ");
  ASSERT_NE(at, std::string::npos) << cluster_.err;
  EXPECT_EQ(verb("apply", {"--prune", "--confirm-prune", cluster_.err.substr(at + 16, 12)}), 0)
      << cluster_.err;
  EXPECT_EQ(cluster_.server().count("destroy"), 4u);
}

TEST_F(CommandLine, PlanChangesNothingOnTheDiskAndRunsBesideTheController) {
  EXPECT_EQ(verb("plan"), 2) << cluster_.err;
  EXPECT_FALSE(std::filesystem::exists(cluster_.stateDir()));
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  EXPECT_EQ(verb("plan"), 0) << cluster_.out << cluster_.err;
}

TEST_F(CommandLine, RunEndsWhenItsStateDirectoryIsTakenAway) {
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  std::filesystem::remove_all(cluster_.stateDir());
  EXPECT_EQ(cluster_.controller().wait(), 1);
  EXPECT_THAT(cluster_.controller().err(), HasSubstr("was removed or replaced while it was in use"));
}

TEST_F(CommandLine, GetShowsWhatTheControllerKnows) {
  cluster_.run();
  ASSERT_TRUE(eventually([&] { return cluster_.ready() == 1; })) << cluster_.controller().err();
  const std::string server = fmt::format("http://127.0.0.1:{}", cluster_.port());
  EXPECT_EQ(cluster_.rookery({"get", "uk", "-A", "--server", server}), 0) << cluster_.err;
  EXPECT_THAT(cluster_.out, HasSubstr("NAMESPACE"));
  EXPECT_THAT(cluster_.out, HasSubstr("shop"));
  EXPECT_THAT(cluster_.out, HasSubstr("True"));
  EXPECT_EQ(cluster_.rookery({"get", "unikernel", "web", "-n", "shop", "-o", "json", "--server", server}), 0)
      << cluster_.err;
  const json object = json::parse(cluster_.out);
  EXPECT_EQ(object["kind"], "Unikernel");
  EXPECT_EQ(object["status"]["instance"], "eu-1");
  EXPECT_THAT(cluster_.out, Not(HasSubstr("hunter2")));
  EXPECT_EQ(cluster_.rookery({"get", "uk", "nobody", "-n", "shop", "--server", server}), 1);
  EXPECT_THAT(cluster_.err, HasSubstr("NotFound"));
}

}  // namespace
}  // namespace rookery::integration
