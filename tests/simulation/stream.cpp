#include "simulation/stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <variant>

namespace rookery::simulation {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds statisticsInterval{10};

albatross::Name nameIn(const albatross::Request& request) {
  albatross::Name name{{}, request.label};
  for (const auto& domain : request.domains) name.path.push_back(domain.label);
  return name;
}

asio::awaitable<void> pass(clock::Timer& timer) {
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> Stream::open(Server& server,
                                                                             albatross::Request request,
                                                                             albatross::Timeouts timeouts) {
  const auto executor = co_await asio::this_coro::executor;
  clock::Timer connecting(executor, server.unreachable ? timeouts.connect : milliseconds(7));
  co_await pass(connecting);
  if (server.unreachable)
    co_return fail(Reason::DeadlineExceeded, "The simulated server did not shake hands in time.");
  if (server.refuses || (!request.serverKey.empty() && request.serverKey != server.key()))
    co_return fail(Reason::ConnectionFailed, "The simulated server takes no subscription.");
  albatross::Reply reply{server.key(), nameIn(request), albatross::success::Text{"subscribed"}};
  std::unique_ptr<Stream> stream(new Stream(server, executor, std::move(reply)));
  if (const auto* console = std::get_if<albatross::ConsoleCommand>(&request.command))
    stream->read(std::get<albatross::console::Subscribe>(*console));
  co_return stream;
}

Stream::Stream(Server& server, asio::any_io_executor executor, albatross::Reply reply)
    : server_(server),
      reply_(std::move(reply)),
      life_(server.connectionLife),
      news_(std::move(executor), statisticsInterval) {}

Stream::~Stream() {
  if (reader_ && life_ == server_.connectionLife)
    server_.emulated().consoles().unsubscribe(reply_.name, *reader_);
}

void Stream::read(const albatross::console::Subscribe& wanted) {
  auto subscription = server_.emulated().consoles().subscribe(
      reply_.name, wanted.from, [this, open = std::weak_ptr(open_)](const emulator::Consoles::Line* line) {
        if (open.expired()) return;
        if (line != nullptr) messages_.push_back({reply_.name, *line});
        news_.cancel();
      });
  reader_ = subscription.reader;
  for (auto& line : subscription.replay) messages_.push_back({reply_.name, std::move(line)});
}

void Stream::tellStatistics() {
  for (auto& [name, statistics] : server_.statistics())
    messages_.push_back({name, albatross::Data(std::move(statistics))});
}

asio::awaitable<Result<albatross::DataStream::Message>> Stream::next() {
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
      co_return fail(Reason::Cancelled, "The stream is not read any more.");
    if (life_ != server_.connectionLife || server_.refuses)
      co_return fail(Reason::ConnectionFailed, "The simulated server has ended the stream.");
    if (!messages_.empty() && !server_.stalls && !server_.unreachable) {
      Message message = std::move(messages_.front());
      messages_.pop_front();
      co_return message;
    }
    news_.expires_after(statisticsInterval);
    co_await pass(news_);
    if (!reader_ && !server_.stalls && !server_.unreachable && life_ == server_.connectionLife)
      tellStatistics();
  }
}

}  // namespace rookery::simulation
