#include "albatross/client/frame.h"

#include <fmt/format.h>

namespace rookery::albatross {

namespace {

/// 100,000 unikernels with a line of arguments each. What is decoded of it has a bound of its own
/// (der::mostElements).
constexpr std::size_t maximalReply = std::size_t{16} << 20;

}  // namespace

Result<std::size_t> replyLength(const FrameHeader& header, const std::string& server) {
  std::size_t length = 0;
  for (const std::uint8_t byte : header) length = length << 8 | byte;
  if (length > 0 && length <= maximalReply) return length;
  return fail(Reason::ProtocolError,
              fmt::format("The server {} announced a reply of {} bytes; one has 1 to {}.", server, length,
                          maximalReply));
}

}  // namespace rookery::albatross
