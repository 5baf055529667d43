#include "reconcile/consoles.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <utility>

#include "albatross/reply.h"
#include "clock/clock.h"
#include "plan/redact.h"
#include "text.h"

namespace rookery::reconcile {

using Clock = clock::Steady;

namespace {

/// That all is known that came from Secrets into the arguments of a unikernel. One that is to run elsewhere,
/// or not at all, may still print what it was started with.
Result<void> checkSecrets(const plan::Desired& desired, const api::ObjectKey& unikernel) {
  const auto found = desired.unikernels.find(unikernel);
  if (found == desired.unikernels.end()) {
    return fail(Reason::InstanceUnavailable,
                fmt::format("{} is not to run on {} now, so nobody knows what of its console is secret.",
                            unikernel.toString(), desired.name()));
  }
  if (found->second.secrets.size() == found->second.spec().argumentsFrom.size()) return {};
  return fail(Reason::ReferenceNotFound,
              fmt::format("The Secrets that the arguments of {} are from cannot be read now, so nobody knows "
                          "what of its console is secret.",
                          unikernel.toString()));
}

}  // namespace

/// One subscription, and the lines that it brought. Read on its strand; all others look at it under its lock.
class Consoles::Console : public std::enable_shared_from_this<Consoles::Console> {
 public:
  /// `closed`: called once, on the strand, when the subscription has ended.
  Console(const asio::any_io_executor& executor, const Options& options, const Servers& servers,
          ServerPtr server, api::ObjectKey unikernel, std::function<void(const Console*)> closed)
      : strand_(asio::make_strand(executor)),
        options_(options),
        servers_(servers),
        server_(std::move(server)),
        unikernel_(std::move(unikernel)),
        closed_(std::move(closed)),
        silence_(strand_),
        idle_(strand_) {}

  /// From any thread; cancel() after it.
  void start(albatross::Request request) {
    asio::post(strand_, [self = shared_from_this(), request = std::move(request)]() mutable {
      asio::co_spawn(self->strand_, self->follow(std::move(request)),
                     asio::bind_cancellation_slot(self->cancel_.slot(), [self](const std::exception_ptr&) {
                       self->end({Reason::Cancelled, "The console is not read any more."});
                     }));
    });
  }

  void cancel() {
    asio::post(strand_,
               [self = shared_from_this()] { self->cancel_.emit(asio::cancellation_type::terminal); });
  }

  /// One more reader, from the line of that number on; nothing: it is over.
  std::optional<std::size_t> join() {
    const std::lock_guard lock(mutex_);
    if (closing_ || ended_) return std::nullopt;
    ++readers_;
    return first_;
  }

  /// Whether it is of the server as it is reached now.
  bool isOf(const Server& server) const { return server_->client == server.client; }

  /// It takes no further reader, if it has none; whether that is so.
  bool closeIfIdle() {
    const std::lock_guard lock(mutex_);
    closing_ = closing_ || readers_ == 0;
    return closing_;
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
      replayEnd_ = Clock::now() + options_.longestReplay;
      awaitSilence();
    }
    for (;;) {
      auto message = co_await (*stream)->next();
      if (!message) co_return end(message.error());
      if (auto* line = std::get_if<albatross::data::Console>(&message->data)) add(*line);
    }
  }

  void add(const albatross::data::Console& line) {
    ConsoleLine kept{std::clamp(line.timestamp, albatross::firstTime, albatross::lastTime),
                     blotted(line.line)};
    const std::lock_guard lock(mutex_);
    bytes_ += kept.text.size();
    lines_.push_back(std::move(kept));
    while (lines_.size() > keptLines || bytes_ > keptBytes) {
      bytes_ -= lines_.front().text.size();
      lines_.pop_front();
      ++first_;
    }
    changed_.notify_all();
    if (!replayed_) awaitSilence();
  }

  /// Secrets first: what is escaped would not be found any more. Former ones, too: what was started with them
  /// may run still, and what it printed is kept.
  std::string blotted(std::string_view line) const {
    std::vector<std::string> secrets = secretsOf(*server_);
    if (const ServerPtr now = servers_.find(server_->desired->name()); now != nullptr && now != server_) {
      const std::vector<std::string> more = secretsOf(*now);
      secrets.insert(secrets.end(), more.begin(), more.end());
    }
    if (line.size() <= longestLine) return visible(plan::withoutSecrets(line, secrets, longestLine));
    const std::size_t whole = longestLine - unfinishedBytes(line.substr(0, longestLine));
    return fmt::format("{}… ({} bytes)", visible(plan::withoutSecrets(line, secrets, whole)), line.size());
  }

  std::vector<std::string> secretsOf(const Server& server) const {
    const auto found = server.desired->unikernels.find(unikernel_);
    if (found == server.desired->unikernels.end()) return {};
    std::vector<std::string> secrets = found->second.secrets;
    const std::vector<std::string>& former = found->second.formerSecrets.values;
    secrets.insert(secrets.end(), former.begin(), former.end());
    return secrets;
  }

  void awaitSilence() {
    silence_.expires_at(std::min(Clock::now() + options_.quiet, replayEnd_));
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
    idle_.expires_after(options_.lingering);
    idle_.async_wait([self = weak_from_this()](boost::system::error_code cancelled) {
      const auto console = self.lock();
      if (!cancelled && console != nullptr && console->closeIfIdle())
        console->cancel_.emit(asio::cancellation_type::terminal);
    });
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
  const Options options_;
  const Servers& servers_;
  const ServerPtr server_;
  const api::ObjectKey unikernel_;
  const std::function<void(const Console*)> closed_;
  asio::cancellation_signal cancel_;
  clock::Timer silence_, idle_;
  Clock::time_point replayEnd_ = Clock::time_point::max();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ConsoleLine> lines_;
  std::size_t first_ = 0;  // the number of the first of them
  std::size_t bytes_ = 0;  // of all of them
  bool replayed_ = false;
  std::size_t readers_ = 0;
  bool closing_ = false;  // it has had no reader for too long, and takes none any more
  std::optional<Error> ended_;
};

Consoles::Reader::Reader(std::shared_ptr<Console> console, std::size_t next)
    : console_(std::move(console)), next_(next) {}
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
  if (auto known = checkSecrets(*server->desired, unikernel); !known) return std::unexpected(known.error());
  request->command =
      albatross::ConsoleCommand(albatross::console::Subscribe{static_cast<std::int64_t>(keptLines)});
  const Key key{instance, unikernel};
  const std::lock_guard lock(mutex_);
  if (auto reader = joined(key, *server)) return reader;
  if (stopped_ || !makeRoom()) {
    return fail(Reason::ServiceUnavailable,
                fmt::format("{} consoles are read already; that is as many as can be.", open_.size()));
  }
  const auto console = add(key, server);
  auto reader = std::make_unique<Reader>(console, *console->join());
  console->start(*std::move(request));
  return reader;
}

/// A reader of what is read already, where that goes on.
std::unique_ptr<Consoles::Reader> Consoles::joined(const Key& key, const Server& server) {
  const auto known = open_.find(key);
  if (known == open_.end()) return nullptr;
  const auto console = known->second;
  if (console->isOf(server)) {
    if (const auto next = console->join()) return std::make_unique<Reader>(console, *next);
  }
  console->cancel();
  open_.erase(known);
  return nullptr;
}

/// For one more subscription, if need be in the place of one that nobody reads.
bool Consoles::makeRoom() {
  if (open_.size() < options_.mostOpen) return true;
  const auto idle = std::ranges::find_if(open_, [](const auto& item) { return item.second->closeIfIdle(); });
  if (idle == open_.end()) return false;
  idle->second->cancel();
  open_.erase(idle);
  return true;
}

std::shared_ptr<Consoles::Console> Consoles::add(const Key& key, ServerPtr server) {
  const auto closed = [this, key](const Console* console) {
    const std::lock_guard locked(mutex_);
    const auto found = open_.find(key);
    if (found != open_.end() && found->second.get() == console) open_.erase(found);
  };
  auto console =
      std::make_shared<Console>(executor_, options_, servers_, std::move(server), key.second, closed);
  open_.emplace(key, console);
  return console;
}

void Consoles::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& [key, console] : open_) console->cancel();
}

}  // namespace rookery::reconcile
