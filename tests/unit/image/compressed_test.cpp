#include "image/compressed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>

#include "fixtures/temp_dir.h"
#include "image/inspector.h"

namespace rookery::image {
namespace {

std::string noise(std::size_t size) {
  std::minstd_rand random(1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xffU);
  return bytes;
}

std::string inflated(const std::string& bytes, std::size_t size) {
  std::string out(size + 1, '\0');
  uLongf length = out.size();
  const int result = ::uncompress(reinterpret_cast<Bytef*>(out.data()), &length,
                                  reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  EXPECT_EQ(result, Z_OK);
  out.resize(length);
  return out;
}

Result<std::string> drainCompressed(Compressed& content) {
  std::string all;
  for (;;) {
    const auto bytes = content.next();
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) return all;
    EXPECT_LE(bytes->size(), 64u * 1024);
    all.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
}

TEST(Compressed, HoldsAllThatWasRead) {
  const fixtures::TempDir dir;
  Inspector inspector;
  for (const std::string& bytes :
       {std::string(), std::string("few"), std::string(1'000'000, 'x'), noise(65'536), noise(300'001)}) {
    const auto path = dir.write("data.img", bytes);
    const auto found = inspector.inspect(path, nullptr, {}, Content::Any);
    ASSERT_TRUE(found) << found.error().message;
    auto reader = Reader::open(path, found->digest);
    ASSERT_TRUE(reader);
    Compressed content(*std::move(reader), 6);
    const auto all = drainCompressed(content);
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_TRUE(inflated(*all, bytes.size()) == bytes) << bytes.size();
    EXPECT_TRUE(content.next()->empty()) << "it keeps ending";
  }
}

TEST(Compressed, NeverEndsWhatIsNotWhatWasMeant) {
  const fixtures::TempDir dir;
  const auto path = dir.write("data.img", noise(100'000));
  auto reader = Reader::open(path, std::string(32, 'x'));
  ASSERT_TRUE(reader);
  Compressed content(*std::move(reader), 1);
  const auto all = drainCompressed(content);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().reason, Reason::ImageChanged);
}

}  // namespace
}  // namespace rookery::image
