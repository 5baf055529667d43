#include "kubernetes/leases.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "kubernetes/coroutine.h"
#include "kubernetes/object_meta.h"
#include "kubernetes/reflector.h"

namespace rookery::kubernetes {

using nlohmann::json;

namespace {

constexpr std::string_view group = "coordination.k8s.io/v1";
/// Leases of members and instances that nobody needs any more are removed after so many durations.
constexpr int forgetAfter = 40;
/// So many Leases are written at the same time, that a slow server does not let deadlines pass.
constexpr std::size_t atOnce = 8;
constexpr std::chrono::hours forever{24 * 365};

json ifStill(const std::string& version) {
  return {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"preconditions", {{"resourceVersion", version}}}};
}

}  // namespace

/// Coroutines that run beside the one that starts them, on its strand, and have ended before it goes on from
/// join().
class Leases::Tasks {
 public:
  explicit Tasks(const asio::any_io_executor& executor) : event_(executor) {}

  using Work = std::function<asio::awaitable<void>()>;

  void start(Work work) {
    const auto signal = std::make_shared<asio::cancellation_signal>();
    running_.insert(signal);
    const auto done = [this, signal](const std::exception_ptr& failure) {
      check(!failure, "a coroutine that works on Leases does not throw");
      running_.erase(signal);
      wake();
    };
    asio::co_spawn(event_.get_executor(), withoutThrowing(std::move(work)),
                   asio::bind_cancellation_slot(signal->slot(), done));
  }

  void wake() { event_.cancel(); }

  /// Until wake(), the end of a task, the time or the caller's cancellation, whichever comes first.
  asio::awaitable<void> wait(std::chrono::milliseconds time) {
    event_.expires_after(time);
    (void)co_await event_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  void cancel() const {
    const auto running = running_;
    for (const auto& signal : running) signal->emit(asio::cancellation_type::terminal);
  }

  /// Waits for the end of all; cancels them when the caller is cancelled.
  asio::awaitable<void> join() {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!running_.empty()) {
      const bool over = co_await cancelled();
      if (over) cancel();
      co_await wait(forever);
    }
  }

 private:
  static asio::awaitable<void> withoutThrowing(Work work) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await work();
  }

  asio::steady_timer event_;
  std::set<std::shared_ptr<asio::cancellation_signal>> running_;
};

Leases::Leases(Client& client, Options options)
    : client_(client),
      options_(std::move(options)),
      news_(options_.nameSpace, options_.identity, options_.inform) {}

void Leases::setInstances(std::set<std::string> instances) {
  const std::lock_guard lock(mutex_);
  instances_ = std::move(instances);
}

BootClock::time_point BootClock::now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

bool Leases::counts(const Holding& holding) const {
  return holding.prepared && !holding.releasing && Clock::now() < holding.renewed + options_.renewDeadline;
}

bool Leases::holds(const std::string& instance) const {
  const std::string& name = instance.empty() || !options_.shard ? options_.name : instanceLease(instance);
  const std::lock_guard lock(mutex_);
  const auto found = holdings_.find(name);
  return found != holdings_.end() && counts(found->second);
}

std::map<std::string, bool> Leases::held() const {
  std::map<std::string, bool> all = {{options_.name, false}};
  const std::lock_guard lock(mutex_);
  for (const auto& [name, holding] : holdings_) {
    if (name != memberLease()) all[name] = counts(holding);
  }
  return all;
}

std::optional<std::string> Leases::holderElsewhere(const std::string& instance) const {
  const std::string name = options_.shard ? instanceLease(instance) : options_.name;
  if (holds(instance)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = others_.find(name);
  return found == others_.end() ? std::nullopt : std::optional(found->second);
}

std::set<std::string> Leases::holdingsThat(const std::function<bool(const Holding&)>& wanted) const {
  std::set<std::string> names;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, holding] : holdings_) {
    if (wanted(holding)) names.insert(name);
  }
  return names;
}

/// Nothing here waits for a request: whatever hangs, what can be renewed is, and what cannot is dropped in
/// time.
asio::awaitable<void> Leases::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Tasks tasks(executor);
  tasks.start([this, &tasks] { return follow(tasks); });
  for (;;) {
    dropExpired();
    startRenewing(tasks);
    startPreparing(tasks);
    if (news_.wait()) tasks.start([this] { return news_.publish(client_); });
    if (co_await cancelled()) break;
    co_await tasks.wait(options_.retryPeriod / 8);
    if (co_await cancelled()) break;
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  tasks.cancel();
  co_await tasks.join();
  co_await releaseAll();
}

asio::awaitable<void> Leases::follow(Tasks& tasks) {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    co_await tick();
    tasks.wake();
    if (co_await cancelled()) break;
    // A part of the period at random, so that replicas do not try for the same at the same time.
    const auto time = options_.retryPeriod / 2 + retryDelay(0, options_.retryPeriod / 4);
    co_await pause(time);
    if (co_await cancelled()) break;
  }
}

/// Looks at all Leases, and takes and gives back what follows from it.
asio::awaitable<void> Leases::tick() {
  std::set<std::string> unneeded = holdingsThat([](const Holding& each) { return each.releasing; });
  std::erase_if(unneeded, [&](const std::string& name) { return renewing_.contains(name); });
  co_await forEach(std::move(unneeded), &Leases::release);
  if (!options_.shard && holds("")) co_return;
  const auto observed = co_await observe();
  if (co_await cancelled()) co_return;
  if (!observed) {
    tell("", observed.error().message);
    co_return;
  }
  failures_.erase("");
  noteHolders();
  std::set<std::string> names = wanted();
  co_await forEach(std::move(names), &Leases::acquire);
  noteLeader();
  if (options_.shard && holds("")) co_await forgetOld();
}

/// Does the work for several Leases at a time; ends early when it is cancelled.
asio::awaitable<void> Leases::forEach(std::set<std::string> leases, Work work) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Tasks tasks(executor);
  const std::size_t workers = std::min(atOnce, leases.size());
  for (std::size_t i = 0; i < workers; ++i)
    tasks.start([this, &leases, work] { return workOff(leases, work); });
  co_await tasks.join();
}

asio::awaitable<void> Leases::workOff(std::set<std::string>& leases, Work work) {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!leases.empty()) {
    if (co_await cancelled()) co_return;
    const std::string next = std::move(leases.extract(leases.begin()).value());
    co_await (this->*work)(next);
  }
}

asio::awaitable<Answer<void>> Leases::observe() {
  const std::string path = target();
  const auto asked = Clock::now();
  const auto listing = co_await listAll(client_, path);
  if (!listing) co_return std::unexpected(listing.error());
  std::map<std::string, Record> records;
  const auto now = Clock::now();
  for (const json& lease : listing->objects) {
    const ObjectMeta meta = ObjectMeta::of(lease);
    if (meta.name != options_.name && !meta.name.starts_with(options_.name + "-instance-") &&
        !meta.name.starts_with(options_.name + "-member-"))
      continue;
    const json& spec = memberOf(lease, "spec");
    const auto before = records_.find(meta.name);
    if (before != records_.end() && before->second.seen >= asked) {
      records[meta.name] = before->second;  // renewed since: what was listed may be older
      continue;
    }
    const bool same = before != records_.end() && before->second.version == meta.resourceVersion;
    records[meta.name] = {textAt(spec, "holderIdentity"), meta.resourceVersion, lease,
                          same ? before->second.seen : now,
                          std::chrono::seconds(numberAt(spec, "leaseDurationSeconds"))};
  }
  records_ = std::move(records);
  co_return Answer<void>{};
}

bool Leases::isFree(const Record& record, Clock::time_point now) const {
  // Our own from before, or one that we lost and nobody took: it is ours to take.
  return record.holder.empty() || record.holder == options_.identity || now >= record.seen + record.duration;
}

Shards Leases::shards(Clock::time_point now) {
  Shards shards;
  const std::string prefix = options_.name + "-member-";
  const auto lives = [&](const Record& record) {
    return !record.holder.empty() && now < record.seen + record.duration;
  };
  for (const auto& [name, record] : records_) {
    if (name.starts_with(prefix) && lives(record)) shards.members.insert(record.holder);
  }
  const std::lock_guard lock(mutex_);
  for (const std::string& instance : instances_) {
    const auto record = records_.find(instanceLease(instance));
    shards.holders[instance] = record != records_.end() && lives(record->second) ? record->second.holder : "";
  }
  return shards;
}

/// The Leases that this replica should try for now. Begins to give back what others are to have.
std::set<std::string> Leases::wanted() {
  const auto now = Clock::now();
  std::set<std::string> names = {options_.name};
  bool released = false;
  if (options_.shard) {
    names.insert(memberLease());
    const ShardMoves moves = balance(shards(now), options_.identity);
    for (const std::string& instance : moves.acquire) names.insert(instanceLease(instance));
    const std::string prefix = instanceLease("");
    const std::lock_guard lock(mutex_);
    for (auto& [name, holding] : holdings_) {
      if (!name.starts_with(prefix)) continue;
      const std::string instance = name.substr(prefix.size());
      if (!moves.release.contains(instance) && instances_.contains(instance)) continue;
      if (!std::exchange(holding.releasing, true)) released = true;
    }
  }
  std::erase_if(names, [&](const std::string& name) {
    const auto record = records_.find(name);
    const std::lock_guard lock(mutex_);
    return holdings_.contains(name) || renewing_.contains(name) ||
           (record != records_.end() && !isFree(record->second, now));
  });
  if (released) options_.changed();
  return names;
}

void Leases::noteHolders() {
  std::map<std::string, std::string> others;
  const auto now = Clock::now();
  for (const auto& [name, record] : records_) {
    if (!isFree(record, now)) others.emplace(name, record.holder);
  }
  const std::lock_guard lock(mutex_);
  others_ = std::move(others);
}

/// Who holds the Lease that makes the leader, where that is not this replica.
void Leases::noteLeader() {
  const auto record = records_.find(options_.name);
  if (record == records_.end() || isFree(record->second, Clock::now())) return;
  news_.standsBy(options_.name, record->second.holder);
}

/// What is commanded by who holds it; empty: nothing is.
std::string Leases::commandedBy(const std::string& lease) const {
  if (lease == memberLease()) return {};
  if (lease == options_.name) return options_.shard ? "what is on no instance" : "all instances";
  return "AlbatrossInstance " + lease.substr(instanceLease("").size());
}

std::string Leases::target(const std::string& name) const {
  return pathOf(group, "leases", options_.nameSpace, name);
}

json Leases::leaseOf(const std::string& name, const std::string& holder, const Record* before) const {
  const std::string now = toMicroTime(std::chrono::system_clock::now());
  json lease = before != nullptr ? before->lease : json::object();
  lease["apiVersion"] = group;
  lease["kind"] = "Lease";
  lease["metadata"]["name"] = name;
  lease["metadata"]["namespace"] = options_.nameSpace;
  lease["metadata"]["labels"]["app.kubernetes.io/name"] = "rookery";
  json& spec = lease["spec"];
  const bool taken = before == nullptr || before->holder != holder;
  spec["holderIdentity"] = holder;
  spec["leaseDurationSeconds"] =
      holder.empty() ? 1 : std::chrono::ceil<std::chrono::seconds>(options_.duration).count();
  spec["renewTime"] = now;
  if (taken) {
    spec["acquireTime"] = now;
    spec["leaseTransitions"] = numberAt(spec, "leaseTransitions") + (before == nullptr ? 0 : 1);
  }
  return lease;
}

asio::awaitable<void> Leases::acquire(std::string name) {
  const auto record = records_.find(name);
  const Record* before = record == records_.end() ? nullptr : &record->second;
  const auto start = Clock::now();
  const json lease = leaseOf(name, options_.identity, before);
  const std::string path = target(before == nullptr ? "" : name);
  Answer<json> answer;
  if (before == nullptr) {
    answer = co_await client_.create(path, lease);
  } else {
    answer = co_await client_.replace(path, lease);
  }
  if (!answer) {
    const bool over = co_await cancelled();
    if (!over && !answer.error().conflict()) tell(name, answer.error().message);
    co_return;
  }
  failures_.erase(name);
  records_[name] = {options_.identity, ObjectMeta::of(*answer).resourceVersion, *answer, Clock::now(),
                    options_.duration};
  const std::lock_guard lock(mutex_);
  holdings_[name] = {.number = ++lastNumber_, .renewed = start, .nextTry = start + 2 * options_.retryPeriod};
}

/// Begins to renew what is due: first what is nearest to its deadline.
void Leases::startRenewing(Tasks& tasks) {
  const auto now = Clock::now();
  std::vector<std::pair<Clock::time_point, std::string>> due;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, holding] : holdings_) {
      if (!holding.releasing && holding.nextTry <= now && !renewing_.contains(name))
        due.emplace_back(holding.renewed, name);
    }
  }
  std::ranges::sort(due);
  for (const auto& [renewed, name] : due) {
    if (renewing_.size() >= atOnce) break;
    renewing_.insert(name);
    tasks.start([this, each = name] { return renew(each); });
  }
}

asio::awaitable<void> Leases::renew(std::string name) {
  co_await replaceOwn(name);
  renewing_.erase(name);
}

/// Notes a try to renew: one that has succeeded, or one that begins and may not.
void Leases::noteTry(const std::string& name, Clock::time_point start, bool renewed) {
  const std::lock_guard lock(mutex_);
  const auto holding = holdings_.find(name);
  if (holding == holdings_.end()) return;
  holding->second.nextTry = start + (renewed ? 2 : 1) * options_.retryPeriod;
  if (renewed) holding->second.renewed = start;
}

/// What could not be renewed stays until its deadline: it may only have been the network.
asio::awaitable<void> Leases::replaceOwn(std::string name) {
  const auto before = records_.find(name);
  if (before == records_.end() || before->second.holder != options_.identity) co_return drop(name);
  const auto start = Clock::now();
  noteTry(name, start, false);
  const std::string path = target(name);
  const json lease = leaseOf(name, options_.identity, &before->second);
  auto answer = co_await client_.replace(path, lease);
  const bool renewed = answer.has_value();
  if (!renewed && (answer.error().conflict() || answer.error().notFound())) {
    // Somebody has written it. Where that was an earlier answer of ours which got lost, it is still ours.
    answer = co_await client_.get(path);
    if (!answer && answer.error().notFound()) co_return drop(name);
  }
  if (!answer) {
    const bool over = co_await cancelled();
    if (!over) tell(name, answer.error().message);
    co_return;
  }
  const std::string holder = textAt(memberOf(*answer, "spec"), "holderIdentity");
  records_[name] = {holder, ObjectMeta::of(*answer).resourceVersion, *answer, Clock::now(),
                    options_.duration};
  if (holder != options_.identity) co_return drop(name);
  if (!renewed) co_return;
  failures_.erase(name);
  noteTry(name, start, true);
}

void Leases::startPreparing(Tasks& tasks) {
  if (preparing_ || holdingsThat([](const Holding& each) { return !each.prepared; }).empty()) return;
  preparing_ = true;
  tasks.start([this] { return prepareNew(); });
}

/// What was taken before this began is ours once it is known what the one before us wrote.
asio::awaitable<void> Leases::prepareNew() {
  std::set<std::uint64_t> taken;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, holding] : holdings_) taken.insert(holding.number);
  }
  bool prepared = true;
  if (options_.prepare) prepared = co_await options_.prepare();
  const bool over = co_await cancelled();
  if (prepared) {
    std::set<std::string> gained;
    {
      const std::lock_guard lock(mutex_);
      for (auto& [name, holding] : holdings_) {
        if (!taken.contains(holding.number) || std::exchange(holding.prepared, true)) continue;
        if (name != memberLease()) gained.insert(name);
      }
    }
    for (const std::string& name : gained) news_.gained(name, commandedBy(name));
    options_.changed();
  } else if (!over) {
    co_await pause(options_.retryPeriod);
  }
  preparing_ = false;
}

/// What goes on failing is said once.
void Leases::tell(const std::string& about, const std::string& failure) {
  if (std::exchange(failures_[about], failure) != failure) options_.warn(failure);
}

void Leases::drop(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    const auto held = holdings_.extract(name);
    if (held.empty()) return;
    if (held.mapped().prepared && name != memberLease()) news_.lost(name, commandedBy(name));
  }
  options_.changed();
}

void Leases::dropExpired() {
  const auto last = Clock::now() - options_.renewDeadline;
  const auto expired =
      holdingsThat([&](const Holding& each) { return !each.releasing && each.renewed <= last; });
  for (const std::string& name : expired) {
    options_.warn(fmt::format("The Lease {} could not be renewed in time and is given up.", name));
    drop(name);
  }
}

/// Gives back a Lease that nothing is commanded by any more.
asio::awaitable<void> Leases::release(std::string name) {
  const auto record = records_.find(name);
  if (record != records_.end() && record->second.holder == options_.identity) {
    const std::string path = target(name);
    if (name == memberLease()) {
      const json unconditionally;
      (void)co_await client_.remove(path, unconditionally);
    } else {
      const json lease = leaseOf(name, "", &record->second);
      (void)co_await client_.replace(path, lease);
    }
  }
  const bool over = co_await cancelled();
  if (!over) drop(name);
}

/// The end of run(): it does not wait for long where nobody answers, as others take the Leases then when they
/// run out.
asio::awaitable<void> Leases::releaseAll() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, holding] : holdings_) holding.releasing = true;
  }
  options_.changed();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Tasks tasks(executor);
  const std::set<std::string> all = holdingsThat([](const Holding&) { return true; });
  tasks.start([this, &all]() -> asio::awaitable<void> {
    co_await forEach(all, &Leases::release);
    co_await news_.publish(client_);
  });
  co_await tasks.wait(2 * options_.retryPeriod);
  tasks.cancel();
  co_await tasks.join();
}

/// Members that have died and instances that are not declared any more leave their Leases behind.
asio::awaitable<void> Leases::forgetOld() {
  const auto now = Clock::now();
  std::vector<std::pair<std::string, std::string>> old;
  {
    const std::lock_guard lock(mutex_);
    const std::string members = options_.name + "-member-", instances = instanceLease("");
    for (const auto& [name, record] : records_) {
      const bool dead = now >= record.seen + forgetAfter * options_.duration;
      const bool undeclared = name.starts_with(instances) && isFree(record, now) &&
                              !instances_.contains(name.substr(instances.size()));
      if ((name.starts_with(members) && dead) || undeclared) old.emplace_back(name, record.version);
    }
  }
  for (const auto& [name, version] : old) {
    if (co_await cancelled()) co_return;
    const std::string path = target(name);
    const json condition = ifStill(version);
    (void)co_await client_.remove(path, condition);
  }
}

}  // namespace rookery::kubernetes
