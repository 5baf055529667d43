#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/key_set.h"
#include "notify/queue.h"
#include "notify/request.h"
#include "notify/rules.h"
#include "notify/settings.h"
#include "reconcile/object_store.h"
#include "source/revision.h"

namespace rookery::notify {

/// What happened since the last time that somebody looked: of an object's Ready condition the last, so that
/// it is bounded by the objects that there are; of occasions the first ones.
struct News {
  struct Scan {
    api::KeySet declared;
    bool synced = false;
    std::map<std::string, source::Revision> revisions;  // of the manifest roots that are checkouts
    std::map<std::string, std::string> mistakes;        // the first in each root that has one
  };
  std::map<api::ObjectKey, ReadyNews> ready;
  std::vector<std::pair<std::string, std::string>> pruneWaits;  // instances, and what their guards say
  std::vector<Notification> occasions;
  std::size_t dropped = 0;  // occasions that were too many
  std::optional<Scan> scan;
  bool applied = false;  // an instance stands at another commit

  bool empty() const {
    return ready.empty() && pruneWaits.empty() && occasions.empty() && !scan && !applied && dropped == 0;
  }
};

/// Sends a request to a receiver. `done` is called once it has ended, and never before this returns.
using Send =
    std::function<void(const Receiver& receiver, Request request, std::function<void(const Outcome&)> done)>;

/// Makes notifications of what happens, and says what is to be sent of them to whom, and when: owns the rules
/// and the queues. What waits, and what was told, is noted down before anything is sent, to be given to the
/// next process: what matters arrives at least once. One thread uses it.
class Courier {
 public:
  struct Options {
    Settings settings;
    Rules::Notes notes = {};  // as `note` was told of them, by this process or another
    Send send;
    /// Remembers a value by its key, or nothing in its place, soon, and in the order of the calls. `written`
    /// (empty: nobody asks) is to be called once this is on the disk, and all before it; not at all where
    /// another took its place.
    std::function<void(std::string key, std::optional<std::string> value, std::function<void()> written)>
        note = [](auto&&, auto&&, const auto& written) {
          if (written) written();
        };
    std::function<void(const std::string& message)> warn = [](auto&&) {};
    std::function<void(const std::string& message)> inform = [](auto&&) {};
    Queue::Limits limits = {};
  };
  using Note = decltype(Options::note);
  /// How a receiver stands.
  struct Count {
    std::uint64_t sent = 0;     // notifications
    std::uint64_t failed = 0;   // attempts
    std::uint64_t dropped = 0;  // notifications that were given up
    std::size_t waiting = 0;
  };

  /// `objects` must outlive it.
  Courier(const reconcile::ObjectStore& objects, Options options);

  /// Other receivers, from now on. What waits for one that is not there any more is given up.
  void configure(Settings settings);
  void hear(News news, SystemTime now);
  /// Sends what is to be sent, and takes note of what has arrived, without waiting for either. To be called
  /// after hear(), when it is due(), and once `done` or `written` was called.
  void work(SystemTime now);
  /// When work() will have something to do if nothing arrives; nothing: not before something is heard.
  std::optional<SystemTime> due() const;

  std::map<std::string, Count> counts() const;

 private:
  struct Way {
    Receiver receiver;
    Queue queue;
    Count count = {};
    std::string failure = {};    // of the last attempt; empty: it succeeded, or there was none
    std::uint64_t underWay = 0;  // number of the attempt
  };
  struct Ended {
    std::string receiver;
    std::uint64_t attempt;
    Outcome outcome;
  };

  void restore(const Rules::Notes& notes);
  void complete(ReadyNews& news) const;
  std::string rootOf(const api::ObjectKey& object) const;
  void judgeCommits(SystemTime now);
  void forgetGone(SystemTime now);
  std::pair<std::string, std::string> stateOf(const std::string& root,
                                              const source::Revision& revision) const;
  void post(const std::vector<Notification>& notifications);
  void note(std::string key, std::optional<std::string> value);
  void writeDown();
  void giveUp(Way& way, const Queue::Numbers& numbers, std::string_view why);
  void start(Way& way, const Queue::Batch& batch);
  void getOn(SystemTime now);
  void end(Way& way, const Outcome& outcome, SystemTime now);

  const reconcile::ObjectStore& objects_;
  Options options_;
  Rules rules_;
  std::map<std::string, Way> ways_;  // by the receivers' names
  std::uint64_t next_ = 1;           // number of a notification to one receiver
  std::uint64_t noted_ = 1;          // those before it were written down, or are about to be
  std::uint64_t attempts_ = 0;
  std::vector<Ended> ended_;
  std::vector<std::pair<std::string, std::optional<std::string>>> notes_;  // that are to be written down
  News::Scan scan_;
  std::map<std::string, std::string> commits_;  // what was told of the commit of each root
};

}  // namespace rookery::notify
