#include "albatross/client/frame.h"

#include <fmt/format.h>

namespace rookery::albatross {

Result<std::size_t> replyLength(const FrameHeader& header, const std::string& server, std::size_t longest) {
  std::size_t length = 0;
  for (const std::uint8_t byte : header) length = length << 8 | byte;
  if (length > 0 && length <= longest) return length;
  return fail(
      Reason::ProtocolError,
      fmt::format("The server {} announced a reply of {} bytes; one has 1 to {}.", server, length, longest));
}

}  // namespace rookery::albatross
