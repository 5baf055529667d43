#include "reconcile/consoles.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <utility>

#include "text.h"

namespace rookery::reconcile {

using Clock = std::chrono::steady_clock;

/// One subscription, and the lines that it brought. Read on its strand; all others look at it under its lock.
class Consoles::Console : public std::enable_shared_from_this<Consoles::Console> {
 public:
  /// `closed`: called once, on the strand, when the subscription has ended.
  Console(const asio::any_io_executor& executor, ServerPtr server, api::ObjectKey unikernel,
          std::function<void(const Console*)> closed)
      : strand_(asio::make_strand(executor)),
        server_(std::move(server)),
        unikernel_(std::move(unikernel)),
        closed_(std::move(closed)),
        silence_(strand_),
        idle_(strand_) {}

  void start(albatross::Request request) {
    asio::co_spawn(
        strand_, follow(std::move(request)),
        asio::bind_cancellation_slot(cancel_.slot(), [self = shared_from_this()](const std::exception_ptr&) {
          self->end({Reason::Cancelled, "The console is not read any more."});
        }));
  }

  void cancel() {
    asio::post(strand_,
               [self = shared_from_this()] { self->cancel_.emit(asio::cancellation_type::terminal); });
  }

  /// One more reader; false: it is over.
  bool join() {
    const std::lock_guard lock(mutex_);
    if (closing_ || ended_) return false;
    ++readers_;
    return true;
  }

  void leave() {
    {
      const std::lock_guard lock(mutex_);
      --readers_;
    }
    asio::post(strand_, [self = shared_from_this()] { self->closeWhenIdle(); });
  }

  Lines read(std::size_t& next, bool& replayed, Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    const auto news = [&] { return first_ + lines_.size() > next || replayed_ != replayed || ended_; };
    changed_.wait_until(lock, deadline, news);
    Lines told;
    told.missed = first_ > next ? first_ - next : 0;
    next = std::max(next, first_);
    told.lines.assign(lines_.begin() + static_cast<std::ptrdiff_t>(next - first_), lines_.end());
    next = first_ + lines_.size();
    told.replayed = replayed = replayed_;
    told.ended = ended_;
    return told;
  }

 private:
  asio::awaitable<void> follow(albatross::Request request) {
    auto stream = co_await server_->client->stream(std::move(request));
    if (!stream) co_return end(stream.error());
    const auto* said = std::get_if<albatross::success::Text>(&(*stream)->reply().success);
    if (said != nullptr && said->text == "waiting for VM") {
      noteReplayed();  // there was nothing to replay
    } else {
      awaitSilence();
    }
    for (;;) {
      auto message = co_await (*stream)->next();
      if (!message) co_return end(message.error());
      if (auto* line = std::get_if<albatross::data::Console>(&message->data)) add(std::move(*line));
    }
  }

  void add(albatross::data::Console line) {
    ConsoleLine kept{line.timestamp, blotted(std::move(line.line))};
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(kept));
    if (lines_.size() > keptLines) {
      lines_.pop_front();
      ++first_;
    }
    changed_.notify_all();
    if (!replayed_) awaitSilence();
  }

  /// Secrets first: what is escaped would not be found any more.
  std::string blotted(std::string line) const {
    const auto found = server_->desired->unikernels.find(unikernel_);
    if (found != server_->desired->unikernels.end()) line = found->second.withoutSecrets(std::move(line));
    return visible(line, longestLine);
  }

  void awaitSilence() {
    silence_.expires_after(quiet);
    silence_.async_wait([self = weak_from_this()](boost::system::error_code cancelled) {
      const auto console = self.lock();
      if (!cancelled && console != nullptr) console->noteReplayed();
    });
  }

  void noteReplayed() {
    const std::lock_guard lock(mutex_);
    replayed_ = true;
    changed_.notify_all();
  }

  void closeWhenIdle() {
    idle_.expires_after(lingering);
    idle_.async_wait([self = weak_from_this()](boost::system::error_code cancelled) {
      const auto console = self.lock();
      if (!cancelled && console != nullptr && console->isIdle())
        console->cancel_.emit(asio::cancellation_type::terminal);
    });
  }

  bool isIdle() {
    const std::lock_guard lock(mutex_);
    closing_ = readers_ == 0;
    return closing_;
  }

  void end(Error error) {
    silence_.cancel();
    idle_.cancel();
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      ended_ = std::move(error);
      changed_.notify_all();
    }
    closed_(this);
  }

  const asio::strand<asio::any_io_executor> strand_;
  const ServerPtr server_;
  const api::ObjectKey unikernel_;
  const std::function<void(const Console*)> closed_;
  asio::cancellation_signal cancel_;
  asio::steady_timer silence_, idle_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ConsoleLine> lines_;
  std::size_t first_ = 0;  // the number of the first of them
  bool replayed_ = false;
  std::size_t readers_ = 0;
  bool closing_ = false;  // it had no reader for too long
  std::optional<Error> ended_;
};

Consoles::Reader::Reader(std::shared_ptr<Console> console) : console_(std::move(console)) {}
Consoles::Reader::~Reader() { console_->leave(); }

Consoles::Lines Consoles::Reader::read(Clock::time_point deadline) {
  return console_->read(next_, replayed_, deadline);
}

Result<std::unique_ptr<Consoles::Reader>> Consoles::open(const api::ObjectKey& unikernel,
                                                         const std::string& instance) {
  const ServerPtr server = servers_.find(instance);
  if (server == nullptr) {
    return fail(Reason::InstanceUnavailable,
                fmt::format("AlbatrossInstance {} has not been reached yet.", instance));
  }
  auto request = server->about(unikernel);
  if (!request) return std::unexpected(request.error());
  request->command =
      albatross::ConsoleCommand(albatross::console::Subscribe{static_cast<std::int64_t>(keptLines)});
  const Key key{instance, unikernel};
  const std::lock_guard lock(mutex_);
  const auto known = open_.find(key);
  if (known != open_.end() && known->second->join()) return std::make_unique<Reader>(known->second);
  if (stopped_ || open_.size() >= mostOpen) {
    return fail(Reason::ServiceUnavailable,
                fmt::format("{} consoles are read already; that is as many as can be.", open_.size()));
  }
  const auto closed = [this, key](const Console* console) {
    const std::lock_guard locked(mutex_);
    const auto found = open_.find(key);
    if (found != open_.end() && found->second.get() == console) open_.erase(found);
  };
  const auto console = std::make_shared<Console>(executor_, server, unikernel, closed);
  open_[key] = console;
  check(console->join(), "a new console takes readers");
  console->start(*std::move(request));
  return std::make_unique<Reader>(console);
}

void Consoles::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& [key, console] : open_) console->cancel();
}

}  // namespace rookery::reconcile
