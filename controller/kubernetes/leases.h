#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "kubernetes/client.h"
#include "kubernetes/lease_news.h"
#include "kubernetes/shards.h"

namespace rookery::kubernetes {

/// A steady clock that also counts the time for which the machine sleeps: others do not wait meanwhile.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;  // NOLINT(readability-identifier-naming): as a Clock calls it
  static time_point now() noexcept;
};

/// Which of several replicas may command which instance, agreed on through Leases (coordination.k8s.io/v1),
/// with the rules of client-go's leader election: whoever holds a Lease renews it; the others take it when it
/// has not changed for its duration by their own clock. Whoever could not renew one for `renewDeadline` stops
/// before anybody can take it: held() then says no without asking.
///
/// One Lease, `name`, makes one replica the leader, which commands all instances. With `shard` each instance
/// has a Lease of its own, `name`-instance-INSTANCE, each replica one that says that it lives,
/// `name`-member-IDENTITY, and the instances are shared evenly (shards.h); the leader then speaks for objects
/// that are on no instance.
class Leases {
 public:
  struct Options {
    std::string name = "rookery";
    std::string nameSpace;
    std::string identity;  // of this replica, of no other, and never of another process again
    bool shard = false;
    std::chrono::milliseconds duration{15'000};
    std::chrono::milliseconds renewDeadline{10'000};
    std::chrono::milliseconds retryPeriod{2'000};
    /// Before an instance (or, without shards, everything: "") is ours: reads what the one before us wrote.
    /// However long that takes, Leases are renewed meanwhile. False: it could not be read; then nothing new
    /// is taken into use, and it is called again after `retryPeriod`. On the strand of run(), once at a time;
    /// cancelled when run() is.
    std::function<asio::awaitable<bool>()> prepare = {};
    /// What is held has changed. Called on the strand of run().
    std::function<void()> changed = [] {};
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
    /// What this replica may command now, or not any more. On the strand of run().
    std::function<void(const std::string& message)> inform = [](const std::string&) {};
  };

  Leases(Client& client, Options options);

  /// Takes and renews until the coroutine is cancelled; then gives back what is held, so that others need not
  /// wait, for two retry periods at most. Who cancels it has ended all commands before. On a strand; nothing
  /// of it goes on when it has returned.
  asio::awaitable<void> run();

  /// The AlbatrossInstances that are declared. From any thread.
  void setInstances(std::set<std::string> instances);

  /// Whether an instance may be commanded now; "": whether this replica is the leader. From any thread.
  bool holds(const std::string& instance) const;
  /// The Leases that matter to others, by name, and whether they are held here: the leader's always, those of
  /// instances while they are ours. From any thread.
  std::map<std::string, bool> held() const;
  /// Which other replica commands an instance, as its Lease said when it was looked at last. Nothing: none,
  /// or it is this one. From any thread.
  std::optional<std::string> holderElsewhere(const std::string& instance) const;

 private:
  using Clock = BootClock;
  struct Record {
    std::string holder, version;  // holder "": nobody
    nlohmann::json lease;         // as read
    Clock::time_point seen;       // when it was first seen like this
    std::chrono::milliseconds duration{0};
  };
  struct Holding {
    std::uint64_t number = 0;   // of no other holding, of the same Lease neither
    Clock::time_point renewed;  // when the request was sent that renewed it last
    Clock::time_point nextTry;  // when it is to be renewed
    bool prepared = false;      // what the one before us wrote is known
    bool releasing = false;     // nothing is commanded any more; given back at the next tick
  };
  class Tasks;
  using Work = asio::awaitable<void> (Leases::*)(std::string lease);

  asio::awaitable<void> follow(Tasks& tasks);
  asio::awaitable<void> tick();
  asio::awaitable<Answer<void>> observe();
  asio::awaitable<void> acquire(std::string lease);
  void startRenewing(Tasks& tasks);
  asio::awaitable<void> renew(std::string lease);
  asio::awaitable<void> replaceOwn(std::string lease);
  void noteTry(const std::string& lease, Clock::time_point start, bool renewed);
  void startPreparing(Tasks& tasks);
  asio::awaitable<void> prepareNew();
  asio::awaitable<void> release(std::string lease);
  asio::awaitable<void> releaseAll();
  asio::awaitable<void> forgetOld();
  asio::awaitable<void> forEach(std::set<std::string> leases, Work work);
  asio::awaitable<void> workOff(std::set<std::string>& leases, Work work);
  std::set<std::string> wanted();
  void tell(const std::string& about, const std::string& failure);
  void drop(const std::string& lease);
  void dropExpired();
  bool counts(const Holding& holding) const;
  Shards shards(Clock::time_point now);
  std::set<std::string> holdingsThat(const std::function<bool(const Holding&)>& wanted) const;
  bool isFree(const Record& record, Clock::time_point now) const;
  nlohmann::json leaseOf(const std::string& name, const std::string& holder, const Record* before) const;
  std::string memberLease() const { return options_.name + "-member-" + options_.identity; }
  std::string instanceLease(const std::string& instance) const {
    return options_.name + "-instance-" + instance;
  }
  std::string target(const std::string& name = {}) const;
  std::string commandedBy(const std::string& lease) const;
  void noteHolders();
  void noteLeader();

  Client& client_;
  const Options options_;
  // On the strand of run():
  LeaseNews news_;
  std::map<std::string, Record> records_;        // as last observed, by name
  std::map<std::string, std::string> failures_;  // that were told, by Lease; "": of looking at all
  std::set<std::string> renewing_;               // Leases that a request is under way for
  bool preparing_ = false;
  std::uint64_t lastNumber_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::set<std::string> instances_;
  std::map<std::string, Holding> holdings_;
  std::map<std::string, std::string> others_;  // who holds each Lease that is not free nor ours
};

}  // namespace rookery::kubernetes
