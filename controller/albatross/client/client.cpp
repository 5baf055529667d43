#include "albatross/client/client.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <utility>
#include <variant>

#include "albatross/client/connection.h"
#include "albatross/client/data_stream.h"
#include "albatross/client/deadline.h"
#include "albatross/client/frame.h"
#include "albatross/client/request.h"
#include "albatross/reply.h"
#include "clock/clock.h"

namespace rookery::albatross {

namespace {

using asio::experimental::awaitable_operators::operator||;
using Options = std::shared_ptr<const ClientOptions>;

asio::awaitable<void> waitForCancellation() {
  clock::Timer never(co_await asio::this_coro::executor, clock::Timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

asio::awaitable<Result<void>> commit(const Request& request) {
  if (!request.commit) co_return Result<void>{};
  co_return co_await request.commit();
}

/// Streams the image and its end. Comes back only with an error of the image: that the connection broke is
/// what the reader will say, and what the server had to say before it closed is worth more.
asio::awaitable<Error> upload(Connection& connection, const Request& request, bool& ending) {
  bool intact = true;
  while (intact) {
    const auto chunk = request.image->next();
    if (!chunk) co_return chunk.error();
    if (chunk->empty()) break;
    intact = co_await connection.writeFrames(*chunk);
  }
  if (intact) {
    if (const auto committed = co_await commit(request); !committed) co_return committed.error();
    ending = true;
    co_await connection.writeEnd();
  }
  co_await waitForCancellation();
  std::unreachable();
}

/// One call: its connection, and how far it came.
class Call {
 public:
  Call(Options options, const Request& request, const asio::any_io_executor& executor, SslPtr client)
      : options_(std::move(options)),
        request_(request),
        connection_(executor, std::move(client), options_->endpoint) {}

  /// Throws only when it is cancelled, or returns some Error then.
  asio::awaitable<Result<Reply>> run(SystemTime now) {
    const Timeouts& timeouts = options_->timeouts;
    auto opened =
        co_await within(timeouts.connect, connection_.open(options_->serverName, now, request_.serverKey));
    if (!opened) co_return late("did not complete a TLS handshake", timeouts.connect, "connect");
    if (!*opened) co_return std::unexpected(opened->error());

    // A caller may have switched off that a cancelled coroutine throws at its next co_await.
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return cancelled();

    const bool streams = request_.image != nullptr || getsImage(request_.command);
    const auto limit = streams ? timeouts.stream : timeouts.command;
    auto frame = co_await within(limit, exchange());
    if (!frame) co_return late("did not answer", limit, streams ? "stream" : "command");
    if (!*frame) co_return std::unexpected(frame->error());
    auto reply = interpretReply(**frame, connection_.serverKey(), options_->endpoint.toString());
    if (reply) reply->serverNotAfter = connection_.serverNotAfter();
    co_return reply;
  }

  std::unexpected<Error> cancelled() const {
    return fail(Reason::Cancelled,
                fmt::format("The call to {} was cancelled.", options_->endpoint.toString()));
  }

  /// Whether a failure for `reason` leaves open what the server did or does.
  bool inDoubt(Reason reason) const {
    if (!mutates(request_)) return false;
    switch (reason) {
      case Reason::EndpointFailed:
        return true;
      case Reason::Refused:
      case Reason::ServiceUnavailable:
      case Reason::CertificateRefused:
        return false;
      default:
        return request_.image != nullptr ? ending_ : connection_.established();
    }
  }

 private:
  asio::awaitable<Result<std::string>> exchange() {
    const std::size_t longest = longestReplyTo(request_);
    if (request_.image == nullptr) co_return co_await connection_.readFrame(longest);
    auto first = co_await (connection_.readFrame(longest) || upload(connection_, request_, ending_));
    if (first.index() == 1) co_return std::unexpected(std::get<1>(std::move(first)));
    co_return std::get<0>(std::move(first));
  }

  std::unexpected<Error> late(std::string_view what, std::chrono::milliseconds limit,
                              std::string_view timeout) const {
    return fail(Reason::DeadlineExceeded,
                fmt::format("The server {} {} within {} ms (timeouts.{}).", options_->endpoint.toString(),
                            what, limit.count(), timeout));
  }

  const Options options_;
  const Request& request_;
  Connection connection_;
  bool ending_ = false;  // the frame that ends the stream may be on its way
};

asio::awaitable<CallResult> callServer(Options options, Request request) {
  check(isStreamed(request.command) == (request.image != nullptr),
        "a stream goes with a block set, and with a create or force-create without an image in its "
        "configuration, and only there");
  const auto issue = [&](SystemTime now) {
    return options->credential->prepare(request.domains, request.label, request.command, now);
  };
  SystemTime now = options->now();
  auto issued = issue(now);
  if (!issued) co_return std::unexpected(CallError{.error = issued.error()});
  if (request.image == nullptr) {
    if (const auto committed = co_await commit(request); !committed)
      co_return std::unexpected(CallError{.error = committed.error()});
    const SystemTime before = std::exchange(now, options->now());
    if (now - before > Credential::keptFor) issued = issue(now);
    if (!issued) co_return std::unexpected(CallError{.error = issued.error()});
  }

  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Call call(options, request, executor, *std::move(issued));
  Result<Reply> result = call.cancelled();
  try {
    result = co_await call.run(now);
  } catch (const asio::multiple_exceptions&) {    // both the work and its deadline were cancelled
  } catch (const boost::system::system_error&) {  // cancelled between two operations
  }
  if (result) co_return std::move(*result);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) result = call.cancelled();
  const bool inDoubt = call.inDoubt(result.error().reason);
  co_return std::unexpected(CallError{.error = std::move(result.error()), .inDoubt = inDoubt});
}

asio::awaitable<Result<std::unique_ptr<DataStream>>> openStream(Options options, Request request) {
  check(request.image == nullptr && !mutates(request), "a subscription changes nothing");
  const SystemTime now = options->now();
  auto issued = options->credential->prepare(request.domains, request.label, request.command, now);
  if (!issued) co_return std::unexpected(issued.error());
  auto stream =
      std::make_unique<TlsDataStream>(co_await asio::this_coro::executor, *std::move(issued), *options);
  const auto cancelled =
      fail(Reason::Cancelled, fmt::format("The call to {} was cancelled.", options->endpoint.toString()));
  Result<void> opened = cancelled;
  try {
    opened = co_await stream->open(options->serverName, now);
  } catch (const asio::multiple_exceptions&) {    // both the work and its deadline were cancelled
  } catch (const boost::system::system_error&) {  // cancelled between two operations
  }
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return cancelled;
  if (!opened) co_return std::unexpected(opened.error());
  co_return stream;
}

class TlsClient final : public Client {
 public:
  explicit TlsClient(ClientOptions options)
      : options_(std::make_shared<const ClientOptions>(std::move(options))) {}

  asio::awaitable<CallResult> call(Request request) override {
    return callServer(options_, std::move(request));
  }

  asio::awaitable<Result<std::unique_ptr<DataStream>>> stream(Request request) override {
    return openStream(options_, std::move(request));
  }

 private:
  const Options options_;  // shared with the calls under way
};

}  // namespace

std::unique_ptr<Client> makeClient(ClientOptions options) {
  return options.endpoint.isLocal() ? makeLocalClient(std::move(options)) : makeTlsClient(std::move(options));
}

std::unique_ptr<Client> makeTlsClient(ClientOptions options) {
  return std::make_unique<TlsClient>(std::move(options));
}

}  // namespace rookery::albatross
