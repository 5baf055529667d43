#include "images/image_maker.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fixtures/temp_dir.h"
#include "image/solo5.h"

namespace rookery::images {
namespace {

TEST(ImageMaker, WritesWhatItMakes) {
  const fixtures::TempDir dir;
  const ImageSpec spec{.networks = {"service"}, .blocks = {"data"}, .size = 100'000, .content = "hello"};
  ASSERT_TRUE(writeImage(spec, dir.path() / "a.hvt"));
  EXPECT_EQ(fixtures::readFile(dir.path() / "a.hvt"), makeImage(spec));
  EXPECT_EQ(makeImage(spec).size(), 100'000u);
}

TEST(ImageMaker, MakesOtherBytesForOtherContent) {
  EXPECT_EQ(makeImage({.content = "one"}), makeImage({.content = "one"}));
  EXPECT_NE(makeImage({.content = "one"}), makeImage({.content = "two"}));
}

TEST(ImageMaker, GrowsToWhatTheContentNeeds) {
  const std::string image =
      makeImage({.networks = {"service"}, .size = 1, .content = std::string(5000, 'x')});
  EXPECT_GT(image.size(), 5000u);
  EXPECT_TRUE(image::parseImage(image));
}

TEST(ImageMaker, LeavesAHoleForPadding) {
  const fixtures::TempDir dir;
  const auto path = dir.path() / "large.hvt";
  ASSERT_TRUE(writeImage({.size = 512u << 20}, path));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 512 << 20);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
}

TEST(ImageMaker, SaysWhereItCannotWrite) {
  const fixtures::TempDir dir;
  const Result<void> written = writeImage({}, dir.path() / "missing" / "a.hvt");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("missing/a.hvt cannot be written: No such file"), std::string::npos)
      << written.error().message;
}

}  // namespace
}  // namespace rookery::images
