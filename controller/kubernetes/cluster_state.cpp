#include "kubernetes/cluster_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "api/annotations.h"
#include "api/status.h"
#include "kubernetes/coroutine.h"
#include "kubernetes/reflector.h"
#include "sentence.h"

namespace rookery::kubernetes {

using nlohmann::json;
using plan::Entry;

namespace {

constexpr int attempts = 5;
constexpr std::chrono::milliseconds letGoInterval{1'000};
/// How many bytes of tombstones an instance keeps, the newest: those of 100 unikernels or more.
constexpr std::size_t maxTombstoneBytes = std::size_t{64} << 10;
/// What the API server allows all annotations of an object to take, and what is left free of that for others.
constexpr std::size_t maxAnnotationBytes = std::size_t{256} << 10;
constexpr std::size_t annotationReserve = std::size_t{4} << 10;
/// How many unikernels that are left on an instance are named.
constexpr std::size_t mostNamed = 5;

bool isOurs(const Entry& entry) { return entry.root == clusterRoot; }

/// The same unikernel, or the same volume.
bool sameUnikernel(const Entry& a, const Entry& b) {
  return a.serverKey == b.serverKey && a.name == b.name && a.isVolume() == b.isVolume();
}

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

bool isRecordedFor(const std::string& instance, const std::vector<Entry>& entries) {
  return std::ranges::find(entries, instance, &Entry::instance) != entries.end();
}

std::string targetOf(const api::ObjectKey& key) {
  return pathOf(groupOf(key.kind), pluralOf(key.kind), key.nameSpace, key.name);
}

/// The merge patch that gives an object these entries and the finalizer, or takes it.
json patchOf(const CachedObject& cached, const std::vector<Entry>& entries, bool held) {
  const bool own = hasInventory(cached.key.kind);
  // Of this version: another instance's loop, here or in another replica, may have changed the list since.
  json metadata = {{"uid", cached.meta.uid}, {"resourceVersion", cached.meta.resourceVersion}};
  metadata["annotations"][std::string(own ? inventoryAnnotation : tombstonesAnnotation)] =
      entries.empty() ? json() : json(toAnnotation(entries));
  if (held != cached.held()) {
    std::vector<std::string> finalizers = cached.meta.finalizers;
    const std::string_view finalizer = api::finalizerOf(cached.key.kind);
    if (held) {
      finalizers.emplace_back(finalizer);
    } else {
      std::erase(finalizers, finalizer);
    }
    metadata["finalizers"] = finalizers;
  }
  return {{"metadata", std::move(metadata)}};
}

/// Leaves the newest tombstones that have room beside what others have written on the instance.
void dropOldTombstones(std::vector<Entry>& entries, const CachedObject& cached) {
  std::size_t taken = annotationReserve;
  for (const auto& [key, value] : cached.meta.annotations) {
    if (key != tombstonesAnnotation) taken += key.size() + value.size();
  }
  const std::size_t room =
      std::min(maxTombstoneBytes, maxAnnotationBytes - std::min(maxAnnotationBytes, taken));
  std::size_t size = 0;
  auto first = entries.end();
  while (first != entries.begin()) {
    size += toAnnotation({*std::prev(first)}).size();
    if (size > room) break;
    --first;
  }
  entries.erase(entries.begin(), first);
}

api::ObjectKey instanceKey(const std::string& name) { return {api::Kind::AlbatrossInstance, "", name}; }

std::unexpected<Error> unwritable(const api::ObjectKey& key, const std::string& why) {
  return fail(
      Reason::StateUnwritable,
      sentences({fmt::format("What is ours of {} cannot be written down on it: {}", key.toString(), why),
                 "Nothing is sent to a server that could not be remembered."}));
}

/// "shop/web, shop/api and 3 more"
std::string namesOf(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), mostNamed);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

/// Why an instance is kept that is being deleted: until what, and a sentence on what is in the way.
std::string stays(const std::string& instance, std::string_view until, std::string_view why) {
  return fmt::format(
      "AlbatrossInstance {} is being deleted, and stays until {}: {} To let it go whatever runs there, "
      "annotate it with {}: \"true\".",
      instance, until, why, api::releaseAnnotation);
}

/// Those of these objects of a kind, of any namespace, that are recorded there.
void addRecorded(const std::string& instance, api::Kind kind, const std::vector<json>& objects,
                 std::vector<std::string>& names) {
  for (const json& object : objects) {
    const ObjectMeta meta = ObjectMeta::of(object);
    const std::vector<Entry> entries = entriesOf({kind, meta.nameSpace, meta.name}, meta);
    if (isRecordedFor(instance, entries)) names.push_back(meta.nameSpace + "/" + meta.name);
  }
}

/// The same where these are recorded there.
std::optional<std::string> foundOn(const std::string& instance, const std::vector<std::string>& names) {
  if (names.empty()) return std::nullopt;
  return stays(instance, "nothing of ours is left there", fmt::format("there are still {}.", namesOf(names)));
}

std::unexpected<Error> wasReleased(const api::ObjectKey& key) {
  return fail(Reason::Conflict,
              fmt::format("{} was released: what runs of it is left as it is.", key.toString()));
}

}  // namespace

ClusterState::ClusterState(Client& client, ObjectCache& cache, state::State& others,
                           std::function<bool(const std::string& instance)> mayWrite, Options options)
    : client_(client),
      cache_(cache),
      others_(others),
      mayWrite_(std::move(mayWrite)),
      options_(std::move(options)),
      deferred_(mayWrite_) {}

std::vector<Entry> ClusterState::entries() const {
  std::vector<Entry> all = others_.entries();
  std::ranges::move(cache_.entries(), std::back_inserter(all));
  deferred_.renew(all);
  return all;
}

plan::SharedInventory ClusterState::inventoryOf(const std::string& serverKey) const {
  plan::Inventory inventory = cache_.inventoryOf(serverKey);
  for (const auto& [name, entry] : others_.inventoryOf(serverKey)) inventory.emplace(name, entry);
  deferred_.renew(inventory);
  plan::SharedInventory shared;
  for (auto& [name, entry] : inventory) shared.set(name, std::move(entry));
  return shared;
}

plan::Inventories ClusterState::volumes() const {
  plan::Inventories all = others_.volumes();
  for (auto& [serverKey, volumes] : cache_.volumes()) {
    deferred_.renew(volumes);
    for (auto& [name, entry] : volumes) all[serverKey].set(name, std::move(entry));
  }
  return all;
}

// What is passed to a coroutine has a name here: g++ 12 ends the life of some temporaries in a co_await
// twice.

asio::awaitable<Result<void>> ClusterState::record(Entry entry) {
  deferred_.overtake(entry);
  if (!isOurs(entry)) co_return co_await recordElsewhere(std::move(entry));
  if (entry.destroyedAt) co_return co_await bury(std::move(entry));
  const Change hold = holding(entry.instance);
  const Result<void> held = co_await apply(hold);
  if (!held) co_return held;
  const bool destroys = entry.pending && (entry.pending->verb == plan::Verb::Destroy ||
                                          entry.pending->verb == plan::Verb::DestroyVolume);
  const Change keep{entry.object, entry.instance, [&entry](Kept& kept) { put(kept.entries, entry); }, true,
                    destroys};
  co_return co_await apply(keep);
}

/// Whether its object keeps an entry of the same unikernel.
bool ClusterState::isKept(const Entry& entry) const {
  const CachedObjectPtr cached = cache_.find(entry.object);
  const auto same = [&](const Entry& each) { return sameUnikernel(each, entry); };
  return cached != nullptr && std::ranges::any_of(cached->entries, same);
}

/// A folder declares the object now; the cluster's of that name must not keep what is not its any more.
asio::awaitable<Result<void>> ClusterState::recordElsewhere(Entry entry) {
  const Result<void> recorded = co_await others_.record(entry);
  if (!recorded) co_return recorded;
  if (!isKept(entry)) co_return recorded;
  const Change drop{entry.object, entry.instance, [&entry](Kept& kept) { remove(kept.entries, entry); }};
  co_return co_await apply(drop);
}

/// First the tombstone, then what it is for: neither is ever missing.
asio::awaitable<Result<void>> ClusterState::bury(Entry entry) {
  const auto add = [&entry](Kept& kept) { put(kept.entries, entry); };
  const Change tombstone{instanceKey(entry.instance), entry.instance, add};
  const Result<void> buried = co_await apply(tombstone);
  if (!buried) co_return buried;
  const Change drop{entry.object, entry.instance, [&entry](Kept& kept) { remove(kept.entries, entry); }};
  co_return co_await apply(drop);
}

asio::awaitable<Result<void>> ClusterState::discard(Entry entry) {
  deferred_.overtake(entry);
  if (!isOurs(entry)) co_return co_await others_.discard(std::move(entry));
  Change drop{entry.object, entry.instance, [&entry](Kept& kept) { remove(kept.entries, entry); }};
  if (entry.destroyedAt) drop.object = instanceKey(entry.instance);
  co_return co_await apply(drop);
}

/// A request less for each command whose end is soon followed by a look.
asio::awaitable<Result<void>> ClusterState::recordSoon(Entry entry) {
  // A tombstone stands on another object, which must have it before this one may be let go.
  if (!isOurs(entry) || entry.destroyedAt || !isKept(entry)) co_return co_await record(std::move(entry));
  deferred_.put(std::move(entry), DeferredEntries::Clock::now() + options_.soon);
  co_return Result<void>{};
}

asio::awaitable<void> ClusterState::recordDeferred(Entry entry) {
  Result<void> written;
  if (isKept(entry)) {
    // What has been overtaken by the time of the request is not written over what is newer.
    const auto edit = [this, &entry](Kept& kept) {
      if (const auto newest = deferred_.find(entry)) put(kept.entries, *newest);
    };
    const Change keep{entry.object, entry.instance, edit};
    written = co_await apply(keep);
  }
  if (written) {
    deferred_.written(entry);
  } else {
    deferred_.postpone(entry, DeferredEntries::Clock::now() + options_.soon);
  }
}

asio::awaitable<void> ClusterState::recordDeferred() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const std::vector<Entry> due = deferred_.dueAt(DeferredEntries::Clock::now());
    for (const Entry& entry : due) {
      co_await recordDeferred(entry);
      if (co_await cancelled()) co_return;
    }
    co_await pause(options_.soon / 4);
    if (co_await cancelled()) co_return;
  }
}

/// An instance must not vanish before what is about to be recorded of it.
ClusterState::Change ClusterState::holding(const std::string& instance) {
  return {instanceKey(instance), instance, [](Kept& kept) { kept.held = kept.held || !kept.deleted; }};
}

/// Makes a change as often as somebody else changes the object at the same time, and only while it is this
/// process's to make.
asio::awaitable<Result<void>> ClusterState::apply(Change change) {
  const api::ObjectKey key = change.object;
  Failure failure;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (!mayWrite_(change.instance)) co_return unwritable(key, "another controller has taken over.");
    const CachedObjectPtr cached = cache_.find(key);
    if (cached == nullptr) {
      if (change.mustExist) co_return unwritable(key, "it does not exist any more.");
      co_return Result<void>{};
    }
    const bool held = cached->held();
    Kept kept{cached->entries, held, cached->meta.deletionTimestamp.has_value()};
    if (change.destroys && cached->meta.deletionTimestamp && cached->released) co_return wasReleased(key);
    change.edit(kept);
    if (hasInventory(key.kind)) kept.held = !kept.entries.empty();
    if (key.kind == api::Kind::AlbatrossInstance && kept.entries != cached->entries)
      dropOldTombstones(kept.entries, *cached);
    if (kept.entries == cached->entries && kept.held == held) co_return Result<void>{};
    const std::string target = targetOf(key);
    const json patch = patchOf(*cached, kept.entries, kept.held);
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

std::optional<api::Identity> ClusterState::identityOf(const api::ObjectKey& key) const {
  const CachedObjectPtr cached = cache_.find(key);
  if (cached == nullptr) return others_.identityOf(key);
  return api::Identity{cached->meta.uid, cached->meta.creationTimestamp, cached->meta.deletionTimestamp,
                       cached->meta.generation};
}

/// The instances that something which lives is recorded for.
std::set<std::string> ClusterState::instancesInUse() const {
  std::set<std::string> instances;
  for (const CachedObjectPtr& cached : cache_.list()) {
    if (!hasInventory(cached->key.kind)) continue;
    for (const Entry& entry : cached->entries) instances.insert(entry.instance);
  }
  return instances;
}

/// What has to be changed for the finalizer of an object to stand where it should, and nowhere else.
std::optional<ClusterState::Change> ClusterState::due(const CachedObject& cached,
                                                      const std::set<std::string>& inUse) const {
  const api::ObjectKey& key = cached.key;
  const bool deleted = cached.meta.deletionTimestamp.has_value();
  const bool goes = deleted && cached.held();
  const bool released = cached.released;
  if (hasInventory(key.kind) && goes && (released || isFree(cached)))
    return Change{key, "", [](Kept& kept) { kept.entries.clear(); }};
  if (key.kind != api::Kind::AlbatrossInstance) return std::nullopt;
  const bool used = inUse.contains(key.name);
  if (used && !deleted && !cached.held()) return holding(key.name);
  if (!goes || (used && !released)) return std::nullopt;
  return Change{key, key.name, [this, released, name = key.name](Kept& kept) {
                  kept.held = !released && instancesInUse().contains(name);
                }};
}

/// Whether nothing that runs is its own.
bool ClusterState::isFree(const CachedObject& cached) const {
  return std::ranges::none_of(cached.entries,
                              [&](const Entry& entry) { return cache_.counts(entry, cached.key); });
}

/// Of the Unikernels that are followed here, those that nobody has deleted keep an instance for long; the
/// others say by themselves what they wait for.
std::optional<std::string> ClusterState::declaredOn(const std::string& instance) const {
  std::vector<std::string> names;
  for (const CachedObjectPtr& cached : cache_.list()) {
    const bool there = isRecordedFor(instance, cached->entries);
    if (hasInventory(cached->key.kind) && there && !cached->meta.deletionTimestamp)
      names.push_back(cached->key.nameSpace + "/" + cached->key.name);
  }
  if (names.empty()) return std::nullopt;
  return stays(instance, "nothing of ours is left there",
               fmt::format("there are still {}, which nobody has deleted.", namesOf(names)));
}

/// Whether nothing is left on an instance, of any namespace, as far as that can be known now.
asio::awaitable<bool> ClusterState::mayGo(std::string instance) {
  const auto now = std::chrono::steady_clock::now();
  Question& question = questions_.try_emplace(instance, Question{now, now, false}).first->second;
  if (now < question.next) co_return false;
  question.next = now + options_.questionInterval;
  std::optional<std::string> left;
  std::vector<std::string> names;
  for (const api::Kind kind : {api::Kind::Unikernel, api::Kind::UnikernelVolume}) {
    const std::string path = pathOf(groupOf(kind), pluralOf(kind), "");
    const auto listing = co_await listAll(client_, path);
    if (listing) {
      addRecorded(instance, kind, listing->objects, names);
    } else if (!left &&
               !listing.error().notFound()) {  // else the definition is gone, and all of them with it
      left = unknownOn(instance, listing.error());
      if (left && !std::exchange(question.told, true)) options_.warn(*left);
    }
  }
  if (auto found = foundOn(instance, names)) left = std::move(found);
  const bool goes = !left;
  noteKept(instance, std::move(left));
  co_return goes;
}

/// Where the API server does not tell what is left: nothing, if a look at the server since the deletion has
/// shown none but unikernels that are followed here.
std::optional<std::string> ClusterState::unknownOn(const std::string& instance,
                                                   const Failure& failure) const {
  std::vector<std::string> others;
  bool looked = false;
  {
    const std::lock_guard lock(mutex_);
    const auto look = looks_.find(instance);
    looked = look != looks_.end() && look->second.time > questions_.at(instance).first;
    if (looked)
      std::ranges::set_difference(look->second.namespaces, options_.namespaces, std::back_inserter(others));
  }
  if (looked && others.empty() && failure.forbidden()) return std::nullopt;
  const std::string elsewhere =
      others.empty() ? "" : fmt::format("Something runs there in {}.", namesOf(others));
  return stays(instance,
               "it is known that no unikernel of a namespace that is not followed here is left there",
               sentences({failure.message, elsewhere}));
}

std::optional<std::string> ClusterState::whyKept(const std::string& instance) const {
  const std::lock_guard lock(mutex_);
  const auto kept = kept_.find(instance);
  return kept == kept_.end() ? std::nullopt : std::optional(kept->second);
}

void ClusterState::noteKept(const std::string& instance, std::optional<std::string> why) {
  const std::lock_guard lock(mutex_);
  if (why) {
    kept_.insert_or_assign(instance, *std::move(why));
  } else {
    kept_.erase(instance);
  }
}

/// What was found of instances before that are not `waiting` for their deletion says nothing of others of
/// their names.
void ClusterState::forgetAllBut(const std::set<std::string>& waiting) {
  const auto isOver = [&](const auto& item) { return !waiting.contains(item.first); };
  std::erase_if(questions_, isOver);
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, isOver);
}

void ClusterState::noteRunning(const std::string& instance, std::set<std::string> namespaces) {
  const std::lock_guard lock(mutex_);
  looks_[instance] = {std::chrono::steady_clock::now(), std::move(namespaces)};
}

void ClusterState::noteForgotten(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  looks_.erase(instance);
}

/// Which instances are being deleted, and what keeps those that are followed unikernels' here.
void ClusterState::noteWaiting(const std::vector<CachedObjectPtr>& objects,
                               const std::set<std::string>& inUse) {
  std::set<std::string> waiting;
  for (const CachedObjectPtr& cached : objects) {
    const bool instance = cached->key.kind == api::Kind::AlbatrossInstance;
    if (instance && cached->meta.deletionTimestamp && cached->held() && !cached->released)
      waiting.insert(cached->key.name);
  }
  forgetAllBut(waiting);
  for (const std::string& instance : waiting) {
    if (inUse.contains(instance)) noteKept(instance, declaredOn(instance));
  }
}

asio::awaitable<void> ClusterState::letGo() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const std::set<std::string> inUse = instancesInUse();
    const std::vector<CachedObjectPtr> objects = cache_.list();
    noteWaiting(objects, inUse);
    for (const CachedObjectPtr& cached : objects) {
      std::optional<Change> found = due(*cached, inUse);
      if (!found) continue;
      Change change = *std::move(found);
      const bool instance = cached->key.kind == api::Kind::AlbatrossInstance;
      if (instance && cached->meta.deletionTimestamp && !cached->released) {
        const bool goes = co_await mayGo(cached->key.name);
        if (!goes) continue;
      }
      (void)co_await apply(std::move(change));
      if (co_await cancelled()) co_return;
    }
    co_await pause(letGoInterval);
    if (co_await cancelled()) co_return;
  }
}

}  // namespace rookery::kubernetes
