#include "albatross/client/data_stream.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <utility>

#include "albatross/client/deadline.h"
#include "albatross/client/frame.h"

namespace rookery::albatross {

namespace {

std::unexpected<Error> lateStream(const std::string& server, std::string_view what,
                                  std::chrono::milliseconds limit, std::string_view timeout) {
  return fail(Reason::DeadlineExceeded, fmt::format("The server {} {} within {} ms (timeouts.{}).", server,
                                                    what, limit.count(), timeout));
}

}  // namespace

TlsDataStream::TlsDataStream(const asio::any_io_executor& executor, SslPtr client,
                             const ClientOptions& options)
    : server_(options.endpoint.toString()),
      timeouts_(options.timeouts),
      connection_(executor, std::move(client), options.endpoint) {}

asio::awaitable<Result<void>> TlsDataStream::open(const std::optional<std::string>& serverName,
                                                  SystemTime now) {
  auto opened = co_await within(timeouts_.connect, connection_.open(serverName, now));
  if (!opened)
    co_return lateStream(server_, "did not complete a TLS handshake", timeouts_.connect, "connect");
  if (!*opened) co_return std::unexpected(opened->error());
  // A caller may have switched off that a cancelled coroutine throws at its next co_await.
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none)
    co_return fail(Reason::Cancelled, fmt::format("The call to {} was cancelled.", server_));
  connection_.probeWhenSilent();
  auto frame = co_await within(timeouts_.command, connection_.readFrame(longestReply));
  if (!frame) co_return lateStream(server_, "did not answer", timeouts_.command, "command");
  if (!*frame) co_return std::unexpected((*frame).error());
  auto reply = interpretReply(**frame, connection_.serverKey(), server_);
  if (!reply) co_return std::unexpected(reply.error());
  reply_ = *std::move(reply);
  co_return Result<void>{};
}

asio::awaitable<Result<DataStream::Message>> TlsDataStream::next() {
  for (;;) {
    const auto frame = co_await connection_.readMessage();
    if (!frame) co_return std::unexpected(frame.error());
    auto wire = decodeWire(*frame);
    auto* data = wire ? std::get_if<Data>(&wire->payload) : nullptr;
    if (data != nullptr) co_return Message{reply_->name.resolve(wire->header.name), std::move(*data)};
    if (wire && std::holds_alternative<Failure>(wire->payload)) {
      auto said = interpretReply(*frame, reply_->serverKey, server_);
      co_return std::unexpected(std::move(said.error()));
    }
    ++skipped_;
  }
}

}  // namespace rookery::albatross
