#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rookery::emulator {

/// Collects what a client streams: frames of a 4-byte big-endian length and that many bytes; a length that is
/// not positive (as a signed number, as the server reads it) ends the stream. Bytes may come in any pieces.
class FrameCollector {
 public:
  /// `expected`: bytes for which there is room from the start; none is taken before they come.
  explicit FrameCollector(std::size_t expected = 0) { content_.reserve(expected); }

  /// Takes the next bytes and returns whether the stream has ended; what comes behind the end is ignored.
  bool feed(std::string_view bytes);

  const std::string& content() const { return content_; }
  std::string takeContent() { return std::move(content_); }

 private:
  std::string content_;
  std::array<std::uint8_t, 4> header_{};
  std::size_t headerLength_ = 0;
  std::size_t remaining_ = 0;  // of the present frame
  bool ended_ = false;
};

}  // namespace rookery::emulator
