#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "clock/clock.h"
#include "plan/observed.h"
#include "reconcile/environment.h"
#include "reconcile/servers.h"
#include "reconcile/usage.h"

namespace rookery::reconcile {

namespace asio = boost::asio;

/// Follows what one server says of the unikernels that run, one subscription for all of them, and notices
/// which it does not mention any more. A server without statistics is asked again now and then, and that is
/// all. On the strand of the instance's loop.
class Statistics {
 public:
  /// Before a server that has ended the stream, or knows no statistics, is asked again: longer each time,
  /// until one has lasted longer than the longest.
  struct Pauses {
    std::chrono::milliseconds shortest{2'000}, longest{300'000};
  };

  /// `observed`: what was seen last; absent: nothing yet. `missed`: something that ran is not mentioned any
  /// more, or something is that did not: somebody should look. Both are the loop's, on its strand.
  Statistics(asio::any_io_executor strand, UsageStore& usages, const std::optional<plan::Observed>& observed,
             std::function<void()> missed)
      : Statistics(std::move(strand), usages, observed, std::move(missed), {}) {}
  Statistics(asio::any_io_executor strand, UsageStore& usages, const std::optional<plan::Observed>& observed,
             std::function<void()> missed, Pauses pauses);

  /// Until the coroutine is cancelled. Once.
  asio::awaitable<void> run();

  /// How the server is reached from now on, and what is desired there.
  void follow(ServerPtr server);
  /// After a look that found something else: nothing more is told of what does not run any more.
  void keepOnlyRunning();

 private:
  /// A server tells of all that run, one after the other, and of all again an interval later.
  struct Mention {
    std::chrono::steady_clock::time_point last;
    std::uint64_t telling = 0;                                    // the one that it was in
    std::optional<std::chrono::steady_clock::duration> interval;  // to the one before it, more or less
  };

  asio::awaitable<void> read(const Server& server);
  asio::awaitable<void> hear(const Server& server, albatross::DataStream& stream);
  void note(const Server& server, const albatross::Name& name, const albatross::data::Statistics& statistics);
  bool noteMention(const albatross::Name& name);
  std::chrono::steady_clock::time_point missingAt(const Mention& mention) const;
  void awaitMentions();
  void lookForMissing();
  asio::awaitable<void> pause(std::chrono::milliseconds longest);

  const asio::any_io_executor strand_;
  UsageStore& usages_;
  const std::optional<plan::Observed>& observed_;
  const std::function<void()> missed_;
  const Pauses pauses_;
  clock::Timer changed_;  // cancelled when there is another server
  clock::Timer overdue_;  // when the next mention is
  ServerPtr server_;
  bool awaiting_ = false;                        // overdue_ is set
  std::uint64_t telling_ = 0;                    // begins with a name that was heard before, after a silence
  std::chrono::steady_clock::time_point heard_;  // when the last name was
  std::chrono::steady_clock::time_point heardAgain_;  // and the last one that had been before
  std::map<albatross::Name, Mention> mentions_;
  const std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);  // as long as this is
};

}  // namespace rookery::reconcile
