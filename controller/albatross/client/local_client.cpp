// A local server: its daemons' Unix sockets, which take a command as a message.

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <utility>
#include <variant>

#include "albatross/client/client.h"
#include "albatross/client/deadline.h"
#include "albatross/client/frame.h"
#include "albatross/client/message_frame.h"
#include "albatross/client/request.h"

namespace rookery::albatross {

namespace {

using asio::experimental::awaitable_operators::operator||;
using asio::local::stream_protocol;
using LocalOptions = std::shared_ptr<const ClientOptions>;

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

std::string_view socketFor(const Command& command) {
  if (std::holds_alternative<ConsoleCommand>(command)) return "console.sock";
  return std::holds_alternative<StatsCommand>(command) ? "stat.sock" : "vmmd.sock";
}

/// Stands where a certificate's key stands: what is remembered of a server is remembered under it.
std::string keyOfFolder(const std::string& folder) {
  const std::string text = "unix://" + folder;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  check(::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha256(), nullptr) == 1,
        "OpenSSL has SHA-256");
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Error brokenBeforeReply(const boost::system::error_code& error, const std::string& server,
                        std::size_t received) {
  if (error == asio::error::eof) {
    return {Reason::ProtocolError,
            received > 0
                ? fmt::format("The server {} closed the connection after {} bytes of its reply.", server,
                              received)
                : fmt::format("The server {} closed the connection without a reply: it does not know "
                              "this command, or it is older than wire version 5.",
                              server)};
  }
  return {Reason::ConnectionFailed,
          fmt::format("The connection to {} broke before the reply came: {}.", server, error.message())};
}

Error brokenStream(const boost::system::error_code& error, const std::string& server, std::size_t received) {
  if (error == asio::error::eof && received == 0)
    return {Reason::ConnectionFailed, fmt::format("The server {} ended the stream.", server)};
  return {Reason::ConnectionFailed, fmt::format("The stream of {} broke: {}.", server, error.message())};
}

std::string frameOf(const Name& name, const Command& command) {
  const std::string message = encode({{0, name}, command});
  return frameHeader(message.size()) + message;
}

/// One connection to a daemon, on one executor that runs one handler at a time. Closed by its destructor.
class LocalConnection {
 public:
  LocalConnection(const asio::any_io_executor& executor, const Endpoint& endpoint, const Command& command)
      : socket_(executor), path_(fmt::format("{}/{}", endpoint.folder, socketFor(command))) {}

  /// Error: ConnectionFailed.
  asio::awaitable<Result<void>> open() {
    const auto [error] = co_await socket_.async_connect(stream_protocol::endpoint(path_), quietly);
    if (!error) co_return Result<void>{};
    co_return fail(Reason::ConnectionFailed,
                   fmt::format("No connection to the socket {}: {}.", path_, error.message()));
  }

  /// False: it is broken, and the reader will say why.
  asio::awaitable<bool> write(std::span<const std::byte> bytes) {
    const auto [error, written] =
        co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), quietly);
    co_return !error;
  }
  asio::awaitable<bool> write(const std::string& bytes) {
    co_return co_await write(std::as_bytes(std::span(bytes)));
  }

  asio::awaitable<Result<std::string>> readFrame(std::size_t longest) {
    co_return co_await frames_.read(longest, brokenBeforeReply);
  }
  asio::awaitable<Result<std::string>> readMessage() {
    co_return co_await frames_.read(longestReply, brokenStream);
  }

  const std::string& path() const { return path_; }

 private:
  stream_protocol::socket socket_;
  const std::string path_;
  FrameReader<stream_protocol::socket> frames_{socket_, path_};
};

std::unexpected<Error> tooLate(const std::string& server, std::string_view what,
                               std::chrono::milliseconds limit, std::string_view timeout) {
  return fail(Reason::DeadlineExceeded, fmt::format("The server {} {} within {} ms (timeouts.{}).", server,
                                                    what, limit.count(), timeout));
}

std::unexpected<Error> callCancelled(const std::string& server) {
  return fail(Reason::Cancelled, fmt::format("The call to {} was cancelled.", server));
}

asio::awaitable<bool> isCancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

/// Where a command of that request goes: below the root domain, which is a local server's own.
Name nameOf(const Request& request) {
  Name name;
  for (const Domain& domain : request.domains) name.path.push_back(domain.label);
  name.label = request.label;
  return name;
}

/// One call, and how far it came.
class LocalCall {
 public:
  LocalCall(LocalOptions options, const Request& request, const asio::any_io_executor& executor)
      : options_(std::move(options)),
        request_(request),
        connection_(executor, options_->endpoint, request.command) {}

  /// Throws only when it is cancelled, or returns some Error then.
  asio::awaitable<Result<Reply>> run() {
    const Timeouts& timeouts = options_->timeouts;
    auto opened = co_await within(timeouts.connect, connection_.open());
    if (!opened) co_return tooLate(server(), "did not take a connection", timeouts.connect, "connect");
    if (!*opened) co_return std::unexpected(opened->error());
    if (co_await isCancelled()) co_return cancelled();
    const bool streams = request_.image != nullptr || getsImage(request_.command);
    const auto limit = streams ? timeouts.stream : timeouts.command;
    auto frame = co_await within(limit, exchange());
    if (!frame) co_return tooLate(server(), "did not answer", limit, streams ? "stream" : "command");
    if (!*frame) co_return std::unexpected(frame->error());
    co_return interpretReply(**frame, keyOfFolder(options_->endpoint.folder), server());
  }

  std::unexpected<Error> cancelled() const { return callCancelled(server()); }

  /// Whether a failure for `reason` leaves open what the server did or does.
  bool inDoubt(Reason reason) const {
    return mutates(request_) && sent_ && reason != Reason::Refused && reason != Reason::ServiceUnavailable;
  }

 private:
  std::string server() const { return options_->endpoint.toString(); }

  asio::awaitable<Result<std::string>> exchange() {
    if (auto applied = co_await applyPolicies(); !applied) co_return std::unexpected(applied.error());
    const std::size_t longest = longestReplyTo(request_);
    auto first = co_await (connection_.readFrame(longest) || send());
    if (first.index() == 1) co_return std::unexpected(std::get<1>(std::move(first)));
    co_return std::get<0>(std::move(first));
  }

  /// As a TLS endpoint does with what a chain carries.
  asio::awaitable<Result<void>> applyPolicies() {
    if (socketFor(request_.command) != "vmmd.sock") co_return Result<void>{};
    Name domain;
    for (const Domain& each : request_.domains) {
      domain.path.push_back(each.label);
      sent_ = sent_ || std::holds_alternative<PolicyCommand>(request_.command);
      (void)co_await connection_.write(frameOf(domain, PolicyCommand(policy::Add{each.policy})));
      const auto frame = co_await connection_.readFrame(longestReply);
      if (!frame) co_return std::unexpected(frame.error());
      const auto reply = interpretReply(*frame, "", server());
      if (reply) continue;
      co_return fail(reply.error().reason, fmt::format("The policy of {} could not be set: {}",
                                                       domain.toString(), reply.error().message));
    }
    co_return Result<void>{};
  }

  /// Comes back only with an error of ours: that the connection broke is what the reader will say.
  asio::awaitable<Error> send() {
    const bool inside =
        isStreamed(request_.command) && std::holds_alternative<UnikernelCommand>(request_.command);
    Result<void> done = inside ? co_await sendAroundImage() : co_await sendCommand();
    if (!done) co_return std::move(done.error());
    clock::Timer never(co_await asio::this_coro::executor, clock::Timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    std::unreachable();
  }

  /// The command, and content behind it, as frames.
  asio::awaitable<Result<void>> sendCommand() {
    if (request_.image == nullptr) sent_ = true;
    bool intact = co_await connection_.write(frameOf(nameOf(request_), request_.command));
    if (request_.image == nullptr) co_return Result<void>{};
    while (intact) {
      const auto chunk = request_.image->next();
      if (!chunk) co_return std::unexpected(chunk.error());
      if (chunk->empty()) break;
      intact = co_await connection_.write(frameHeader(chunk->size())) && co_await connection_.write(*chunk);
    }
    if (!intact) co_return Result<void>{};
    if (auto committed = co_await commit(); !committed) co_return committed;
    sent_ = true;
    (void)co_await connection_.write(frameHeader(0));
    co_return Result<void>{};
  }

  /// The image within the message, piece by piece: what stands behind it is sent last.
  asio::awaitable<Result<void>> sendAroundImage() {
    auto frame = frameAround({{0, nameOf(request_)}, request_.command}, request_.imageSize);
    if (!frame) co_return std::unexpected(frame.error());
    bool intact = co_await connection_.write(frame->before);
    std::uint64_t left = request_.imageSize;
    for (;;) {
      const auto chunk = request_.image->next();
      if (!chunk) co_return std::unexpected(chunk.error());
      if (chunk->size() > left || (chunk->empty() && left > 0))
        co_return fail(Reason::ImageChanged, "The image has another length than the one that was planned.");
      if (chunk->empty()) break;
      left -= chunk->size();
      intact = intact && co_await connection_.write(*chunk);
      if (!intact) co_return Result<void>{};
    }
    if (auto committed = co_await commit(); !committed) co_return committed;
    sent_ = true;
    (void)co_await connection_.write(frame->after);
    co_return Result<void>{};
  }

  asio::awaitable<Result<void>> commit() {
    if (!request_.commit) co_return Result<void>{};
    co_return co_await request_.commit();
  }

  const LocalOptions options_;
  const Request& request_;
  LocalConnection connection_;
  bool sent_ = false;  // what makes the server act may be on its way
};

asio::awaitable<CallResult> callLocally(LocalOptions options, Request request) {
  check(isStreamed(request.command) == (request.image != nullptr),
        "a stream goes with a block set, and with a create or force-create without an image in its "
        "configuration, and only there");
  if (request.image == nullptr && request.commit) {
    if (const auto committed = co_await request.commit(); !committed)
      co_return std::unexpected(CallError{.error = committed.error()});
  }
  LocalCall call(options, request, co_await asio::this_coro::executor);
  Result<Reply> result = call.cancelled();
  try {
    result = co_await call.run();
  } catch (const asio::multiple_exceptions&) {    // both the work and its deadline were cancelled
  } catch (const boost::system::system_error&) {  // cancelled between two operations
  }
  if (result) co_return std::move(*result);
  if (co_await isCancelled()) result = call.cancelled();
  const bool inDoubt = call.inDoubt(result.error().reason);
  co_return std::unexpected(CallError{.error = std::move(result.error()), .inDoubt = inDoubt});
}

class LocalDataStream final : public DataStream {
 public:
  LocalDataStream(const asio::any_io_executor& executor, const ClientOptions& options, const Command& command)
      : server_(options.endpoint.toString()),
        key_(keyOfFolder(options.endpoint.folder)),
        timeouts_(options.timeouts),
        connection_(executor, options.endpoint, command) {}

  asio::awaitable<Result<void>> begin(const Request& request) {
    auto opened = co_await within(timeouts_.connect, connection_.open());
    if (!opened) co_return tooLate(server_, "did not take a connection", timeouts_.connect, "connect");
    if (!*opened) co_return std::unexpected(opened->error());
    if (co_await isCancelled()) co_return callCancelled(server_);
    (void)co_await connection_.write(frameOf(nameOf(request), request.command));
    auto frame = co_await within(timeouts_.command, connection_.readFrame(longestReply));
    if (!frame) co_return tooLate(server_, "did not answer", timeouts_.command, "command");
    if (!*frame) co_return std::unexpected((*frame).error());
    auto reply = interpretReply(**frame, key_, server_);
    if (!reply) co_return std::unexpected(reply.error());
    reply_ = *std::move(reply);
    co_return Result<void>{};
  }

  const Reply& reply() const override { return *reply_; }
  std::uint64_t skipped() const override { return skipped_; }

  asio::awaitable<Result<Message>> next() override {
    for (;;) {
      const auto frame = co_await connection_.readMessage();
      if (!frame) co_return std::unexpected(frame.error());
      auto wire = decodeWire(*frame);
      auto* data = wire ? std::get_if<Data>(&wire->payload) : nullptr;
      if (data != nullptr) co_return Message{reply_->name.resolve(wire->header.name), std::move(*data)};
      if (wire && std::holds_alternative<Failure>(wire->payload))
        co_return std::unexpected(interpretReply(*frame, key_, server_).error());
      ++skipped_;
    }
  }

 private:
  const std::string server_, key_;
  const Timeouts timeouts_;
  LocalConnection connection_;
  std::optional<Reply> reply_;
  std::uint64_t skipped_ = 0;
};

asio::awaitable<Result<std::unique_ptr<DataStream>>> streamLocally(LocalOptions options, Request request) {
  check(request.image == nullptr && !mutates(request), "a subscription changes nothing");
  auto stream =
      std::make_unique<LocalDataStream>(co_await asio::this_coro::executor, *options, request.command);
  Result<void> opened = callCancelled(options->endpoint.toString());
  try {
    opened = co_await stream->begin(request);
  } catch (const asio::multiple_exceptions&) {    // both the work and its deadline were cancelled
  } catch (const boost::system::system_error&) {  // cancelled between two operations
  }
  if (co_await isCancelled()) co_return callCancelled(options->endpoint.toString());
  if (!opened) co_return std::unexpected(opened.error());
  co_return stream;
}

class LocalClient final : public Client {
 public:
  explicit LocalClient(ClientOptions options)
      : options_(std::make_shared<const ClientOptions>(std::move(options))) {}

  asio::awaitable<CallResult> call(Request request) override {
    return callLocally(options_, std::move(request));
  }

  asio::awaitable<Result<std::unique_ptr<DataStream>>> stream(Request request) override {
    return streamLocally(options_, std::move(request));
  }

 private:
  const LocalOptions options_;  // shared with the calls under way
};

}  // namespace

std::unique_ptr<Client> makeLocalClient(ClientOptions options) {
  return std::make_unique<LocalClient>(std::move(options));
}

}  // namespace rookery::albatross
