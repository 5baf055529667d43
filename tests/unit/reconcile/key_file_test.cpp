#include "reconcile/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fixtures/temp_dir.h"

namespace rookery::reconcile {
namespace {

namespace fs = std::filesystem;

TEST(ExposureOf, WarnsOfAKeyThatEverybodyCanRead) {
  const fixtures::TempDir folder;
  const fs::path key = folder.write("admin.key", "");

  fs::permissions(key, static_cast<fs::perms>(0644));
  EXPECT_THAT(exposureOf(key),
              testing::Optional(testing::HasSubstr("(mode 0644). Run `chmod 600 " + key.string())));
  fs::permissions(key, static_cast<fs::perms>(0640));
  EXPECT_EQ(exposureOf(key), std::nullopt);
  EXPECT_EQ(exposureOf(folder.path() / "missing.key"), std::nullopt);
}

}  // namespace
}  // namespace rookery::reconcile
