#include "image/inspector.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <set>
#include <thread>

#include "fixtures/temp_dir.h"
#include "image/file.h"
#include "image/image.h"
#include "images/image_maker.h"

namespace rookery::image {
namespace {

namespace fs = std::filesystem;
using std::chrono::system_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The clock of somebody who looks at files long after they were written.
system_clock::time_point later() { return system_clock::now() + std::chrono::hours(1); }

std::string digestOf(Inspector& inspector, const fs::path& path) {
  const Result<Image> image = inspector.inspect(path);
  return image ? toHex(image->digest) : image.error().message;
}

/// Overwrites the file in place and puts its modification time back, as `rsync --times --inplace` does.
void overwriteKeepingTime(const fs::path& path, const std::string& bytes) {
  const fs::file_time_type modified = fs::last_write_time(path);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << bytes;
  fs::last_write_time(path, modified);
}

TEST(Inspector, TellsWhatAnImageIs) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.networks = {"service"}, .size = 300'000}));
  Inspector inspector;
  const Result<Image> image = inspector.inspect(path);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->path, path);
  EXPECT_EQ(image->size, 300'000u);
  EXPECT_THAT(image->manifest.networkDevices, ElementsAre("service"));
  EXPECT_EQ(image->digest.size(), 32u);
}

// The reference digest is sha256sum's of the same file.
TEST(Inspector, TellsTheDigestOfAnythingWhereThatIsAskedFor) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("data.img", "no image");
  Inspector inspector;
  EXPECT_EQ(inspector.inspect(path).error().reason, Reason::ImageInvalid);
  const Result<Image> content = inspector.inspect(path, nullptr, {}, Content::Any);
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(content->size, 8u);
  EXPECT_EQ(inspector.inspect(path).error().reason, Reason::ImageInvalid) << "each has its own answer";
}

TEST(Inspector, HashesTheWholeFile) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.size = 300'000, .content = "hello"}));
  Inspector inspector;
  EXPECT_EQ(digestOf(inspector, path), "bff5b96df06e2b028ccbe8b6b90529fffd28ba62e2bf93bbb0fb90985a89eeff");
}

TEST(Inspector, ReadsNoneOfAThousandUnchangedImages) {
  const fixtures::TempDir dir;
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i)
    dir.write(std::to_string(i), images::makeImage({.size = 0, .content = std::to_string(i)}));
  Inspector inspector({.now = later});
  const auto inspectAll = [&] {
    std::set<std::string> digests;
    for (int i = 0; i < count; ++i) digests.insert(digestOf(inspector, dir.path() / std::to_string(i)));
    return digests;
  };
  const std::set<std::string> digests = inspectAll();
  EXPECT_EQ(digests.size(), 1000u);
  EXPECT_EQ(inspector.filesRead(), 1000u);
  EXPECT_EQ(inspectAll(), digests);
  EXPECT_EQ(inspector.filesRead(), 1000u);
}

TEST(Inspector, ReadsAgainWhatWasReplaced) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.content = "one"}));
  Inspector inspector({.now = later});
  const std::string before = digestOf(inspector, path);
  dir.replace("web.hvt", images::makeImage({.content = "two"}));
  EXPECT_NE(digestOf(inspector, path), before);
  EXPECT_EQ(inspector.filesRead(), 2u);
}

TEST(Inspector, FollowsALinkThatIsSwapped) {
  const fixtures::TempDir dir;
  dir.write("a.hvt", images::makeImage({.content = "one"}));
  dir.write("b.hvt", images::makeImage({.content = "two"}));
  const fs::path link = dir.path() / "web.hvt";
  fs::create_symlink("a.hvt", link);
  Inspector inspector({.now = later});
  const std::string before = digestOf(inspector, link);
  fs::remove(link);
  fs::create_symlink("b.hvt", link);
  EXPECT_NE(digestOf(inspector, link), before);
}

// Same size, same inode, same modification time, and perhaps the same tick of the file system's clock.
TEST(Inspector, SeesAnEditRightAfterItLooked) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.content = "0"}));
  Inspector inspector;
  for (char content = '1'; content <= '9'; ++content) {
    const std::string before = digestOf(inspector, path);
    overwriteKeepingTime(path, images::makeImage({.content = {content}}));
    EXPECT_NE(digestOf(inspector, path), before);
  }
}

TEST(Inspector, SeesAnEditThatPutTheModificationTimeBack) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.content = "one"}));
  Inspector inspector({.now = later});
  const std::string before = digestOf(inspector, path);
  const std::optional<Stamp> stamp = stampOf(path);
  // Until the file system's clock has moved on: within one tick, an hour after the edit is not an hour after
  // it.
  do overwriteKeepingTime(path, images::makeImage({.content = "two"}));
  while (stampOf(path) == stamp);
  EXPECT_EQ(stampOf(path)->modified, stamp->modified);
  EXPECT_NE(digestOf(inspector, path), before);
}

TEST(Inspector, TakesAnyModificationTime) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({}));
  Inspector inspector({.now = later});
  for (const std::int64_t seconds : {std::int64_t{10'000'000'000}, std::int64_t{-1}}) {
    const std::array<timespec, 2> times{timespec{seconds, 0}, timespec{seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
    EXPECT_TRUE(inspector.inspect(path));
  }
}

TEST(Inspector, ForgetsWhatVanished) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({}));
  Inspector inspector({.now = later});
  ASSERT_TRUE(inspector.inspect(path));
  fs::remove(path);
  const Result<Image> image = inspector.inspect(path);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().reason, Reason::ImageNotFound);
  dir.write("web.hvt", images::makeImage({}));
  EXPECT_TRUE(inspector.inspect(path));
}

TEST(Inspector, NamesTheFileThatIsNoImage) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", "#!/bin/sh\n");
  Inspector inspector;
  const Result<Image> image = inspector.inspect(path);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().reason, Reason::ImageInvalid);
  EXPECT_THAT(image.error().message,
              HasSubstr("image " + path.string() + " is not a valid Solo5 image: it is not an"));
}

TEST(Inspector, ReadsOnceForManyWhoAskAtATime) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.size = 1 << 20}));
  Inspector inspector({.now = later});
  {
    std::array<std::jthread, 8> threads;
    for (std::jthread& thread : threads) thread = std::jthread([&] { EXPECT_TRUE(inspector.inspect(path)); });
  }
  EXPECT_EQ(inspector.filesRead(), 1u);
}

TEST(Inspector, ReadsWhatIsNoImageOnceOnly) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", "#!/bin/sh\n");
  Inspector inspector({.now = later});
  const Result<Image> first = inspector.inspect(path);
  ASSERT_FALSE(first);
  EXPECT_EQ(inspector.inspect(path), first);
  EXPECT_EQ(inspector.filesRead(), 1u);
  dir.write("web.hvt", images::makeImage({}));
  EXPECT_TRUE(inspector.inspect(path));
}

TEST(Inspector, RefusesWhatIsTooLargeWithoutReadingIt) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.size = 5'000}));
  Inspector inspector({.largest = 4'999});
  const Result<Image> image = inspector.inspect(path);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().reason, Reason::ImageTooLarge);
  EXPECT_THAT(image.error().message, HasSubstr("has 5000 bytes, and one may have 4999 at most"));
  EXPECT_EQ(inspector.filesRead(), 0u);
}

TEST(Inspector, DoesNotBelieveWhatIsBeingWritten) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.content = "old"}));
  Inspector inspector({.now = later});
  file::Settling settling;
  const Result<Image> old = inspector.inspect(path, &settling);
  ASSERT_TRUE(old) << old.error().message;
  {
    std::ofstream writer(path, std::ios::binary);
    writer << images::makeImage({.content = "new"}) << std::flush;
    const Result<Image> image = inspector.inspect(path, &settling);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().reason, Reason::BeingWritten);
  }
  const Result<Image> whole = inspector.inspect(path, &settling);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_NE(whole->digest, old->digest);
}

}  // namespace
}  // namespace rookery::image
