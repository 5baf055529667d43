#include "reconcile/image_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "images/image_maker.h"
#include "plan/image_check.h"

namespace rookery::reconcile {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

images::ImageSpec withTarget(std::uint32_t target) {
  images::ImageSpec spec;
  spec.target = target;
  return spec;
}

images::ImageSpec withDevices(std::vector<std::string> networks, std::vector<std::string> blocks) {
  images::ImageSpec spec;
  spec.networks = std::move(networks);
  spec.blocks = std::move(blocks);
  return spec;
}

class CheckImage : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(root());
    fs::create_directory(folder_.path() / "elsewhere");
  }

  fs::path root() const { return folder_.path() / "manifests"; }
  api::Origin origin() const { return {.root = root(), .file = root() / "web.yaml", .line = 1, .column = 1}; }

  /// A unikernel with the image at `path`, which is written there.
  static api::Unikernel unikernel(const fs::path& path, const images::ImageSpec& image) {
    EXPECT_TRUE(images::writeImage(image, path));
    api::Unikernel made;
    made.image.path = path;
    return made;
  }

  Result<image::Image> check(const api::Unikernel& unikernel) {
    return checkImage(unikernel, origin(), inspector_);
  }

  fixtures::TempDir folder_;
  image::Inspector inspector_;
};

TEST_F(CheckImage, AcceptsAnImageWithExactlyTheDevicesOfTheSpec) {
  api::Unikernel web = unikernel(root() / "web.hvt", withDevices({"service", "admin"}, {"storage"}));
  web.networkInterfaces = {{.name = "admin", .bridge = {}, .mac = {}},
                           {.name = "service", .bridge = {}, .mac = {}}};
  web.blockDevices = {{.name = "storage", .volumeName = {}, .sectorSize = {}}};

  const Result<image::Image> found = check(web);

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->path, root() / "web.hvt");
  web.image.sha256 = image::toHex(found->digest);
  EXPECT_TRUE(check(web));
}

TEST_F(CheckImage, AcceptsSpt) { EXPECT_TRUE(check(unikernel(root() / "web.spt", withTarget(2)))); }

TEST_F(CheckImage, RefusesAMissingImage) {
  api::Unikernel web;
  web.image.path = root() / "web.hvt";

  const Result<image::Image> found = check(web);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, Reason::ImageNotFound);
  EXPECT_THAT(found.error().message, HasSubstr(web.image.path.string()));
}

TEST_F(CheckImage, RefusesWhatIsNoImage) {
  api::Unikernel web;
  web.image.path = folder_.write("manifests/web.hvt", "#!/bin/sh\n");

  const Result<image::Image> found = check(web);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, Reason::ImageInvalid);
}

TEST_F(CheckImage, RefusesAnotherDigestThanThePin) {
  api::Unikernel web = unikernel(root() / "web.hvt", {});
  web.image.sha256 = std::string(64, 'a');

  const Result<image::Image> found = check(web);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, Reason::DigestMismatch);
  EXPECT_THAT(found.error().message, HasSubstr(*web.image.sha256));
}

TEST_F(CheckImage, RefusesATargetThatNoServerRuns) {
  const Result<image::Image> found = check(unikernel(root() / "web.virtio", withTarget(3)));

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, Reason::UnsupportedTarget);
  EXPECT_THAT(found.error().message, HasSubstr("virtio"));
}

TEST_F(CheckImage, NamesEveryDeviceThatIsTooManyOrTooFew) {
  api::Unikernel web = unikernel(root() / "web.hvt", withDevices({"service"}, {"storage"}));
  web.networkInterfaces = {{.name = "public", .bridge = {}, .mac = {}}};

  const Result<image::Image> found = check(web);

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, Reason::DeviceMismatch);
  EXPECT_THAT(found.error().message, HasSubstr("spec.networkInterfaces lacks service"));
  EXPECT_THAT(found.error().message, HasSubstr("spec.networkInterfaces has public"));
  EXPECT_THAT(found.error().message, HasSubstr("spec.blockDevices lacks storage"));
}

TEST_F(CheckImage, RefusesImagesOutsideTheRoot) {
  EXPECT_TRUE(images::writeImage({}, folder_.path() / "elsewhere/web.hvt"));
  EXPECT_TRUE(images::writeImage({}, folder_.path() / "manifests-old.hvt"));
  fs::create_symlink("../elsewhere/web.hvt", root() / "link.hvt");
  fs::create_directory_symlink("../elsewhere", root() / "images");
  const std::vector<fs::path> outside = {folder_.path() / "elsewhere/web.hvt",
                                         root() / "../manifests-old.hvt", root() / "link.hvt",
                                         root() / "images/web.hvt"};
  for (const fs::path& path : outside) {
    SCOPED_TRACE(path);
    api::Unikernel web;
    web.image.path = path;

    const Result<image::Image> found = check(web);

    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().reason, Reason::ImageOutsideRoot);
  }
}

TEST_F(CheckImage, AcceptsImagesBelowAnImageRoot) {
  fs::create_directory_symlink("elsewhere", folder_.path() / "images");
  EXPECT_TRUE(images::writeImage({}, folder_.path() / "elsewhere/web.hvt"));
  EXPECT_TRUE(images::writeImage({}, folder_.path() / "elsewhere-old.hvt"));
  const std::vector<fs::path> roots = {folder_.path() / "missing", folder_.path() / "images"};
  api::Unikernel web;
  web.image.path = folder_.path() / "images/web.hvt";

  EXPECT_TRUE(checkImage(web, origin(), inspector_, canonical(roots)));
  EXPECT_FALSE(check(web));
  web.image.path = folder_.path() / "elsewhere-old.hvt";
  const Result<image::Image> outside = checkImage(web, origin(), inspector_, canonical(roots));
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().reason, Reason::ImageOutsideRoot);
  EXPECT_THAT(outside.error().message, HasSubstr("image root " + fs::canonical(roots[1]).string()));
}

TEST_F(CheckImage, FollowsALinkedRootAndLinksThatStayInside) {
  EXPECT_TRUE(images::writeImage({}, root() / "web-1.hvt"));
  fs::create_symlink("web-1.hvt", root() / "web.hvt");
  fs::create_directory_symlink("manifests", folder_.path() / "current");
  const fs::path linked = folder_.path() / "current";
  api::Unikernel web;
  web.image.path = linked / "web.hvt";

  const Result<image::Image> found =
      checkImage(web, {.root = linked, .file = linked / "web.yaml", .line = 1, .column = 1}, inspector_);

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->path, root() / "web-1.hvt");
}

TEST_F(CheckImage, ARootThatIsAFileStandsForItsFolder) {
  const api::Unikernel web = unikernel(root() / "web.hvt", {});
  const api::Unikernel other = unikernel(folder_.path() / "elsewhere/web.hvt", {});
  const fs::path file = folder_.write("manifests/web.yaml", "");
  const api::Origin single{.root = file, .file = file, .line = 1, .column = 1};

  EXPECT_TRUE(checkImage(web, single, inspector_));
  EXPECT_FALSE(checkImage(other, single, inspector_));
}

/// What somebody learns who may only write objects, of an image at that path.
class AnybodysImage : public CheckImage {
 protected:
  std::string told(const fs::path& path, std::optional<std::string> sha256 = std::nullopt) {
    api::Unikernel web;
    web.image.path = path;
    web.image.sha256 = std::move(sha256);
    const Result<image::Image> found = checkImage(
        web, origin(), inspector_, canonical({folder_.path() / "images"}), nullptr, plan::Author::Anybody);
    if (found) return "found";
    std::string message = found.error().message;
    for (auto at = message.find(path.string()); at != std::string::npos; at = message.find(path.string()))
      message.replace(at, path.string().size(), "PATH");
    return message;
  }
};

TEST_F(AnybodysImage, HasOneAnswerForAllThatLiesOutside) {
  folder_.write("elsewhere/key.pem", "-----BEGIN PRIVATE KEY-----");
  fs::create_symlink("key.pem", folder_.path() / "elsewhere/link");
  fs::create_symlink(folder_.path() / "elsewhere/key.pem", root() / "absolute");
  fs::create_symlink("../elsewhere/key.pem", root() / "relative");
  fs::create_symlink("../elsewhere/missing", root() / "dangling");
  fs::create_directory_symlink("../elsewhere", root() / "folder");
  const std::string outside = told("/nowhere/at/all");
  EXPECT_THAT(outside, HasSubstr("does not lie in a folder that images may be in"));
  for (const fs::path& path :
       {folder_.path() / "elsewhere/key.pem", folder_.path() / "elsewhere/missing",
        folder_.path() / "elsewhere", folder_.path() / "elsewhere/link", root() / "absolute",
        root() / "relative", root() / "dangling", root() / "folder/key.pem", root() / "folder/missing",
        root() / "../elsewhere/key.pem", root() / "missing/../../elsewhere/key.pem",
        fs::path("/proc/self/root") / folder_.path().relative_path() / "elsewhere/key.pem",
        fs::path("/dev/zero")}) {
    EXPECT_EQ(told(path), outside) << path;
  }
}

TEST_F(AnybodysImage, IsToldWherePathsStartAndWhatElseCanBeDone) {
  using testing::AllOf;
  for (const fs::path& path : {root() / "missing", fs::path("/etc/passwd")}) {
    EXPECT_THAT(told(path),
                AllOf(HasSubstr("Relative paths start at " + root().string() + ", where the API"),
                      HasSubstr("--image-root"), HasSubstr("rookery deploy"), HasSubstr("by url")));
  }
  const auto content =
      locateImage(root() / "missing", origin(), {}, plan::Author::Anybody, image::Content::Any);
  EXPECT_THAT(content.error().message, AllOf(HasSubstr("Relative paths start at "), HasSubstr("by url"),
                                             Not(HasSubstr("rookery deploy"))));
  const auto inCluster = [&](const fs::path& path) {
    const auto found =
        locateImage(path, {.root = "kubernetes", .file = "kubernetes/web", .line = 0, .column = 0},
                    canonical({root()}), plan::Author::Anybody);
    return found ? "" : found.error().message;
  };
  for (const fs::path& path : {root() / "missing", fs::path("web.hvt")}) {
    EXPECT_THAT(inCluster(path), HasSubstr("into the folder of an --image-root, where relative paths start"));
  }
}

TEST_F(AnybodysImage, IsFoundWhereverLinksLeadInside) {
  fs::create_directory(folder_.path() / "store");
  fs::create_directory_symlink("store", folder_.path() / "images");
  fs::create_directories(root() / "deep/er");
  ASSERT_TRUE(images::writeImage({}, folder_.path() / "store/web.hvt"));
  ASSERT_TRUE(images::writeImage({}, root() / "web.hvt"));
  fs::create_symlink("../../web.hvt", root() / "deep/er/up");
  fs::create_symlink("er", root() / "deep/link");
  fs::create_symlink(folder_.path() / "images/web.hvt", root() / "across");
  for (const fs::path& path :
       {folder_.path() / "images/web.hvt", folder_.path() / "store/web.hvt", root() / "web.hvt",
        root() / "deep/er/up", root() / "deep/link/up", root() / "across", root() / "deep/../web.hvt"}) {
    EXPECT_EQ(told(path), "found") << path;
  }
  EXPECT_THAT(told(root() / "missing"), HasSubstr("cannot be found"));
  fs::create_symlink("loop", root() / "loop");
  EXPECT_THAT(told(root() / "loop"), HasSubstr("too many symbolic links"));
}

TEST_F(AnybodysImage, DoesNotTellTheDigestThatWasFound) {
  ASSERT_TRUE(images::writeImage({}, root() / "web.hvt"));
  const std::string digest = image::toHex(inspector_.inspect(root() / "web.hvt")->digest);
  const std::string message = told(root() / "web.hvt", std::string(64, 'a'));
  EXPECT_THAT(message, testing::AllOf(HasSubstr(std::string(64, 'a')), testing::Not(HasSubstr(digest))));
}

TEST(AuthorOf, TellsTheOperatorsManifestsFromThoseOfAnybody) {
  const auto author = [](const fs::path& root, const fs::path& file) {
    return authorOf({.root = root, .file = file, .line = 1, .column = 1}, "/srv/fleet/api");
  };
  EXPECT_EQ(author("/srv/fleet", "/srv/fleet/web.yaml"), plan::Author::Operator);
  EXPECT_EQ(author("/srv/fleet", "/srv/fleet/api-docs/web.yaml"), plan::Author::Operator);
  EXPECT_EQ(author("/srv/fleet", "/srv/fleet/api/shop/web.yaml"), plan::Author::Anybody);
  EXPECT_EQ(author("kubernetes", "kubernetes/web"), plan::Author::Anybody);
  EXPECT_EQ(author("-", "-"), plan::Author::Operator) << "standard input";
}

}  // namespace
}  // namespace rookery::reconcile
