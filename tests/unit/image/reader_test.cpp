#include "image/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures/temp_dir.h"
#include "image/image.h"
#include "image/inspector.h"
#include "images/image_maker.h"

namespace rookery::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string digestOf(const fs::path& path) {
  Inspector inspector;
  const Result<Image> image = inspector.inspect(path);
  return image ? image->digest : std::string();
}

/// All that the reader gives, or its error. Chunks are at most 64 KiB.
Result<std::string> drain(Reader& reader) {
  std::string all;
  while (true) {
    const Result<std::span<const std::byte>> chunk = reader.next();
    if (!chunk) return std::unexpected(chunk.error());
    if (chunk->empty()) return all;
    EXPECT_LE(chunk->size(), 64u * 1024);
    for (const std::byte byte : *chunk) all += static_cast<char>(byte);
  }
}

class ReaderTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ReaderTest, GivesAllBytesAndThenKeepsEnding) {
  const fixtures::TempDir dir;
  const std::string bytes = images::makeImage({.size = GetParam(), .content = "hello"});
  const fs::path path = dir.write("web.hvt", bytes);
  Result<Reader> reader = Reader::open(path, digestOf(path));
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->size(), bytes.size());
  EXPECT_EQ(drain(*reader), bytes);
  EXPECT_EQ(drain(*reader), "");
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReaderTest, ::testing::Values(0, 65'535, 65'536, 65'537, 1'000'000));

TEST(Reader, RefusesOtherBytesAtTheEnd) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.content = "one"}));
  const std::string planned = digestOf(path);
  dir.replace("web.hvt", images::makeImage({.content = "two"}));
  Result<Reader> reader = Reader::open(path, planned);
  ASSERT_TRUE(reader);
  for (int i = 0; i < 2; ++i) {
    const Result<std::string> all = drain(*reader);
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().reason, Reason::ImageChanged);
    EXPECT_THAT(all.error().message, HasSubstr(path.string() + " is no longer the image that was planned"));
  }
}

TEST(Reader, RefusesAFileThatIsCutOffWhileItIsRead) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", images::makeImage({.size = 200'000}));
  Result<Reader> reader = Reader::open(path, digestOf(path));
  ASSERT_TRUE(reader);
  ASSERT_TRUE(reader->next());
  fs::resize_file(path, 100'000);
  const Result<std::string> rest = drain(*reader);
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().reason, Reason::ImageChanged);
}

TEST(Reader, ReadsTheOldFileToItsEndWhenAnotherTakesItsPlace) {
  const fixtures::TempDir dir;
  const std::string bytes = images::makeImage({.size = 200'000, .content = "one"});
  const fs::path path = dir.write("web.hvt", bytes);
  Result<Reader> reader = Reader::open(path, digestOf(path));
  ASSERT_TRUE(reader);
  dir.replace("web.hvt", images::makeImage({.size = 200'000, .content = "two"}));
  EXPECT_EQ(drain(*reader), bytes);
}

TEST(Reader, SaysThatAnImageIsMissing) {
  const Result<Reader> reader = Reader::open("/nonexistent/web.hvt", std::string(32, '\0'));
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().reason, Reason::ImageNotFound);
}

}  // namespace
}  // namespace rookery::image
