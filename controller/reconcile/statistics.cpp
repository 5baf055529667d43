#include "reconcile/statistics.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "clock/clock.h"

namespace rookery::reconcile {

using asio::experimental::awaitable_operators::operator||;
using SteadyClock = clock::Steady;

namespace {

constexpr auto asTuple = asio::as_tuple(asio::use_awaitable);

/// So many names are waited for.
constexpr std::size_t mostMentions = 16'384;

/// So many messages are taken before others have their turn.
constexpr unsigned mostAtOnce = 64;

/// A caller may have switched off that a cancelled coroutine throws.
asio::awaitable<bool> isCancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

Statistics::Statistics(asio::any_io_executor strand, UsageStore& usages,
                       const std::optional<plan::Observed>& observed, std::function<void()> missed,
                       Pauses pauses)
    : strand_(std::move(strand)),
      usages_(usages),
      observed_(observed),
      missed_(std::move(missed)),
      pauses_(pauses),
      changed_(strand_, clock::Timer::time_point::max()),
      overdue_(strand_) {}

asio::awaitable<void> Statistics::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::chrono::milliseconds pausing = pauses_.shortest;
  while (!co_await isCancelled()) {
    const ServerPtr server = server_;
    if (server == nullptr) {
      co_await pause(pauses_.longest);
      continue;
    }
    const auto before = SteadyClock::now();
    co_await read(*server);
    overdue_.cancel();
    awaiting_ = false;
    mentions_.clear();
    if (SteadyClock::now() - before > pauses_.longest) pausing = pauses_.shortest;
    if (server->client == server_->client && !co_await isCancelled()) co_await pause(pausing);
    pausing = std::min(2 * pausing, pauses_.longest);
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
  changed_.expires_at(clock::Timer::time_point::max());
  (void)co_await (hear(server, **stream) || changed_.async_wait(asTuple));
}

/// Until the stream ends. A server that never pauses leaves the strand to others now and then.
asio::awaitable<void> Statistics::hear(const Server& server, albatross::DataStream& stream) {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (unsigned heard = 1; server_->client == server.client && !co_await isCancelled(); ++heard) {
    const auto message = co_await stream.next();
    if (!message) break;
    if (const auto* statistics = std::get_if<albatross::data::Statistics>(&message->data))
      note(*server_, message->name, *statistics);
    if (heard % mostAtOnce == 0) co_await asio::post(strand_, asTuple);
  }
}

void Statistics::note(const Server& server, const albatross::Name& name,
                      const albatross::data::Statistics& statistics) {
  const bool first = noteMention(name);
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

/// Whether it is the first of that name.
bool Statistics::noteMention(const albatross::Name& name) {
  heard_ = SteadyClock::now();
  const auto known = mentions_.find(name);
  if (known == mentions_.end()) {
    return mentions_.size() < mostMentions &&
           mentions_.emplace(name, Mention{heard_, telling_, std::nullopt}).second;
  }
  Mention& mention = known->second;
  const auto passed = heard_ - mention.last;  // little, where the one before was late
  const bool anew = heard_ - std::exchange(heardAgain_, heard_) > passed / 4;
  if (anew) ++telling_;
  mention = {heard_, telling_, std::max(passed, (passed + mention.interval.value_or(passed)) / 2)};
  if (anew || !awaiting_) awaitMentions();
  return false;
}

/// When nobody can wait for it any longer; max(): nobody can say. A server that has much to do is late with
/// all, and takes long to tell of all: what was left out is known once it has told of others again, and is
/// silent. Where it does not tell of anybody, it is waited for longer. A wrong suspicion costs a look, which
/// is work for a server that may have too much of it.
SteadyClock::time_point Statistics::missingAt(const Mention& mention) const {
  using std::chrono::milliseconds;
  if (!mention.interval) return SteadyClock::time_point::max();
  const SteadyClock::time_point due = mention.last + *mention.interval;
  const auto atLast = due + std::max<SteadyClock::duration>(*mention.interval / 2, milliseconds(1'000));
  if (mention.telling == telling_) return atLast;
  const auto silence = std::max<SteadyClock::duration>(*mention.interval / 20, milliseconds(250));
  return std::min(atLast, std::max(due, heard_) + silence);
}

/// Until the first of those that are mentioned regularly is missing, as far as is known now: each mention
/// only puts that off, but for the first of a telling.
void Statistics::awaitMentions() {
  SteadyClock::time_point next = SteadyClock::time_point::max();
  for (const auto& [name, mention] : mentions_) next = std::min(next, missingAt(mention));
  awaiting_ = next != SteadyClock::time_point::max();
  if (!awaiting_) return;
  overdue_.expires_at(next);
  // It may be too late to cancel it when this ends.
  overdue_.async_wait([this, here = std::weak_ptr(here_)](boost::system::error_code cancelled) {
    if (!cancelled && !here.expired()) lookForMissing();
  });
}

/// Who waited in vain for one to be told of again has waited for all that were told of with it.
void Statistics::lookForMissing() {
  const auto now = SteadyClock::now();
  bool runs = false, untold = false;
  std::erase_if(mentions_, [&](const auto& item) {
    const bool gone = missingAt(item.second) <= now;
    runs = runs || (gone && observed_->unikernels.contains(item.first));
    untold = untold || (gone && item.second.telling == telling_);
    return gone;
  });
  if (untold) mentions_.clear();
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
