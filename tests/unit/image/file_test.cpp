#include "image/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>

#include "fixtures/temp_dir.h"

namespace rookery::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Unusable {
  std::string name;
  void (*make)(const fs::path& path);
  Reason reason;
  std::string message;
};

class UnusableFile : public ::testing::TestWithParam<Unusable> {};

TEST_P(UnusableFile, IsRefusedAndNamed) {
  const fixtures::TempDir dir;
  const fs::path path = dir.path() / "web.hvt";
  GetParam().make(path);
  const Result<File> file = File::open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().reason, GetParam().reason);
  EXPECT_EQ(file.error().message, "image " + path.string() + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, UnusableFile,
    ::testing::Values(
        Unusable{"Missing", [](const fs::path&) {}, Reason::ImageNotFound, " does not exist"},
        Unusable{"DanglingLink", [](const fs::path& path) { fs::create_symlink("nowhere", path); },
                 Reason::ImageNotFound, " does not exist"},
        Unusable{"LinkLoop", [](const fs::path& path) { fs::create_symlink(path, path); },
                 Reason::ImageUnreadable, " cannot be opened: Too many levels of symbolic links"},
        Unusable{"Directory", [](const fs::path& path) { fs::create_directory(path); }, Reason::ImageInvalid,
                 " is a directory, not a regular file"},
        Unusable{"Fifo", [](const fs::path& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
                 Reason::ImageInvalid, " is a FIFO or a device, not a regular file"}),
    [](const auto& test) { return test.param.name; });

TEST(File, ReadsAtAnyOffset) {
  const fixtures::TempDir dir;
  const Result<File> file = File::open(dir.write("a", "0123456789"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 10u);
  EXPECT_EQ(file->read(3, 4), "3456");
  EXPECT_EQ(file->read(10, 0), "");
}

TEST(File, NoticesThatItGrewOrShrank) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("a", "0123456789");
  const Result<File> file = File::open(path);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->unchanged());
  fs::resize_file(path, 11);
  EXPECT_FALSE(file->unchanged());
  fs::resize_file(path, 5);
  const Result<std::string> bytes = file->read(0, 10);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().reason, Reason::ImageChanged);
  EXPECT_THAT(bytes.error().message, HasSubstr("changed while it was read"));
}

TEST(File, KeepsTheOldFileWhenAnotherIsRenamedOverIt) {
  const fixtures::TempDir dir;
  const Result<File> file = File::open(dir.write("a", "old"));
  ASSERT_TRUE(file);
  dir.replace("a", "new");
  EXPECT_EQ(file->read(0, 3), "old");
  EXPECT_NE(stampOf(dir.path() / "a"), file->stamp());
}

}  // namespace
}  // namespace rookery::image
