#include "albatross/client/frame.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/error.hpp>

namespace rookery::albatross {

Result<std::size_t> replyLength(const FrameHeader& header, const std::string& server, std::size_t longest) {
  std::size_t length = 0;
  for (const std::uint8_t byte : header) length = length << 8 | byte;
  if (length > 0 && length <= longest) return length;
  return fail(
      Reason::ProtocolError,
      fmt::format("The server {} announced a reply of {} bytes; one has 1 to {}.", server, length, longest));
}

/// Asio gives one record at a time, and takes a turn of its executor for each.
std::size_t readAtOnce(boost::asio::ssl::stream<boost::asio::ip::tcp::socket>& stream, std::span<char> room,
                       boost::system::error_code& error) {
  SSL* const ssl = stream.native_handle();
  std::size_t read = 0;
  ERR_clear_error();
  if (SSL_read_ex(ssl, room.data(), room.size(), &read) == 1) return read;
  // That nothing more is there yet, and a proper end, are said again.
  if (SSL_get_error(ssl, 0) == SSL_ERROR_SSL)
    error = {static_cast<int>(ERR_get_error()), boost::asio::error::get_ssl_category()};
  ERR_clear_error();
  return 0;
}

}  // namespace rookery::albatross
