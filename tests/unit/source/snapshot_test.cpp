#include "source/snapshot.h"

#include <gtest/gtest.h>

namespace rookery::source {
namespace {

TEST(TellsAbsence, OnlyWhereTheRootWasSeenWhole) {
  Snapshot snapshot;
  snapshot.roots = {{.path = "good", .complete = true},
                    {.path = "torn", .complete = false},
                    {.path = "locked", .complete = true, .gitLocked = true},
                    {.path = "opaque", .complete = true, .opaque = true},
                    {.path = "single.yaml", .complete = true}};
  snapshot.unreliable = {"good/broken.yaml", "single.yaml"};
  const auto tells = [&](const char* root, const char* file) {
    return snapshot.tellsAbsence({.root = root, .file = file, .line = 1, .column = 1});
  };

  EXPECT_TRUE(tells("good", "good/web.yaml"));
  EXPECT_TRUE(tells("good", "good/removed/folder/web.yaml"));
  EXPECT_FALSE(tells("good", "good/broken.yaml"));
  EXPECT_FALSE(tells("torn", "torn/web.yaml"));
  EXPECT_FALSE(tells("locked", "locked/web.yaml"));
  EXPECT_FALSE(tells("opaque", "opaque/web.yaml"));
  EXPECT_FALSE(tells("single.yaml", "single.yaml"));
  EXPECT_FALSE(tells("elsewhere", "elsewhere/web.yaml"));
  EXPECT_FALSE(tells("elsewhere", "good/web.yaml"));
}

}  // namespace
}  // namespace rookery::source
