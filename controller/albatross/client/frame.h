#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

/// Reads what has come already, without waiting for more; 0: nothing has, or nobody can tell.
template <class Stream>
std::size_t readAtOnce(Stream& /*stream*/, std::span<char> /*room*/, boost::system::error_code& /*error*/) {
  return 0;
}
/// The same of the TLS records that came together. `error`: what ended them, which is not said again.
std::size_t readAtOnce(boost::asio::ssl::stream<boost::asio::ip::tcp::socket>& stream, std::span<char> room,
                       boost::system::error_code& error);

/// Reads frames off a stream of Asio's, whatever pieces they come in: many short ones take no more than a few
/// reads. One read at a time; none after one that failed or was cancelled.
template <class Stream>
class FrameReader {
 public:
  /// `server` is its host:port. Both must outlive the reader.
  FrameReader(Stream& stream, const std::string& server) : stream_(stream), server_(server) {}

  /// The next frame, of no more than `longest` bytes. Errors as `explain`, and as replyLength.
  boost::asio::awaitable<Result<std::string>> read(std::size_t longest = longestReply,
                                                   decltype(&readError) explain = readError) {
    FrameHeader header{};
    while (here() < header.size()) {
      if (const auto error = co_await receive()) co_return std::unexpected(explain(error, server_, here()));
    }
    std::ranges::copy_n(buffer_.data() + begin_, header.size(), header.begin());
    begin_ += header.size();
    const Result<std::size_t> length = replyLength(header, server_, longest);
    if (!length) co_return std::unexpected(length.error());
    while (here() < std::min(*length, mostKept)) {
      if (const auto error = co_await receive())
        co_return std::unexpected(explain(error, server_, header.size() + here()));
    }
    std::string body = take(*length);
    if (body.size() == *length) co_return body;
    auto rest = boost::asio::dynamic_buffer(body, *length);  // grows with what arrives
    const auto [error, read] = co_await boost::asio::async_read(
        stream_, rest, boost::asio::transfer_exactly(*length - body.size()), asTuple);
    if (error) co_return std::unexpected(explain(error, server_, header.size() + body.size()));
    co_return body;
  }

 private:
  static constexpr std::size_t leastKept = std::size_t{1} << 10, mostKept = std::size_t{1} << 16;
  static constexpr auto asTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

  std::size_t here() const { return end_ - begin_; }

  std::string take(std::size_t most) {
    const std::size_t size = std::min(most, here());
    std::string bytes(buffer_.data() + begin_, size);
    begin_ += size;
    return bytes;
  }

  /// What was kept makes room for more, and has more of it the more comes at a time.
  boost::asio::awaitable<boost::system::error_code> receive() {
    if (broken_) co_return broken_;
    const bool wasFull = end_ == buffer_.size();
    std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
    end_ -= std::exchange(begin_, 0);
    if (wasFull) buffer_.resize(std::clamp(2 * buffer_.size(), leastKept, mostKept));
    const auto [error, read] = co_await stream_.async_read_some(
        boost::asio::buffer(buffer_.data() + end_, buffer_.size() - end_), asTuple);
    end_ += read;
    if (error) co_return error;
    for (std::size_t more = read; more > 0 && end_ < buffer_.size() && !broken_; end_ += more)
      more = readAtOnce(stream_, std::span(buffer_).subspan(end_), broken_);
    co_return error;
  }

  Stream& stream_;
  const std::string& server_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;   // of what was not read yet
  boost::system::error_code broken_;  // is told once that is read
};

}  // namespace rookery::albatross
