#include "emulator/frames.h"

#include <algorithm>

namespace rookery::emulator {

bool FrameCollector::feed(std::string_view bytes) {
  while (!bytes.empty() && !ended_) {
    if (remaining_ > 0) {
      const std::size_t length = std::min(remaining_, bytes.size());
      content_.append(bytes.substr(0, length));
      bytes.remove_prefix(length);
      remaining_ -= length;
      continue;
    }
    header_[headerLength_++] = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (headerLength_ < header_.size()) continue;
    headerLength_ = 0;
    std::uint32_t length = 0;
    for (const std::uint8_t byte : header_) length = length << 8U | byte;
    ended_ = static_cast<std::int32_t>(length) <= 0;
    remaining_ = ended_ ? 0 : length;
  }
  return ended_;
}

}  // namespace rookery::emulator
