// What a server answers, from its first byte on the connection to the lists that are reckoned with.

#include "albatross/reply.h"

#include <fmt/format.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "albatross/client/frame.h"
#include "fuzz/target.h"
#include "text.h"

namespace rookery::fuzz {
namespace {

namespace asio = boost::asio;

/// A connection on which bytes come in pieces of some size.
class PiecewiseStream {
 public:
  using executor_type = asio::any_io_executor;

  PiecewiseStream(executor_type executor, std::string_view bytes, std::size_t piece)
      : executor_(std::move(executor)), bytes_(bytes), piece_(piece) {}

  // Asio's names for these.
  // NOLINTBEGIN(readability-identifier-naming)
  executor_type get_executor() const { return executor_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, const Buffers& room) {
          const std::size_t read = asio::buffer_copy(room, asio::buffer(bytes_.substr(0, piece_)));
          const bool ended = bytes_.empty();
          bytes_.remove_prefix(read);
          boost::system::error_code error;
          if (ended) error = asio::error::eof;
          asio::post(executor_, asio::append(std::move(handler), error, read));
        },
        token, buffers);
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  executor_type executor_;
  std::string_view bytes_;
  std::size_t piece_;
};

Result<std::string> receiveFrame(std::string_view bytes, std::size_t piece) {
  const std::string server = "eu-1:1025";
  asio::io_context context(1);
  PiecewiseStream stream(context.get_executor(), bytes, piece);
  Result<std::string> frame;
  const auto keep = [&](const std::exception_ptr& thrown, Result<std::string> read) {
    check(thrown == nullptr, "reading a frame throws nothing");
    frame = std::move(read);
  };
  albatross::FrameReader reader(stream, server);
  asio::co_spawn(context, reader.read(), keep);
  context.run();
  return frame;
}

template <class List>
std::string sizeOf(const Result<List>& list) {
  if (!list) return list.error().message;
  for (const auto& [name, value] : *list)
    check(name.toString().size() <= 4 << 10, "a name's length is bounded");
  return fmt::format("{} items", list->size());
}

const Target reply("reply", [](std::string_view input) {
  expectTheSameInPieces(input, [&](std::size_t piece) {
    const auto frame = receiveFrame(input, piece);
    if (!frame) return frame.error().message;
    const auto received = albatross::interpretReply(*frame, "5f", "eu-1:1025");
    if (!received) {
      check(visible(received.error().message) == received.error().message, "what a server says is visible");
      return received.error().message;
    }
    const auto* said = std::get_if<albatross::success::Text>(&received->success);
    check(said == nullptr || visible(said->text) == said->text, "what a server says is visible");
    return fmt::format("{} {} {} {}", received->success.index(), sizeOf(unikernelsOf(*received)),
                       sizeOf(policiesOf(*received)), sizeOf(blockDevicesOf(*received)));
  });
});

}  // namespace
}  // namespace rookery::fuzz
