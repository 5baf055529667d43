#include "albatross/client/message_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <variant>

namespace rookery::albatross {

namespace {

constexpr std::uint64_t largestFrame = std::numeric_limits<std::int32_t>::max();

std::string& imageOf(Wire& message) {
  auto& command = std::get<UnikernelCommand>(std::get<Command>(message.payload));
  if (auto* create = std::get_if<unikernel::Create>(&command)) return create->config.image;
  return std::get<unikernel::ForceCreate>(command).config.image;
}

std::string encodedWith(Wire& message, std::string image) {
  imageOf(message) = std::move(image);
  return encode(message);
}

/// The header of an element: its tag of one byte, and how long it is (X.690, 8.1.3).
struct ElementHeader {
  std::size_t size = 0;  // of the header itself
  std::uint64_t length = 0;
};

ElementHeader headerAt(std::string_view der, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(der[i]); };
  if (byte(at + 1) < 0x80) return {2, byte(at + 1)};
  const std::size_t octets = byte(at + 1) & 0x7fU;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < octets; ++i) length = length << 8U | byte(at + 2 + i);
  return {2 + octets, length};
}

std::string headerOf(char tag, std::uint64_t length) {
  std::string octets;
  for (std::uint64_t rest = length; rest > 0; rest >>= 8U)
    octets.insert(octets.begin(), static_cast<char>(rest & 0xffU));
  if (length < 0x80) return {tag, static_cast<char>(length)};
  return tag + std::string(1, static_cast<char>(0x80U | octets.size())) + octets;
}

/// What stands before the content at `image` in the element at `at`, which is around it, where that content
/// is `size` bytes long rather than `present`; `length` becomes that of the whole element.
std::string widen(std::string_view der, std::size_t at, std::size_t image, std::uint64_t present,
                  std::uint64_t size, std::uint64_t& length) {
  const ElementHeader header = headerAt(der, at);
  std::string inside;
  std::uint64_t content = size;
  const std::size_t begin = at + header.size;
  if (begin != image || header.length != present) {
    std::size_t child = begin;
    for (;;) {
      const ElementHeader next = headerAt(der, child);
      const std::size_t end = child + next.size + static_cast<std::size_t>(next.length);
      if (image < end) break;
      child = end;
    }
    const ElementHeader around = headerAt(der, child);
    std::uint64_t widened = 0;
    inside = std::string(der.substr(begin, child - begin)) + widen(der, child, image, present, size, widened);
    content = header.length - (around.size + around.length) + widened;
  }
  const std::string before = headerOf(der[at], content);
  length = before.size() + content;
  return before + inside;
}

}  // namespace

Result<FrameAroundImage> frameAround(Wire message, std::uint64_t size) {
  if (size > largestFrame / 2) {
    return fail(Reason::ImageTooLarge,
                fmt::format("An image of {} bytes is more than a local server takes in one message.", size));
  }
  // Two that differ in nothing else show where it stands.
  constexpr std::size_t present = 16;
  const std::string one = encodedWith(message, std::string(present, '\x00'));
  const std::string other = encodedWith(message, std::string(present, '\x01'));
  const auto image = static_cast<std::size_t>(std::ranges::mismatch(one, other).in1 - one.begin());
  std::uint64_t length = 0;
  FrameAroundImage frame;
  frame.before = widen(one, 0, image, present, size, length);
  frame.before.insert(0, frameHeader(static_cast<std::size_t>(length)));
  frame.after = one.substr(image + present);
  check(!frame.after.empty(), "an image is followed by its arguments");
  return frame;
}

}  // namespace rookery::albatross
