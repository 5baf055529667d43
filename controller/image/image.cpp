#include "image/image.h"

#include <optional>

namespace rookery::image {

namespace {

constexpr std::string_view hexDigits = "0123456789abcdef";

std::optional<unsigned> nibble(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string_view fieldOf(Content content) { return content == Content::Any ? "spec.source" : "spec.image"; }

std::string_view toString(Target target) {
  switch (target) {
    case Target::Hvt:
      return "hvt";
    case Target::Spt:
      return "spt";
    case Target::Virtio:
      return "virtio";
    case Target::Muen:
      return "muen";
    case Target::Genode:
      return "genode";
    case Target::Xen:
      return "xen";
  }
  check(false, "a Target is one of Solo5's");
  return {};
}

std::string toHex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    hex += hexDigits[value >> 4];
    hex += hexDigits[value & 0xf];
  }
  return hex;
}

std::string fromHex(std::string_view text) {
  if (text.size() % 2 != 0) return {};
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::optional<unsigned> high = nibble(text[i]);
    const std::optional<unsigned> low = nibble(text[i + 1]);
    if (!high || !low) return {};
    bytes += static_cast<char>(*high << 4 | *low);
  }
  return bytes;
}

}  // namespace rookery::image
