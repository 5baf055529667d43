#include "source/directory.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "source/cache.h"
#include "source/snapshot.h"
#include "source/tree.h"
#include "source/watcher.h"

namespace rookery::source {

namespace {

using Clock = std::chrono::steady_clock;

/// Waits until a descriptor is readable or a time has come, on one executor.
class Alarm {
 public:
  /// `descriptor` may be -1 (never readable); it stays the caller's.
  Alarm(const asio::any_io_executor& executor, int descriptor) : readable_(executor), timer_(executor) {
    boost::system::error_code refused;  // then the timer remains
    if (descriptor >= 0) readable_.assign(descriptor, refused);
  }
  ~Alarm() {
    if (readable_.is_open()) readable_.release();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  asio::awaitable<void> wait(Clock::time_point until) {
    timer_.expires_at(until);
    if (!readable_.is_open()) {
      co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return;
    }
    auto either = asio::experimental::make_parallel_group(
        readable_.async_wait(asio::posix::stream_descriptor::wait_read, asio::deferred),
        timer_.async_wait(asio::deferred));
    co_await either.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  }

 private:
  asio::posix::stream_descriptor readable_;
  asio::steady_timer timer_;
};

}  // namespace

struct DirectorySource::State {
  explicit State(DirectoryOptions given) : options(std::move(given)) {
    if (options.watch) watcher.emplace();
  }

  SnapshotPtr scan();
  asio::awaitable<void> untilDue();

  DirectoryOptions options;
  std::optional<Watcher> watcher;
  ManifestCache cache;
  SnapshotPtr last;
  Clock::time_point rescanAt;
};

SnapshotPtr DirectorySource::State::scan() {
  const auto now = std::chrono::system_clock::now();
  Watcher* const watches = watcher ? &*watcher : nullptr;
  if (watches != nullptr) watches->begin();
  Tree tree = walk(options.roots, watches);
  if (watches != nullptr) {
    watches->end();
    if (watches->problem()) tree.problems.push_back(*watches->problem());
  }
  const auto manifests = cache.load(tree.files, now);
  last = compose(std::move(tree), manifests, last.get(), now);
  rescanAt = Clock::now() + options.rescan;
  return last;
}

/// Until the next scan is due, or the coroutine was cancelled: after a change, once it has been quiet for a
/// while; but changes without end do not put it off for ever.
asio::awaitable<void> DirectorySource::State::untilDue() {
  Alarm alarm(co_await asio::this_coro::executor, watcher ? watcher->descriptor() : -1);
  std::optional<Clock::time_point> latest;
  for (Clock::time_point due = rescanAt;;) {
    const Clock::time_point now = Clock::now();
    if (watcher && watcher->drain()) {
      if (!latest) latest = now + options.debounceLimit;
      due = std::min(now + options.debounce, *latest);
    }
    if (now >= due) co_return;
    co_await alarm.wait(due);
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
  }
}

DirectorySource::DirectorySource(DirectoryOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

DirectorySource::~DirectorySource() = default;

SnapshotPtr DirectorySource::scan() { return state_->scan(); }

asio::awaitable<SnapshotPtr> DirectorySource::next() {
  if (state_->last == nullptr) co_return scan();
  const bool throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await state_->untilDue();
  co_await asio::this_coro::throw_if_cancelled(throwing);
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return nullptr;
  co_return scan();
}

}  // namespace rookery::source
