#include "kubernetes/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "api/conditions.h"
#include "kubernetes/coroutine.h"
#include "kubernetes/reflector.h"
#include "kubernetes/status.h"

namespace rookery::kubernetes {

using nlohmann::json;
using reconcile::EventCache;

namespace {

constexpr std::chrono::milliseconds interval{250};
/// Events are told as far as the API server keeps up; older ones are left out.
constexpr std::size_t maxEvents = 500;

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

json statusPatch(const CachedObject& cached, json status) {
  return {{"metadata", {{"uid", cached.meta.uid}}}, {"status", std::move(status)}};
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
    for (const auto& change : changes->changes) pending_.insert(change.after->object->key());
  } else {  // too much has happened
    seen_ = objects_.resourceVersion();
    for (const auto& view : objects_.list()) pending_.insert(view->object->key());
  }
  if (!leads_()) return;
  const std::lock_guard lock(mutex_);
  pending_.merge(std::exchange(concerned_, {}));
}

std::optional<api::Status> Writer::statusOf(const CachedObject& cached) const {
  if (leads_()) {
    const std::lock_guard lock(mutex_);
    if (const auto problem = problems_.find(cached.key); problem != problems_.end())
      return stalled(cached, problem->second);
  }
  const auto view = objects_.find(cached.key);
  if (view == nullptr || !view->ours) return std::nullopt;
  return view->status;
}

asio::awaitable<void> Writer::writeStatuses() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (unsigned failures = 0;;) {
    collect();
    while (!pending_.empty()) {
      const api::ObjectKey key = *pending_.begin();
      const bool done = co_await write(key);
      if (!done) break;
      pending_.erase(key);
      failures = 0;
    }
    co_await pause(pending_.empty() ? interval : retryDelay(failures++));
    if (co_await cancelled()) co_return;
  }
}

/// False: it has to be tried again.
asio::awaitable<bool> Writer::write(api::ObjectKey key) {
  if (key.kind == api::Kind::Secret) co_return true;
  const CachedObjectPtr cached = cache_.find(key);
  if (cached == nullptr) co_return true;
  const auto status = statusOf(*cached);
  if (!status) co_return true;
  json wanted = api::toJson(*status);
  if (key.kind == api::Kind::Unikernel) wanted["restarts"] = status->restarts;  // none is news, too
  json change = mergePatch(cached->status.is_object() ? cached->status : json::object(), wanted);
  if (change.is_null()) co_return true;
  const std::string target =
      pathOf(groupOf(key.kind), pluralOf(key.kind), key.nameSpace, key.name, "/status");
  const json patch = statusPatch(*cached, std::move(change));
  const auto answer = co_await client_.patch(target, patch);
  if (answer) {
    cache_.applyOurs(key.kind, *answer);
    lastFailure_.clear();
    co_return true;
  }
  // It is gone, or another of its name: there will be news of that.
  if (answer.error().notFound() || answer.error().conflict()) co_return true;
  const bool over = co_await cancelled();
  if (!over) tell(fmt::format("Status cannot be written: {}", answer.error().message));
  co_return false;
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
  if (answer || answer.error().notFound() || answer.error().conflict()) co_return;
  const bool over = co_await cancelled();
  if (!over) tell(fmt::format("Events cannot be written: {}", answer.error().message));
}

/// What goes on failing is said once.
void Writer::tell(std::string failure) {
  if (failure == lastFailure_) return;
  warn_(failure);
  lastFailure_ = std::move(failure);
}

}  // namespace rookery::kubernetes
