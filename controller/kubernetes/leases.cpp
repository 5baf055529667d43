#include "kubernetes/leases.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <ctime>
#include <utility>

#include "kubernetes/coroutine.h"
#include "kubernetes/object_meta.h"
#include "kubernetes/reflector.h"

namespace rookery::kubernetes {

using nlohmann::json;

namespace {

constexpr std::string_view group = "coordination.k8s.io/v1";
/// Leases of members and instances that nobody needs any more are removed after so many durations.
constexpr int forgetAfter = 40;

json ifStill(const std::string& version) {
  return {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"preconditions", {{"resourceVersion", version}}}};
}

}  // namespace

Leases::Leases(Client& client, Options options) : client_(client), options_(std::move(options)) {}

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

std::vector<std::string> Leases::holdingsThat(const std::function<bool(const Holding&)>& wanted) const {
  std::vector<std::string> names;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, holding] : holdings_) {
    if (wanted(holding)) names.push_back(name);
  }
  return names;
}

asio::awaitable<void> Leases::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    co_await tick();
    if (co_await cancelled()) break;
    // A part of the period at random, so that replicas do not try for the same at the same time.
    co_await pause(options_.retryPeriod / 2 + retryDelay(0, options_.retryPeriod / 4));
    if (co_await cancelled()) break;
    dropExpired();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  for (const std::string& name : holdingsThat([](const Holding&) { return true; })) co_await release(name);
}

/// Keeps what is held, looks at all Leases, and takes and gives back what follows from it.
asio::awaitable<void> Leases::tick() {
  for (const std::string& name : holdingsThat([](const Holding& each) { return each.releasing; }))
    co_await release(name);
  const auto due = Clock::now() - 2 * options_.retryPeriod;
  for (const std::string& name : holdingsThat([&](const Holding& each) { return each.renewed <= due; }))
    co_await renew(name);
  if (!options_.shard && holds("")) co_return;
  const auto observed = co_await observe();
  if (!observed) {
    tell("", observed.error().message);
    co_return;
  }
  failures_.erase("");
  for (const std::string& name : wanted()) co_await acquire(name);
  co_await prepareNew();
  if (options_.shard && holds("")) co_await forgetOld();
}

asio::awaitable<Answer<void>> Leases::observe() {
  const std::string path = target();
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
      holding.releasing = released = true;
    }
  }
  std::erase_if(names, [&](const std::string& name) {
    const auto record = records_.find(name);
    const std::lock_guard lock(mutex_);
    return holdings_.contains(name) || (record != records_.end() && !isFree(record->second, now));
  });
  if (released) options_.changed();
  return names;
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
    if (!answer.error().conflict()) tell(name, answer.error().message);
    co_return;
  }
  failures_.erase(name);
  records_[name] = {options_.identity, ObjectMeta::of(*answer).resourceVersion, *answer, Clock::now(),
                    options_.duration};
  const std::lock_guard lock(mutex_);
  holdings_[name] = {start};
}

/// What could not be renewed stays until its deadline: it may only have been the network.
asio::awaitable<void> Leases::renew(std::string name) {
  const auto record = records_.find(name);
  if (record == records_.end()) co_return drop(name);
  const auto start = Clock::now();
  const std::string path = target(name);
  const json lease = leaseOf(name, options_.identity, &record->second);
  const auto answer = co_await client_.replace(path, lease);
  if (answer) {
    record->second.version = ObjectMeta::of(*answer).resourceVersion;
    record->second.lease = *answer;
    record->second.seen = Clock::now();
    failures_.erase(name);
    const std::lock_guard lock(mutex_);
    if (const auto holding = holdings_.find(name); holding != holdings_.end())
      holding->second.renewed = start;
    co_return;
  }
  if (!answer.error().conflict() && !answer.error().notFound()) {
    const bool over = co_await cancelled();
    if (!over) tell(name, answer.error().message);
    co_return;
  }
  // Somebody has written it. Where that was an earlier answer of ours which got lost, it is still ours.
  const auto now = co_await client_.get(path);
  if (!now) {
    if (now.error().notFound()) drop(name);
    co_return;
  }
  record->second.version = ObjectMeta::of(*now).resourceVersion;
  record->second.lease = *now;
  record->second.holder = textAt(memberOf(*now, "spec"), "holderIdentity");
  if (record->second.holder != options_.identity) drop(name);
}

/// What was just taken is ours once it is known what the one before us wrote.
asio::awaitable<void> Leases::prepareNew() {
  if (holdingsThat([](const Holding& holding) { return !holding.prepared; }).empty()) co_return;
  if (options_.prepare) {
    const bool prepared = co_await options_.prepare();
    if (!prepared) co_return;
  }
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, holding] : holdings_) holding.prepared = true;
  }
  options_.changed();
}

/// What goes on failing is said once.
void Leases::tell(const std::string& about, const std::string& failure) {
  if (std::exchange(failures_[about], failure) != failure) options_.warn(failure);
}

void Leases::drop(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    holdings_.erase(name);
  }
  options_.changed();
}

void Leases::dropExpired() {
  const auto last = Clock::now() - options_.renewDeadline;
  const auto expired = holdingsThat([&](const Holding& holding) { return holding.renewed <= last; });
  for (const std::string& name : expired) {
    options_.warn(fmt::format("The Lease {} could not be renewed in time and is given up.", name));
    drop(name);
  }
}

asio::awaitable<void> Leases::release(std::string name) {
  drop(name);
  const auto record = records_.find(name);
  if (record == records_.end()) co_return;
  const std::string path = target(name);
  if (name == memberLease()) {
    const json unconditionally;
    (void)co_await client_.remove(path, unconditionally);
    co_return;
  }
  const json lease = leaseOf(name, "", &record->second);
  (void)co_await client_.replace(path, lease);
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
    const std::string path = target(name);
    const json condition = ifStill(version);
    (void)co_await client_.remove(path, condition);
  }
}

}  // namespace rookery::kubernetes
