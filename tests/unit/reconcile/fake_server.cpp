#include "unit/reconcile/fake_server.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <utility>
#include <variant>

namespace rookery::reconcile {

using albatross::CallError;
using albatross::CallResult;
using asio::experimental::awaitable_operators::operator||;

namespace {

albatross::Time now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string verbOf(const albatross::Request& request) {
  namespace uk = albatross::unikernel;
  if (const auto* command = std::get_if<albatross::UnikernelCommand>(&request.command)) {
    if (std::holds_alternative<uk::Create>(*command)) return "create";
    if (std::holds_alternative<uk::ForceCreate>(*command)) return "forceCreate";
    if (std::holds_alternative<uk::Restart>(*command)) return "restart";
    if (std::holds_alternative<uk::Destroy>(*command)) return "destroy";
    if (std::holds_alternative<uk::Get>(*command)) return "get";
    return "info";
  }
  if (std::holds_alternative<albatross::BlockCommand>(request.command)) return "blockInfo";
  return request.domains.empty() ? "policyInfo" : "applyPolicy";
}

bool mutates(const std::string& verb) {
  return verb != "info" && verb != "get" && verb != "policyInfo" && verb != "blockInfo";
}

std::string& imageOf(albatross::Command& command) {
  auto& unikernel = std::get<albatross::UnikernelCommand>(command);
  if (auto* create = std::get_if<albatross::unikernel::Create>(&unikernel)) return create->config.image;
  return std::get<albatross::unikernel::ForceCreate>(unikernel).config.image;
}

std::unexpected<CallError> failed(Reason reason, bool inDoubt) {
  return std::unexpected(CallError{{reason, "The fake server says so."}, inDoubt});
}

}  // namespace

class FakeServer::Client : public albatross::Client {
 public:
  explicit Client(std::function<FakeServer&()> address) : address_(std::move(address)) {}
  asio::awaitable<CallResult> call(albatross::Request request) override {
    return address_().carryOut(std::move(request));
  }
  asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> stream(
      albatross::Request request) override {
    return address_().subscribe(std::move(request));
  }

 private:
  const std::function<FakeServer&()> address_;
};

/// A subscription: to the console of `name`, or to the statistics where it has no label.
class FakeServer::Stream : public albatross::DataStream {
 public:
  Stream(FakeServer& server, const asio::any_io_executor& executor, albatross::Name name,
         albatross::Reply reply)
      : server_(server), name_(std::move(name)), reply_(std::move(reply)), news_(executor) {
    server_.open_.insert(this);
  }
  ~Stream() override {
    server_.open_.erase(this);
    if (reader_ != 0) server_.server.consoles().unsubscribe(name_, reader_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void read(const albatross::console::Subscribe& wanted) {
    auto subscription =
        server_.server.consoles().subscribe(name_, wanted.from, [this](const emulator::Consoles::Line* line) {
          if (line == nullptr) return end();
          add({name_, *line});
        });
    reader_ = subscription.reader;
    for (auto& line : subscription.replay) messages_.push_back({name_, std::move(line)});
  }
  void add(Message message) {
    messages_.push_back(std::move(message));
    news_.cancel();
  }
  void end() {
    over_ = true;
    news_.cancel();
  }
  bool isOfStatistics() const { return !name_.label; }

  const albatross::Reply& reply() const override { return reply_; }
  std::uint64_t skipped() const override { return 0; }
  asio::awaitable<Result<Message>> next() override {
    while (messages_.empty()) {
      if (over_) co_return fail(Reason::ConnectionFailed, "The fake server has ended the stream.");
      news_.expires_at(asio::steady_timer::time_point::max());
      (void)co_await news_.async_wait(asio::as_tuple(asio::use_awaitable));
      const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none)
        co_return fail(Reason::Cancelled, "The stream is not read any more.");
    }
    Message message = std::move(messages_.front());
    messages_.pop_front();
    co_return message;
  }

 private:
  FakeServer& server_;
  const albatross::Name name_;
  const albatross::Reply reply_;
  asio::steady_timer news_;
  std::deque<Message> messages_;
  std::uint64_t reader_ = 0;
  bool over_ = false;
};

FakeServer::FakeServer(std::string serverKey)
    : server({.memory = 4'096, .cpus = 4, .block = 1'024, .bridges = {"br0"}}), key(std::move(serverKey)) {}

std::unique_ptr<albatross::Client> FakeServer::connect() {
  return connect([this]() -> FakeServer& { return *this; });
}

std::unique_ptr<albatross::Client> FakeServer::connect(std::function<FakeServer&()> address) {
  return std::make_unique<Client>(std::move(address));
}

void FakeServer::start(const albatross::Name& name, const albatross::Arguments& arguments,
                       const std::string& image) {
  emulator::Request request;
  request.name = name;
  request.command = albatross::UnikernelCommand(
      albatross::unikernel::Create{{albatross::UnikernelType::Solo5, false, image, arguments}});
  server.submit(std::move(request), now(), [](const emulator::Answer&) {});
  check(find(name) != nullptr, "the fake server runs what it was told to");
}

void FakeServer::destroy(const albatross::Name& name) {
  emulator::Request request;
  request.name = name;
  request.command = albatross::UnikernelCommand(albatross::unikernel::Destroy{});
  server.submit(std::move(request), now(), [](const emulator::Answer&) {});
  server.tick(now());
  check(find(name) == nullptr, "the fake server has ended what it was told to end");
}

asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> FakeServer::subscribe(
    albatross::Request request) {
  ++subscriptions;
  if (hang) {
    co_await wait();
    co_return std::unexpected(failed(Reason::Cancelled, false).error().error);
  }
  if (down) co_return std::unexpected(failed(Reason::ConnectionFailed, false).error().error);
  albatross::Name name{{}, request.label};
  for (const auto& domain : request.domains) name.path.push_back(domain.label);
  const auto* console = std::get_if<albatross::ConsoleCommand>(&request.command);
  if (console == nullptr && noStatistics)
    co_return std::unexpected(failed(Reason::ConnectionFailed, false).error().error);
  const bool waits = console != nullptr && !server.consoles().known(name);
  auto stream = std::make_unique<Stream>(
      *this, co_await asio::this_coro::executor, name,
      albatross::Reply{key, name, albatross::success::Text{waits ? "waiting for VM" : "subscribed"}});
  if (console != nullptr) stream->read(std::get<albatross::console::Subscribe>(*console));
  co_return stream;
}

void FakeServer::tellStatistics() {
  for (Stream* stream : std::set(open_)) {
    if (!stream->isOfStatistics()) continue;
    for (auto& [name, statistics] : server.statistics({}, now())) stream->add({name, std::move(statistics)});
  }
}

void FakeServer::mention(const albatross::Name& name) {
  for (Stream* stream : open_) {
    if (stream->isOfStatistics()) stream->add({name, albatross::data::Statistics{}});
  }
}

void FakeServer::endStreams() {
  for (Stream* stream : std::set(open_)) stream->end();
}

std::size_t FakeServer::openStreams() const { return open_.size(); }

std::size_t FakeServer::sent(const std::string& verb) const {
  return static_cast<std::size_t>(std::count(verbs.begin(), verbs.end(), verb));
}

asio::awaitable<void> FakeServer::wait() {
  asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// Until a connection that waits for the end of its image is to break.
asio::awaitable<void> FakeServer::breaks() {
  asio::steady_timer soon(co_await asio::this_coro::executor);
  while (!std::exchange(breakWaiting, false)) {
    soon.expires_after(std::chrono::milliseconds(1));
    co_await soon.async_wait(asio::use_awaitable);
  }
  broken.emplace_back("waiting");
}

asio::awaitable<CallResult> FakeServer::carryOut(albatross::Request request) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  const std::string verb = verbOf(request);
  if (down) co_return failed(Reason::ConnectionFailed, false);
  const bool streams = request.image != nullptr;
  const auto commit = [&]() -> asio::awaitable<Result<void>> {
    if (!request.commit) co_return Result<void>{};
    co_return co_await request.commit();
  };
  if (!streams) {
    if (const auto committed = co_await commit(); !committed)
      co_return std::unexpected(albatross::CallError{committed.error(), false});
  }
  if (!request.serverKey.empty() && request.serverKey != key)
    co_return failed(Reason::ConnectionFailed, false);
  if (arriving) arriving(request);
  if (hang) {
    verbs.push_back(verb);
    co_await wait();
    co_return failed(Reason::Cancelled, mutates(verb) && request.image == nullptr);
  }
  while (streams) {
    const auto part = request.image->next();
    if (!part) {
      broken.push_back(part.error().message);
      co_return std::unexpected(CallError{part.error(), false});
    }
    if (part->empty()) break;
    received += part->size();
    imageOf(request.command).append(reinterpret_cast<const char*>(part->data()), part->size());
  }
  if (streams) {
    const auto committed = co_await (commit() || breaks());
    if (committed.index() == 1) co_return failed(Reason::ConnectionFailed, false);
    if (!std::get<0>(committed))
      co_return std::unexpected(albatross::CallError{std::get<0>(committed).error(), false});
    if (complete) complete();
  }
  verbs.push_back(verb);
  if (executing && mutates(verb)) co_await executing(request);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none)
    co_return failed(Reason::Cancelled, mutates(verb));
  if (mutates(verb) && refuse) {
    const std::string words = *std::exchange(refuse, std::nullopt);
    co_return std::unexpected(CallError{{Reason::Refused, words}, false});
  }
  emulator::Request command;
  for (const auto& domain : request.domains) {
    command.name.path.push_back(domain.label);
    command.policies.emplace_back(command.name.path, domain.policy);
  }
  command.name.label = request.label;
  const albatross::Name name = command.name;
  command.command = std::move(request.command);
  std::optional<emulator::Answer> answer;
  server.submit(std::move(command), now(), [&](emulator::Answer said) { answer = std::move(said); });
  if (!answer || !*answer || (loseReply && mutates(verb)))
    co_return failed(Reason::DeadlineExceeded, mutates(verb));
  if (const auto* failure = std::get_if<albatross::Failure>(&**answer)) {
    co_return std::unexpected(CallError{{Reason::Refused, failure->message}, false});
  }
  co_return albatross::Reply{key, name, std::get<albatross::Success>(std::move(**answer))};
}

}  // namespace rookery::reconcile
