#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "api/manifest.h"
#include "fixtures/temp_dir.h"
#include "problems.h"
#include "yaml/yaml.h"

namespace rookery::api {
namespace {

using testing::ElementsAre;

class ReadManifest : public testing::Test {
 protected:
  /// Reads a file that holds nothing that can be known, and returns the one problem.
  Problem problemOf(const std::filesystem::path& file) const {
    const Manifest manifest = readManifest(folder_.path(), file);
    EXPECT_FALSE(manifest.parsed);
    EXPECT_TRUE(manifest.objects.empty());
    EXPECT_EQ(manifest.problems.size(), 1u);
    return manifest.problems.empty() ? Problem{} : manifest.problems.front();
  }

  fixtures::TempDir folder_;
};

TEST_F(ReadManifest, ReadsAFile) {
  const auto file = folder_.write("shop/web.yaml", unikernel("  memory: 64Mi\n"));
  const Manifest manifest = readManifest(folder_.path(), file);
  EXPECT_TRUE(manifest.parsed);
  EXPECT_THAT(describe(manifest.problems), ElementsAre());
  ASSERT_EQ(manifest.objects.size(), 1u);
  const Object& object = *manifest.objects[0];
  EXPECT_EQ(object.origin, (Origin{.root = folder_.path(), .file = file, .line = 1, .column = 1}));
  EXPECT_EQ(object.as<Unikernel>().image.path, folder_.path() / "shop/web.hvt");
}

TEST_F(ReadManifest, AHugeFileIsRefusedUnread) {
  const auto file = folder_.write("huge.yaml", "");
  std::filesystem::resize_file(file, std::uintmax_t{2} << 30);
  const Problem problem = problemOf(file);
  EXPECT_EQ(problem.toString(),
            file.string() + ": the file has 2147483648 bytes; a manifest has at most 4194304; split it");
  EXPECT_EQ(problem.reason, Reason::InvalidManifest);
}

TEST_F(ReadManifest, TheLimitItselfIsRead) {
  const auto file = folder_.write("full.yaml", "#" + std::string(yaml::maxBytes - 1, ' '));
  EXPECT_TRUE(readManifest(folder_.path(), file).parsed);
}

TEST_F(ReadManifest, WhatCannotBeReadIsSourceUnreadable) {
  const auto folder = folder_.path() / "folder.yaml";
  std::filesystem::create_directory(folder);
  EXPECT_EQ(problemOf(folder).message, "this is not a regular file");

  const auto fifo = folder_.path() / "fifo.yaml";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(problemOf(fifo).message, "this is not a regular file");

  const Problem missing = problemOf(folder_.path() / "missing.yaml");
  EXPECT_EQ(missing.message, "the file cannot be opened: No such file or directory");
  EXPECT_EQ(missing.reason, Reason::SourceUnreadable);
  EXPECT_EQ(missing.origin.line, 0u);
}

}  // namespace
}  // namespace rookery::api
