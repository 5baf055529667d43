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
constexpr std::chrono::seconds betweenChunks{
    1};  // that a volume takes a while, in which something goes wrong
constexpr std::size_t chunk = std::size_t{1} << 16;

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
  if (std::holds_alternative<albatross::BlockCommand>(request.command)) {
    if (auto refused = stream->dump(); !refused) co_return std::unexpected(refused.error());
  }
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
        displaced_ = line == nullptr;
        if (line != nullptr) messages_.push_back({reply_.name, *line});
        news_.cancel();
      });
  reader_ = subscription.reader;
  for (auto& line : subscription.replay) messages_.push_back({reply_.name, std::move(line)});
}

/// What is on it now, whatever is written to it meanwhile.
Result<void> Stream::dump() {
  const emulator::Resources& resources = server_.emulated().resources();
  const albatross::BlockDevice* device = resources.blocks().find(reply_.name);
  if (device == nullptr) return fail(Reason::Refused, "dump block: not found");
  if (device->active) return fail(Reason::Refused, "dump block: is in use");
  const emulator::ContentPtr written = resources.content(reply_.name);
  content_ = written == nullptr ? std::string() : written->bytes;
  content_->resize(emulator::sizeInBytes(*device));
  server_.dumped = *content_;
  return {};
}

bool Stream::speaks() const {
  return !server_.stalls && !server_.unreachable && life_ == server_.connectionLife;
}

void Stream::tellMore() {
  if (content_ && told_ <= content_->size()) {
    albatross::data::Block block;  // the end
    if (told_ < content_->size()) block.bytes = content_->substr(told_, chunk);
    told_ += chunk;
    messages_.push_back({reply_.name, albatross::Data(std::move(block))});
  }
  if (content_ || reader_) return;
  for (auto& [name, statistics] : server_.statistics())
    messages_.push_back({name, albatross::Data(std::move(statistics))});
}

asio::awaitable<Result<albatross::DataStream::Message>> Stream::next() {
  for (;;) {
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
      co_return fail(Reason::Cancelled, "The stream is not read any more.");
    if (life_ != server_.connectionLife || server_.refuses || displaced_)
      co_return fail(Reason::ConnectionFailed, "The simulated server has ended the stream.");
    if (!messages_.empty() && speaks()) {
      Message message = std::move(messages_.front());
      messages_.pop_front();
      co_return message;
    }
    news_.expires_after(content_ ? betweenChunks : statisticsInterval);
    co_await pass(news_);
    if (speaks()) tellMore();
  }
}

}  // namespace rookery::simulation
