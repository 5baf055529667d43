#include "kubernetes/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "api/conditions.h"
#include "kubernetes/coroutine.h"
#include "kubernetes/reflector.h"
#include "kubernetes/status.h"
#include "reconcile/combined_status.h"
#include "sentence.h"

namespace rookery::kubernetes {

using nlohmann::json;
using reconcile::EventCache;

namespace {

constexpr std::chrono::milliseconds interval{250};
/// How long a status that will change by itself is not written.
constexpr std::chrono::milliseconds passingDelay{1'000};
/// Events are told as far as the API server keeps up; older ones are left out.
constexpr std::size_t maxEvents = 500;
/// The longest pause before a status is tried again that the API server does not take.
constexpr std::chrono::minutes longestPause{1};
/// How long one kind of failure is not told again, at first and at last.
constexpr std::chrono::minutes firstSilence{1}, longestSilence{60};

/// Keeps the time of a condition that stands as it stood.
api::Status stalled(const CachedObject& cached, const Error& error) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  api::Status status = statusFromJson(cached.status).value_or(api::Status());
  std::vector<api::Condition> conditions = api::stalledConditions(error, now);
  api::keepTransitions(status, conditions);
  status.observedGeneration = cached.meta.generation;
  status.conditions = std::move(conditions);
  return status;
}

json eventOf(const reconcile::Event& event) {
  json object = reconcile::toJson(event);
  for (const char* member : {"uid", "resourceVersion", "creationTimestamp"}) object["metadata"].erase(member);
  return object;
}

json countOf(const reconcile::Event& event) {
  return {{"count", event.count}, {"lastTimestamp", api::toRfc3339(event.lastTimestamp)}};
}

/// Whether an answer is not about the object that was to be written: the next one would fare no better now.
bool isOutage(const Failure& failure) {
  return failure.code == 0 || failure.code == 429 || failure.code == 503;
}

/// Of this version, where several processes write one status.
json statusPatch(const CachedObject& cached, json status, bool shared) {
  json metadata = {{"uid", cached.meta.uid}};
  if (shared) metadata["resourceVersion"] = cached.meta.resourceVersion;
  return {{"metadata", std::move(metadata)}, {"status", std::move(status)}};
}

}  // namespace

Writer::Writer(Client& client, ObjectCache& cache, const reconcile::ObjectStore& objects,
               const EventCache& events, std::function<bool()> leads,
               std::function<void(const std::string& message)> warn)
    : client_(client),
      cache_(cache),
      objects_(objects),
      events_(events),
      leads_(std::move(leads)),
      warn_(std::move(warn)) {}

void Writer::scanned(const source::Snapshot& snapshot) {
  std::map<api::ObjectKey, Error> problems;
  for (const api::Problem& problem : snapshot.problems) {
    if (!problem.object || problem.origin.root != clusterRoot) continue;
    const std::string field = problem.field.empty() ? "" : problem.field + ": ";
    const auto [it, first] =
        problems.try_emplace(*problem.object, Error{problem.reason, field + problem.message});
    if (!first) it->second.message += "; " + field + problem.message;
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [key, error] : problems) {
    const auto before = problems_.find(key);
    if (before == problems_.end() || before->second != error) concerned_.insert(key);
  }
  for (const auto& [key, error] : problems_) {
    if (!problems.contains(key)) concerned_.insert(key);
  }
  problems_ = std::move(problems);
}

/// Adds to what has to be looked at: what has changed since the last time.
void Writer::collect() {
  const auto changes = objects_.after(seen_, std::chrono::steady_clock::now());
  if (changes) {
    seen_ = changes->resourceVersion;
    for (const auto& change : changes->changes) note(*change.after);
  } else {  // too much has happened
    seen_ = objects_.resourceVersion();
    for (const auto& view : objects_.list()) note(*view);
  }
  if (!leads_()) return;
  const std::lock_guard lock(mutex_);
  for (const api::ObjectKey& key : std::exchange(concerned_, {})) pending_.try_emplace(key);
}

/// What is on its way somewhere is often there before anybody has read that it goes.
void Writer::note(const reconcile::ObjectView& view) {
  const bool passing = view.status.condition(api::Condition::Type::Reconciling) != nullptr;
  const auto now = std::chrono::steady_clock::now();
  const auto [pending, first] = pending_.try_emplace(view.object->key());
  pending->second.passing = passing;
  if (first && passing) pending->second.notBefore = now + passingDelay;
  if (!passing && pending->second.failures == 0) pending->second.notBefore = now;
}

std::optional<api::Status> Writer::statusOf(const CachedObject& cached) const {
  if (leads_()) {
    const std::lock_guard lock(mutex_);
    if (const auto problem = problems_.find(cached.key); problem != problems_.end())
      return stalled(cached, problem->second);
  }
  const auto view = objects_.find(cached.key);
  if (view == nullptr || !view->ours) return std::nullopt;
  const auto told = view->oursOn.empty() ? std::nullopt : statusFromJson(cached.status);
  if (!told) return view->status;
  // Other processes have told how it stands on the instances that are theirs.
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  api::Status status = reconcile::combinedStatus(view->status, *told, view->oursOn, now);
  api::keepTransitions(view->status, status.conditions);
  return status;
}

asio::awaitable<void> Writer::writeStatuses() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    collect();
    const Answer<void> done = co_await writeDue();
    std::chrono::milliseconds time = interval;
    if (!done) time = std::max<std::chrono::milliseconds>(retryDelay(outages_++), done.error().retryAfter);
    co_await pause(time);
    if (co_await cancelled()) co_return;
  }
}

/// What failed least comes first: one that is never answered must not keep another waiting each time.
std::vector<api::ObjectKey> Writer::due(bool passing) const {
  const auto now = std::chrono::steady_clock::now();
  std::vector<api::ObjectKey> keys;
  for (const auto& [key, attempt] : pending_) {
    if (attempt.passing == passing && attempt.notBefore <= now) keys.push_back(key);
  }
  std::ranges::stable_sort(keys, {}, [&](const api::ObjectKey& key) { return pending_.at(key).failures; });
  return keys;
}

/// What passes comes after what stays, and at leisure: there may soon be more of that. A failure: there is no
/// use in going on now.
asio::awaitable<Answer<void>> Writer::writeDue() {
  using asio::experimental::awaitable_operators::operator&&;
  Batch staying{.keys = due(false)};
  co_await (drain(staying) && drain(staying) && drain(staying) && drain(staying));
  if (staying.outage) co_return std::unexpected(*staying.outage);
  Batch passing{.keys = due(true), .until = std::chrono::steady_clock::now() + interval};
  co_await drain(passing);
  if (passing.outage) co_return std::unexpected(*passing.outage);
  co_return Answer<void>{};
}

/// Writes one after the other until there is none left, or no time.
asio::awaitable<void> Writer::drain(Batch& batch) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto goesOn = [&batch] { return !batch.outage && std::chrono::steady_clock::now() < batch.until; };
  while (batch.next < batch.keys.size() && goesOn()) {
    const api::ObjectKey& key = batch.keys[batch.next++];
    const Answer<void> done = co_await write(key);
    if (co_await cancelled()) co_return;
    if (done) {
      written(key);
      continue;
    }
    postpone(key, done.error());
    if (isOutage(done.error())) {
      batch.outage = done.error();
    } else {
      outages_ = 0;
    }
  }
}

void Writer::written(const api::ObjectKey& key) {
  const auto attempt = pending_.find(key);
  const bool failed = attempt->second.failures > 0;
  pending_.erase(attempt);
  if (!failed) return;
  const bool all = std::ranges::all_of(pending_, [](const auto& item) { return item.second.failures == 0; });
  if (all) told_.clear();
}

/// Also where the API server did not answer: that may be because of this object.
void Writer::postpone(const api::ObjectKey& key, const Failure& failure) {
  Attempt& attempt = pending_[key];
  const auto delay = retryDelay(attempt.failures++, std::chrono::milliseconds(800), longestPause);
  attempt.notBefore = std::chrono::steady_clock::now() + delay;
  tell("Status", failure);
}

/// A failure: it has to be tried again.
asio::awaitable<Answer<void>> Writer::write(api::ObjectKey key) {
  if (key.kind == api::Kind::Secret) co_return Answer<void>{};
  const std::string object = pathOf(groupOf(key.kind), pluralOf(key.kind), key.nameSpace, key.name);
  const std::string target = object + "/status";
  constexpr int attempts = 5;  // another process may write at the same time
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const CachedObjectPtr cached = cache_.find(key);
    if (cached == nullptr) co_return Answer<void>{};
    const auto status = statusOf(*cached);
    if (!status) co_return Answer<void>{};
    json wanted = api::toJson(*status);
    if (key.kind == api::Kind::Unikernel) wanted["restarts"] = status->restarts;  // none is news, too
    if (key.kind == api::Kind::Unikernel) api::addPlacedOn(*status, wanted);
    json change = mergePatch(cached->status.is_object() ? cached->status : json::object(), wanted);
    if (change.is_null()) co_return Answer<void>{};
    const bool shared = !status->placements.empty();
    const json patch = statusPatch(*cached, std::move(change), shared);
    const auto answer = co_await client_.patch(target, patch);
    if (answer) {
      cache_.applyOurs(key.kind, *answer);
      outages_ = 0;
      co_return Answer<void>{};
    }
    // It is gone, or another of its name: there will be news of that.
    if (answer.error().notFound() || (answer.error().conflict() && !shared)) co_return Answer<void>{};
    if (!answer.error().conflict()) co_return std::unexpected(answer.error());
    const auto fresh = co_await client_.get(object);
    if (!fresh) co_return std::unexpected(fresh.error());
    cache_.apply(key.kind, *fresh);
  }
  co_return Answer<void>{};
}

asio::awaitable<void> Writer::writeEvents() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::uint64_t seen = events_.resourceVersion();
  for (;;) {
    auto changes = events_.after(seen, std::chrono::steady_clock::now());
    seen = changes ? changes->resourceVersion : events_.resourceVersion();
    std::vector<EventCache::Change> news;
    if (changes) news = std::move(changes->changes);
    if (news.size() > maxEvents) news.erase(news.begin(), news.end() - maxEvents);
    for (EventCache::Change& change : news) {
      co_await write(std::move(change));
      if (co_await cancelled()) co_return;
    }
    co_await pause(interval);
    if (co_await cancelled()) co_return;
  }
}

asio::awaitable<void> Writer::write(EventCache::Change change) {
  const reconcile::Event& event = *change.after;
  if (change.type == EventCache::Change::Type::Deleted || cache_.find(event.about) == nullptr) co_return;
  const bool added = change.type == EventCache::Change::Type::Added;
  const std::string target = pathOf("v1", "events", event.nameSpace, added ? "" : event.name);
  const json body = added ? eventOf(event) : countOf(event);
  Answer<json> answer;
  if (added) {
    answer = co_await client_.create(target, body);
  } else {
    answer = co_await client_.patch(target, body);
  }
  if (answer || answer.error().notFound() || answer.error().conflict() || answer.error().terminating)
    co_return;
  const bool over = co_await cancelled();
  if (!over) tell("Events", answer.error());
}

void Writer::tell(const std::string& what, const Failure& failure) {
  const auto now = std::chrono::steady_clock::now();
  Telling& telling =
      told_[fmt::format("{} {} {}", what, failure.code, failure.code == 0 ? "" : failure.reason)];
  if (now < telling.next) {
    ++telling.unsaid;
    return;
  }
  const std::string more =
      telling.unsaid == 0 ? "" : fmt::format("({} more failed in the same way.)", telling.unsaid);
  warn_(sentences({fmt::format("{} cannot be written: {}", what, failure.message), more}));
  const auto silence =
      std::min<std::chrono::minutes>(firstSilence * (1 << std::min(telling.times, 6U)), longestSilence);
  telling = {now + silence, telling.times + 1, 0};
}

}  // namespace rookery::kubernetes
