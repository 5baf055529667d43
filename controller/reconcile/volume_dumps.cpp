#include "reconcile/volume_dumps.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <exception>
#include <variant>

#include "clock/clock.h"

namespace rookery::reconcile {

using asio::experimental::awaitable_operators::operator||;

namespace {

constexpr std::size_t worthTaking = VolumeDumps::mostKept / 4;  // fewer bytes are waited for, while more come

}  // namespace

/// One on its way. Its coroutine runs on a strand of its own, and is held up while nobody takes what came.
class VolumeDumps::Dump : public std::enable_shared_from_this<Dump> {
 public:
  Dump(const asio::any_io_executor& executor, ServerPtr server)
      : strand_(asio::make_strand(executor)), server_(std::move(server)), room_(strand_), silence_(strand_) {}

  void start(albatross::Request request) {
    asio::co_spawn(
        strand_, run(std::move(request)),
        asio::bind_cancellation_slot(cancel_.slot(), [self = shared_from_this()](const std::exception_ptr&) {
          self->end(Error{Reason::Cancelled, "The dump was broken off."});
        }));
  }

  void breakOff() {
    asio::post(strand_,
               [self = shared_from_this()] { self->cancel_.emit(asio::cancellation_type::terminal); });
  }

  Piece take(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline,
                        [&] { return kept_.bytes.size() >= worthTaking || kept_.whole || kept_.failed; });
    Piece piece{.bytes = std::exchange(kept_.bytes, {}),
                .begun = kept_.begun,
                .whole = kept_.whole,
                .failed = kept_.failed};
    lock.unlock();
    asio::post(strand_, [self = shared_from_this()] { self->room_.cancel(); });
    return piece;
  }

 private:
  asio::awaitable<void> run(albatross::Request request) {
    auto stream = co_await server_->client->stream(std::move(request));
    if (!stream) co_return end(std::move(stream.error()));
    add("");
    co_await (readAll(**stream) || watchSilence());
  }

  asio::awaitable<void> readAll(albatross::DataStream& stream) {
    for (;;) {
      if (isFull()) co_await waitForRoom();
      heard_ = clock::Steady::now();
      auto message = co_await stream.next();
      if (!message) co_return end(std::move(message.error()));
      auto* block = std::get_if<albatross::data::Block>(&message->data);
      if (block == nullptr) continue;
      if (!block->bytes) co_return end(std::nullopt);
      add(*block->bytes);
    }
  }

  /// One timer for a dump, not one for each of its many messages.
  asio::awaitable<void> watchSilence() {
    while (clock::Steady::now() - heard_ < longestSilence || isFull()) {
      silence_.expires_at(std::max(heard_, clock::Steady::now() - longestSilence / 2) + longestSilence);
      co_await silence_.async_wait(asio::use_awaitable);
    }
    end(Error{Reason::DeadlineExceeded,
              fmt::format("The server sent nothing for {} s.", longestSilence.count())});
  }

  asio::awaitable<void> waitForRoom() {
    while (isFull()) {
      room_.expires_at(clock::Timer::time_point::max());
      (void)co_await room_.async_wait(asio::as_tuple(asio::use_awaitable));
      const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return;
    }
  }

  bool isFull() {
    const std::lock_guard lock(mutex_);
    return kept_.bytes.size() >= mostKept;
  }

  void add(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    kept_.begun = true;
    if (kept_.bytes.empty()) kept_.bytes.reserve(mostKept);
    const bool wasWorth = kept_.bytes.size() >= worthTaking;
    kept_.bytes += bytes;
    if (!wasWorth && kept_.bytes.size() >= worthTaking) changed_.notify_all();
  }

  /// The first end counts.
  void end(std::optional<Error> failed) {
    const std::lock_guard lock(mutex_);
    if (kept_.whole || kept_.failed) return;
    kept_.whole = !failed;
    kept_.failed = std::move(failed);
    changed_.notify_all();
  }

  const asio::any_io_executor strand_;
  const ServerPtr server_;
  clock::Timer room_;                                       // cancelled when something was taken
  clock::Timer silence_;                                    // of the server
  clock::Steady::time_point heard_ = clock::Steady::now();  // it, or was asked, last
  asio::cancellation_signal cancel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Piece kept_;
};

VolumeDumps::Reader::Reader(std::shared_ptr<Dump> dump) : dump_(std::move(dump)) {}
VolumeDumps::Reader::~Reader() { dump_->breakOff(); }

VolumeDumps::Piece VolumeDumps::Reader::read(std::chrono::steady_clock::time_point deadline) {
  return dump_->take(deadline);
}

Result<std::unique_ptr<VolumeDumps::Reader>> VolumeDumps::open(const api::ObjectKey& volume,
                                                               const std::string& instance) {
  ServerPtr server = servers_.find(instance);
  if (server == nullptr) {
    return fail(Reason::InstanceUnavailable,
                fmt::format("AlbatrossInstance {} was not reached yet; it says why itself.", instance));
  }
  auto request = server->about(volume);
  if (!request) return std::unexpected(request.error());
  request->command = albatross::BlockCommand(albatross::block::Dump{0});
  auto dump = std::make_shared<Dump>(executor_, std::move(server));
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Reason::ServiceUnavailable, "The controller is about to stop.");
    std::erase_if(open_, [](const auto& each) { return each.expired(); });
    open_.push_back(dump);
  }
  dump->start(*std::move(request));
  return std::make_unique<Reader>(std::move(dump));
}

void VolumeDumps::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& each : open_) {
    if (const auto dump = each.lock()) dump->breakOff();
  }
}

}  // namespace rookery::reconcile
