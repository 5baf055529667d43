#include "kubernetes/cluster_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "api/status.h"
#include "kubernetes/coroutine.h"

namespace rookery::kubernetes {

using nlohmann::json;
using reconcile::Entry;

namespace {

constexpr int attempts = 5;
constexpr std::chrono::milliseconds letGoInterval{1'000};
/// An annotation must not grow for ever.
constexpr std::size_t maxTombstones = 200;

bool isOurs(const Entry& entry) { return entry.root == clusterRoot; }

bool sameUnikernel(const Entry& a, const Entry& b) { return a.serverKey == b.serverKey && a.name == b.name; }

void remove(std::vector<Entry>& entries, const Entry& entry) {
  std::erase_if(entries, [&](const Entry& each) { return sameUnikernel(each, entry); });
}

/// In place of what was there of it; new ones last.
void put(std::vector<Entry>& entries, const Entry& entry) {
  const auto found =
      std::ranges::find_if(entries, [&](const Entry& each) { return sameUnikernel(each, entry); });
  if (found == entries.end()) {
    entries.push_back(entry);
  } else {
    *found = entry;
  }
}

std::string targetOf(const api::ObjectKey& key) {
  return pathOf(groupOf(key.kind), pluralOf(key.kind), key.nameSpace, key.name);
}

/// The merge patch that gives an object these entries; its finalizer stands as long as a Unikernel has any.
json patchOf(const CachedObject& cached, const std::vector<Entry>& entries) {
  const bool unikernel = cached.key.kind == api::Kind::Unikernel;
  // Of this version: another instance's loop, here or in another replica, may have changed the list since.
  json metadata = {{"uid", cached.meta.uid}, {"resourceVersion", cached.meta.resourceVersion}};
  metadata["annotations"][std::string(unikernel ? inventoryAnnotation : tombstonesAnnotation)] =
      entries.empty() ? json() : json(toAnnotation(entries));
  if (unikernel && cached.meta.hasFinalizer(api::finalizer) == entries.empty()) {
    std::vector<std::string> finalizers = cached.meta.finalizers;
    if (entries.empty()) {
      std::erase(finalizers, api::finalizer);
    } else {
      finalizers.emplace_back(api::finalizer);
    }
    metadata["finalizers"] = finalizers;
  }
  return {{"metadata", std::move(metadata)}};
}

/// Whether an object waits only for its finalizer: nothing of it is ours, or somebody does not want to wait.
bool mayGo(const CachedObject& cached) {
  if (cached.key.kind != api::Kind::Unikernel || !cached.meta.deletionTimestamp ||
      !cached.meta.hasFinalizer(api::finalizer))
    return false;
  const auto release = cached.meta.annotations.find(std::string(releaseAnnotation));
  const bool released = release != cached.meta.annotations.end() && release->second == "true";
  return released || cached.entries.empty();
}

std::unexpected<Error> unwritable(const api::ObjectKey& key, const std::string& why) {
  return fail(Reason::StateUnwritable,
              fmt::format("What is ours of {} cannot be written down on it: {} Nothing is sent to a server "
                          "that could not be remembered.",
                          key.toString(), why));
}

}  // namespace

ClusterState::ClusterState(Client& client, ObjectCache& cache, reconcile::State& others,
                           std::function<bool(const std::string& instance)> mayWrite)
    : client_(client), cache_(cache), others_(others), mayWrite_(std::move(mayWrite)) {}

std::vector<Entry> ClusterState::entries() const {
  std::vector<Entry> all = others_.entries();
  std::ranges::move(cache_.entries(), std::back_inserter(all));
  return all;
}

reconcile::Inventory ClusterState::inventoryOf(const std::string& serverKey) const {
  reconcile::Inventory inventory = cache_.inventoryOf(serverKey);
  inventory.merge(others_.inventoryOf(serverKey));
  return inventory;
}

// What is passed to a coroutine has a name here: g++ 12 ends the life of some temporaries in a co_await
// twice.

asio::awaitable<Result<void>> ClusterState::record(Entry entry) {
  if (!isOurs(entry)) co_return co_await others_.record(std::move(entry));
  if (!mayWrite_(entry.instance)) co_return unwritable(entry.object, "another controller has taken over.");
  if (!entry.destroyedAt) {
    const Edit keep = [&entry](Entries& entries) { put(entries, entry); };
    co_return co_await edit(entry.object, keep, true);
  }
  const Edit bury = [&entry](Entries& entries) {
    put(entries, entry);
    if (entries.size() > maxTombstones) entries.erase(entries.begin());
  };
  const api::ObjectKey instance{api::Kind::AlbatrossInstance, "", entry.instance};
  const Result<void> buried = co_await edit(instance, bury, false);
  if (!buried) co_return buried;
  const Edit drop = [&entry](Entries& entries) { remove(entries, entry); };
  co_return co_await edit(entry.object, drop, false);
}

asio::awaitable<Result<void>> ClusterState::discard(Entry entry) {
  if (!isOurs(entry)) co_return co_await others_.discard(std::move(entry));
  const Edit drop = [&entry](Entries& entries) { remove(entries, entry); };
  api::ObjectKey place = entry.object;
  if (entry.destroyedAt) place = {api::Kind::AlbatrossInstance, "", entry.instance};
  co_return co_await edit(place, drop, false);
}

/// Changes the entries that an object keeps, as often as somebody else changes it at the same time. Of an
/// object that is gone nothing needs to be changed, unless it must exist.
asio::awaitable<Result<void>> ClusterState::edit(api::ObjectKey key, Edit edit, bool mustExist) {
  Failure failure;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const CachedObjectPtr cached = cache_.find(key);
    if (cached == nullptr) {
      if (mustExist) co_return unwritable(key, "it does not exist any more.");
      co_return Result<void>{};
    }
    Entries entries = cached->entries;
    edit(entries);
    const bool settled =
        key.kind != api::Kind::Unikernel || cached->meta.hasFinalizer(api::finalizer) != entries.empty();
    if (entries == cached->entries && settled) co_return Result<void>{};
    const std::string target = targetOf(key);
    const json patch = patchOf(*cached, entries);
    const auto answer = co_await client_.patch(target, patch);
    if (answer) {
      cache_.applyOurs(key.kind, *answer);
      co_return Result<void>{};
    }
    failure = answer.error();
    if (!failure.conflict() && !failure.notFound()) break;
    const auto fresh = co_await client_.get(target);
    if (fresh) {
      cache_.apply(key.kind, *fresh);
    } else if (fresh.error().notFound()) {
      cache_.remove(key);
    }
  }
  co_return unwritable(key, failure.message);
}

std::optional<bool> ClusterState::restartChangesMemory(const std::string& serverKey) const {
  return others_.restartChangesMemory(serverKey);
}

void ClusterState::setRestartChangesMemory(const std::string& serverKey, bool changes) {
  others_.setRestartChangesMemory(serverKey, changes);
}

api::Identity ClusterState::identify(const api::ObjectKey& key, const std::string& specDigest,
                                     api::SystemTime now) {
  const CachedObjectPtr cached = cache_.find(key);
  if (cached == nullptr) return others_.identify(key, specDigest, now);
  return {cached->meta.uid, cached->meta.creationTimestamp, cached->meta.deletionTimestamp,
          cached->meta.generation};
}

asio::awaitable<void> ClusterState::letGo() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    for (const CachedObjectPtr& cached : cache_.list()) {
      if (!mayGo(*cached) || !mayWrite_("")) continue;
      const api::ObjectKey key = cached->key;
      const Edit clear = [](Entries& entries) { entries.clear(); };
      (void)co_await edit(key, clear, false);
    }
    co_await pause(letGoInterval);
    if (co_await cancelled()) co_return;
  }
}

}  // namespace rookery::kubernetes
