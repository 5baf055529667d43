#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "albatross/client/tls_error.h"
#include "error.h"

/// The frames of the transport as a server sends them, over any stream of Asio's.
namespace rookery::albatross {

/// Bytes of a reply that holds no image: 100,000 unikernels with a line of arguments each. What is decoded of
/// it has a bound of its own (der::mostElements).
inline constexpr std::size_t longestReply = std::size_t{16} << 20;

using FrameHeader = std::array<std::uint8_t, 4>;

/// The length of the reply that a frame holds. Error (ProtocolError): it is 0 or more than `longest`.
/// `server` is its host:port.
Result<std::size_t> replyLength(const FrameHeader& header, const std::string& server, std::size_t longest);

/// Reads one frame of no more than `longest` bytes and returns them. Errors as `explain`, and as replyLength.
/// Must not be given temporaries.
template <class Stream>
boost::asio::awaitable<Result<std::string>> readReplyFrame(Stream& stream, const std::string& server,
                                                           std::size_t longest = longestReply,
                                                           decltype(&readError) explain = readError) {
  constexpr auto asTuple = boost::asio::as_tuple(boost::asio::use_awaitable);
  FrameHeader header{};
  const auto [headerError, headerRead] =
      co_await boost::asio::async_read(stream, boost::asio::buffer(header), asTuple);
  if (headerError) co_return std::unexpected(explain(headerError, server, headerRead));
  const Result<std::size_t> length = replyLength(header, server, longest);
  if (!length) co_return std::unexpected(length.error());
  std::string body;  // grows with what arrives, whatever was announced
  auto buffer = boost::asio::dynamic_buffer(body, *length);
  const auto [bodyError, bodyRead] =
      co_await boost::asio::async_read(stream, buffer, boost::asio::transfer_exactly(*length), asTuple);
  if (bodyError) co_return std::unexpected(explain(bodyError, server, header.size() + bodyRead));
  co_return body;
}

}  // namespace rookery::albatross
