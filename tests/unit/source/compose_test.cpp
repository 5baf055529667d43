#include "source/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/outdated.h"

namespace rookery::source {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const api::ObjectKey shopWeb{api::Kind::Unikernel, "shop", "web"};
const SystemTime noon{std::chrono::hours(24)};

Obstacle obstacle(const std::string& path, SystemTime changed) {
  return {.silence = {.path = path, .cause = path + " hides it."}, .changed = changed};
}

/// Who is in the way; empty: nobody.
std::string cause(const Snapshot& snapshot, const std::string& root, const std::string& file,
                  SystemTime seen = noon, const api::ObjectKey& object = shopWeb) {
  const auto silence = snapshot.silenceAbout(object, {.root = root, .file = file}, seen);
  return silence ? silence->cause : "";
}

TEST(SilenceAbout, AllOfARootThatWasNotSeenWhole) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "good", .complete = true},
                    {.path = "torn", .complete = false},
                    {.path = "locked", .complete = true, .gitLocked = true},
                    {.path = "single.yaml", .complete = true, .single = true},
                    {.path = "cluster", .complete = true, .deletesByName = true}};
  snapshot.roots[2].hidden = api::Silence{.cause = "Locked."};
  snapshot.silent["good/broken.yaml"] = {.cause = "Broken."};
  EXPECT_EQ(cause(snapshot, "good", "good/web.yaml"), "");
  EXPECT_EQ(cause(snapshot, "good", "good/removed/folder/web.yaml"), "");
  EXPECT_EQ(cause(snapshot, "good", "good/broken.yaml"), "Broken.");
  EXPECT_THAT(cause(snapshot, "torn", "torn/web.yaml"), HasSubstr("torn"));
  EXPECT_EQ(cause(snapshot, "locked", "locked/web.yaml"), "Locked.");
  EXPECT_EQ(cause(snapshot, "single.yaml", "single.yaml"), "");
  EXPECT_THAT(cause(snapshot, "single.yaml", "single.yaml/web.yaml"), HasSubstr("is a file now"));
  EXPECT_THAT(cause(snapshot, "good", "good"), HasSubstr("is a folder now"));
  EXPECT_EQ(cause(snapshot, "cluster", "cluster"), "");
  EXPECT_THAT(cause(snapshot, "elsewhere", "elsewhere/web.yaml"), HasSubstr("elsewhere"));
}

TEST(SilenceAbout, WhatCanHaveMovedToWhereNobodyCanLook) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "root", .complete = true}};
  snapshot.roots[0].obstacles = {obstacle("root/secret", noon - 1h)};
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml"), "") << "it was seen elsewhere after that";
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", noon - 2h), "root/secret hides it.");
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", {}), "root/secret hides it.") << "nobody knows when";
  EXPECT_EQ(cause(snapshot, "root", "root/secret/web.yaml"), "root/secret hides it.") << "it was there";

  snapshot.roots[0].obstacles[0].unseen = false;
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml", {}), "");
  EXPECT_EQ(cause(snapshot, "root", "root/secret/web.yaml"), "root/secret hides it.");
}

TEST(SilenceAbout, SecretsWhereNothingElseCanBe) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "root", .complete = true}};
  snapshot.roots[0].obstacles = {obstacle("root/template.yaml", noon)};
  snapshot.roots[0].obstacles[0].secretsOnly = true;
  EXPECT_EQ(cause(snapshot, "root", "root/web.yaml"), "");
  EXPECT_NE(cause(snapshot, "root", "root/web.yaml", noon, {api::Kind::Secret, "shop", "db"}), "");
}

TEST(SilenceAbout, WhatIsIgnored) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "/root", .complete = true}};
  snapshot.ignored = {{"/root/team", "/root/.rookeryignore:3"}};
  EXPECT_EQ(cause(snapshot, "/root", "/root/team/below/web.yaml"),
            "/root/team is ignored by /root/.rookeryignore:3. Remove it, or the rule.");
  EXPECT_EQ(cause(snapshot, "/root", "/root/teams/web.yaml"), "");
}

}  // namespace
}  // namespace rookery::source
