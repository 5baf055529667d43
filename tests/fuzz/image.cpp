// Images that somebody built, or sent.

#include "fuzz/target.h"
#include "image/solo5.h"

namespace rookery::fuzz {
namespace {

/// Sees to what the parser has promised to its source.
class StrictSource : public image::ByteSource {
 public:
  explicit StrictSource(std::string_view bytes) : bytes_(bytes) {}

  std::string name() const override { return "the image"; }
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::string> read(std::uint64_t offset, std::size_t length) const override {
    check(offset <= bytes_.size() && length <= bytes_.size() - offset, "only what is there is read");
    read_ += length;
    check(read_ <= 6 << 20, "no more is read than was promised");
    return std::string(bytes_.substr(offset, length));
  }

 private:
  std::string_view bytes_;
  mutable std::size_t read_ = 0;
};

const Target imageTarget("image", [](std::string_view input) {
  const auto manifest = image::parseImage(StrictSource(input));
  check(image::parseImage(input) == manifest, "an image in memory is one in a file");
  if (!manifest) return;
  check(manifest->blockDevices.size() + manifest->networkDevices.size() < 64,
        "there are as many devices as fit");
});

}  // namespace
}  // namespace rookery::fuzz
