#include "source/directory.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "source/cache.h"
#include "source/snapshot.h"
#include "source/tree.h"
#include "source/watcher.h"

namespace rookery::source {

namespace {

using Clock = std::chrono::steady_clock;

/// A bell that any thread may ring: an eventfd.
class Bell {
 public:
  Bell() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    check(descriptor_ >= 0, "an eventfd can be had");
  }
  ~Bell() { ::close(descriptor_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() const { std::ignore = ::eventfd_write(descriptor_, 1); }
  /// Whether it was rung since the last time.
  bool rung() const {
    eventfd_t count = 0;
    return ::eventfd_read(descriptor_, &count) == 0;
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

/// Waits until one of two descriptors is readable or a time has come, on one executor.
class Alarm {
 public:
  /// `changes` may be -1 (never readable); both stay the caller's.
  Alarm(const asio::any_io_executor& executor, int changes, int bell)
      : readable_(executor), bell_(executor, bell), timer_(executor) {
    boost::system::error_code refused;  // then the timer remains
    if (changes >= 0) readable_.assign(changes, refused);
  }
  ~Alarm() {
    if (readable_.is_open()) readable_.release();
    bell_.release();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  asio::awaitable<void> wait(Clock::time_point until) {
    timer_.expires_at(until);
    constexpr auto readable = asio::posix::stream_descriptor::wait_read;
    if (!readable_.is_open()) {
      auto either = asio::experimental::make_parallel_group(bell_.async_wait(readable, asio::deferred),
                                                            timer_.async_wait(asio::deferred));
      co_await either.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
      co_return;
    }
    auto any = asio::experimental::make_parallel_group(readable_.async_wait(readable, asio::deferred),
                                                       bell_.async_wait(readable, asio::deferred),
                                                       timer_.async_wait(asio::deferred));
    co_await any.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  }

 private:
  asio::posix::stream_descriptor readable_;
  asio::posix::stream_descriptor bell_;
  asio::steady_timer timer_;
};

}  // namespace

struct DirectorySource::State {
  explicit State(DirectoryOptions given) : options(std::move(given)) {
    if (options.watch) watcher.emplace();
  }

  SnapshotPtr scan();
  std::set<api::ObjectKey> takeRemoved() {
    const std::lock_guard lock(mutex);
    return std::exchange(removed, {});
  }
  asio::awaitable<void> untilDue();

  DirectoryOptions options;
  std::optional<Watcher> watcher;
  Bell bell;
  ManifestCache cache;
  SnapshotPtr last;
  std::mutex mutex;
  std::set<api::ObjectKey> removed;  // since the last scan; under the mutex
  Clock::time_point rescanAt;
};

SnapshotPtr DirectorySource::State::scan() {
  const auto now = std::chrono::system_clock::now();
  std::set<api::ObjectKey> gone = takeRemoved();  // before the walk, which may still see what goes meanwhile
  Watcher* const watches = watcher ? &*watcher : nullptr;
  if (watches != nullptr) watches->begin();
  Tree tree = walk(options.roots, watches);
  if (watches != nullptr) {
    watches->end();
    if (watches->problem()) tree.problems.push_back(*watches->problem());
  }
  const auto manifests = cache.load(tree.files, now);
  last = compose(std::move(tree), manifests, {.snapshot = last.get(), .removed = std::move(gone)}, now);
  rescanAt = Clock::now() + options.rescan;
  return last;
}

/// Until the next scan is due, or the coroutine was cancelled: after a change, once it has been quiet for a
/// while; but changes without end do not put it off for ever.
asio::awaitable<void> DirectorySource::State::untilDue() {
  Alarm alarm(co_await asio::this_coro::executor, watcher ? watcher->descriptor() : -1, bell.descriptor());
  std::optional<Clock::time_point> latest;
  for (Clock::time_point due = rescanAt;;) {
    const Clock::time_point now = Clock::now();
    if (watcher && watcher->drain()) {
      if (!latest) latest = now + options.debounceLimit;
      due = std::min(now + options.debounce, *latest);
    }
    if (bell.rung() || now >= due) co_return;
    co_await alarm.wait(due);
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
  }
}

DirectorySource::DirectorySource(DirectoryOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

DirectorySource::~DirectorySource() = default;

SnapshotPtr DirectorySource::scan() { return state_->scan(); }

void DirectorySource::wake() { state_->bell.ring(); }

void DirectorySource::removed(const api::ObjectKey& key) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->removed.insert(key);
  }
  state_->bell.ring();
}

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
