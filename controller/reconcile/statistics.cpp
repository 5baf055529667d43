#include "reconcile/statistics.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace rookery::reconcile {

using asio::experimental::awaitable_operators::operator||;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr auto asTuple = asio::as_tuple(asio::use_awaitable);

/// Before a server that has ended the stream, or knows no statistics, is asked again.
constexpr std::chrono::seconds shortestPause{2};
constexpr std::chrono::minutes longestPause{5};

}  // namespace

/// Somewhat later than usual; a wrong suspicion costs one look.
SteadyClock::time_point Statistics::Mention::due() const {
  if (!interval) return SteadyClock::time_point::max();
  return last + *interval + std::max<SteadyClock::duration>(*interval / 20, std::chrono::milliseconds(250));
}

Statistics::Statistics(asio::any_io_executor strand, UsageStore& usages,
                       const std::optional<plan::Observed>& observed, std::function<void()> missed)
    : strand_(std::move(strand)),
      usages_(usages),
      observed_(observed),
      missed_(std::move(missed)),
      changed_(strand_, asio::steady_timer::time_point::max()),
      overdue_(strand_) {}

asio::awaitable<void> Statistics::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::chrono::milliseconds pausing = shortestPause;
  for (;;) {
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
    const ServerPtr server = server_;
    if (server == nullptr) {
      co_await pause(longestPause);
      continue;
    }
    const auto before = SteadyClock::now();
    co_await read(*server);
    overdue_.cancel();
    awaiting_ = false;
    mentions_.clear();
    // What went well for a while is worth another try soon.
    pausing = SteadyClock::now() - before > longestPause
                  ? shortestPause
                  : std::min<std::chrono::milliseconds>(2 * pausing, longestPause);
    if (server == server_) co_await pause(pausing);
  }
  overdue_.cancel();
}

/// Cut short when the server is another, and by cancellation.
asio::awaitable<void> Statistics::pause(std::chrono::milliseconds longest) {
  changed_.expires_after(longest);
  (void)co_await changed_.async_wait(asTuple);
}

/// Until the stream ends, or the server is another.
asio::awaitable<void> Statistics::read(const Server& server) {
  albatross::Request request;
  request.command = albatross::StatsCommand(albatross::stats::Subscribe{});
  const auto stream = co_await server.client->stream(std::move(request));
  if (!stream) co_return;
  changed_.expires_at(asio::steady_timer::time_point::max());
  while (server_->client == server.client) {
    auto next = co_await ((*stream)->next() || changed_.async_wait(asTuple));
    if (next.index() == 1) break;
    auto& message = std::get<0>(next);
    if (!message) break;
    if (const auto* statistics = std::get_if<albatross::data::Statistics>(&message->data))
      note(*server_, message->name, *statistics);
  }
}

void Statistics::note(const Server& server, const albatross::Name& name,
                      const albatross::data::Statistics& statistics) {
  const auto now = SteadyClock::now();
  const auto [mention, first] = mentions_.try_emplace(name, Mention{now, std::nullopt});
  if (!first) mention->second = {now, now - mention->second.last};
  if (!awaiting_) awaitMentions();
  const auto running = observed_->unikernels.find(name);
  if (running == observed_->unikernels.end()) {
    if (first) missed_();  // it has begun since the last look
    return;
  }
  const api::ObjectKey key = server.desired->objectAt(name, server.base);
  if (!server.desired->unikernels.contains(key)) return;
  usages_.tell(server.desired->name(), key,
               usageOf(statistics, running->second, std::chrono::system_clock::now()));
}

/// Until the first of those that are mentioned regularly is due, or was when this was asked: each mention
/// only puts that off.
void Statistics::awaitMentions() {
  SteadyClock::time_point next = SteadyClock::time_point::max();
  for (const auto& [name, mention] : mentions_) next = std::min(next, mention.due());
  awaiting_ = next != SteadyClock::time_point::max();
  if (!awaiting_) return;
  overdue_.expires_at(next);
  overdue_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) lookForMissing();
  });
}

void Statistics::lookForMissing() {
  const auto now = SteadyClock::now();
  bool runs = false;
  std::erase_if(mentions_, [&](const auto& item) {
    const bool gone = item.second.due() <= now;
    runs = runs || (gone && observed_->unikernels.contains(item.first));
    return gone;
  });
  if (runs) missed_();
  awaitMentions();
}

void Statistics::follow(ServerPtr server) {
  const bool other = server_ == nullptr || server->client != server_->client;
  server_ = std::move(server);
  if (other) changed_.cancel();
}

void Statistics::keepOnlyRunning() {
  if (server_ == nullptr) return;
  usages_.keepOnly(server_->desired->name(), [&](const api::ObjectKey& key) {
    return server_->desired->unikernels.contains(key) &&
           observed_->unikernels.contains(server_->desired->nameOf(key, server_->base));
  });
}

}  // namespace rookery::reconcile
