#include "kubernetes/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "api/status.h"
#include "kubernetes/coroutine.h"
#include "kubernetes/status.h"

namespace rookery::kubernetes {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

namespace {

/// Secrets that are named for the first time get so long to be read before what names them is judged.
constexpr std::chrono::seconds secretPatience{5};

/// The Secrets that an object names.
std::vector<api::ObjectKey> secretsOf(const api::Object& object) {
  std::vector<api::ObjectKey> keys;
  if (object.kind() == api::Kind::AlbatrossInstance) {
    const auto* ref =
        std::get_if<api::AlbatrossInstance::SecretRef>(&object.as<api::AlbatrossInstance>().credentials);
    if (ref != nullptr) keys.push_back({api::Kind::Secret, ref->nameSpace, ref->name});
  }
  if (object.kind() == api::Kind::Unikernel) {
    for (const auto& from : object.as<api::Unikernel>().argumentsFrom)
      keys.push_back({api::Kind::Secret, object.metadata.nameSpace, from.secretKeyRef.name});
  }
  return keys;
}

/// Whether an object that is being deleted is declared no more. An AlbatrossInstance is as long as something
/// of ours is left there: its loop is what destroys that.
bool isGoing(const CachedObject& cached) {
  if (!cached.meta.deletionTimestamp || cached.key.kind == api::Kind::Secret) return false;
  return cached.key.kind != api::Kind::AlbatrossInstance || !cached.held();
}

}  // namespace

SecretChoice chooseSecrets(const std::vector<CachedObjectPtr>& objects) {
  using Place = std::tuple<bool, api::SystemTime, api::ObjectKey>;
  std::map<Place, std::vector<api::ObjectKey>> named;
  for (const CachedObjectPtr& cached : objects) {
    if (cached->object == nullptr) continue;
    std::vector<api::ObjectKey> keys = secretsOf(*cached->object);
    if (keys.empty()) continue;
    const bool instance = cached->key.kind == api::Kind::AlbatrossInstance;
    named.emplace(Place{!instance, cached->meta.creationTimestamp, cached->key}, std::move(keys));
  }
  SecretChoice choice;
  for (auto& [place, keys] : named) {
    for (api::ObjectKey& key : keys) {
      if (choice.watched.size() < maxWatchedSecrets) {
        choice.watched.insert(std::move(key));
      } else if (!choice.watched.contains(key)) {
        choice.left.insert(std::move(key));
      }
    }
  }
  return choice;
}

/// One list and watch: of a kind in a namespace or everywhere, or of one Secret.
class Source::Collection : public Reflection {
 public:
  Collection(Source& source, api::Kind kind, std::string nameSpace, std::string name = {})
      : source_(source),
        kind_(kind),
        nameSpace_(std::move(nameSpace)),
        name_(std::move(name)),
        path_(pathOf(groupOf(kind), pluralOf(kind), nameSpace_)),
        reflector_(source.client_, path_, name_.empty() ? "" : "metadata.name=" + name_, *this) {}

  asio::awaitable<void> run() { return reflector_.run(); }
  void stop() {
    stopped_ = true;
    cancel_.emit(asio::cancellation_type::terminal);
  }
  asio::cancellation_slot slot() { return cancel_.slot(); }

  api::Kind kind() const { return kind_; }
  const std::string& path() const { return path_; }
  bool synced() const { return synced_; }
  bool settled(Clock::time_point now) const { return synced_ || failure_ || now - since_ >= secretPatience; }
  const std::optional<std::string>& failure() const { return failure_; }

  void replaced(std::vector<json> objects, const std::string& resourceVersion) override {
    if (stopped_) return;
    if (name_.empty()) {
      source_.cache_.replace(kind_, nameSpace_, objects, resourceVersion);
    } else if (objects.empty()) {
      source_.cache_.remove({kind_, nameSpace_, name_}, resourceVersion);
    } else {
      source_.cache_.apply(kind_, objects.front());
    }
    synced_ = true;
    failure_.reset();
    source_.wake();
  }
  void changed(json object) override {
    if (!stopped_) source_.cache_.apply(kind_, object);
  }
  void deleted(const json& object) override {
    const ObjectMeta meta = ObjectMeta::of(object);
    if (!stopped_) source_.cache_.remove({kind_, meta.nameSpace, meta.name}, meta.resourceVersion);
  }
  void failed(const Failure& failure) override {
    if (stopped_) return;
    std::string told = failure.message;
    // A chart that is upgraded leaves the CRDs as they were, and this one came later: there are no volumes.
    if (failure.notFound() && kind_ == api::Kind::UnikernelVolume) synced_ = true;
    if (failure.notFound() && kind_ != api::Kind::Secret) {
      told = fmt::format(
          "The cluster does not know {}.rookery.dev: install the CRDs (kubectl apply -f crds/). Waiting for "
          "them.",
          pluralOf(kind_));
    }
    if (failure_ != told) {
      source_.options_.warn(told);
      failure_ = std::move(told);
      source_.wake();
    }
  }

 private:
  Source& source_;
  const api::Kind kind_;
  const std::string nameSpace_, name_, path_;
  const Clock::time_point since_ = Clock::now();
  Reflector reflector_;
  asio::cancellation_signal cancel_;
  bool stopped_ = false;
  std::atomic<bool> synced_ = false;
  std::optional<std::string> failure_;
};

Source::Source(asio::any_io_executor strand, Client& client, ObjectCache& cache, Options options)
    : strand_(std::move(strand)),
      client_(client),
      cache_(cache),
      options_(std::move(options)),
      event_(strand_, Clock::time_point::max()) {}

Source::~Source() = default;

void Source::addCollection(api::Kind kind, const std::string& nameSpace) {
  collections_.push_back(std::make_shared<Collection>(*this, kind, nameSpace));
}

/// The collection lives until its coroutine has ended.
void Source::follow(const std::shared_ptr<Collection>& collection) {
  asio::co_spawn(
      strand_, collection->run(),
      asio::bind_cancellation_slot(collection->slot(), [collection](const std::exception_ptr& failure) {
        check(!failure, "a reflector does not throw");
      }));
}

void Source::start() {
  addCollection(api::Kind::AlbatrossInstance, "");
  for (const api::Kind kind :
       {api::Kind::Unikernel, api::Kind::UnikernelPolicy, api::Kind::UnikernelVolume}) {
    if (options_.namespaces.empty()) addCollection(kind, "");
    for (const std::string& nameSpace : options_.namespaces) addCollection(kind, nameSpace);
  }
  for (const auto& collection : collections_) follow(collection);
}

void Source::stop() {
  for (const auto& collection : collections_) collection->stop();
  for (const auto& [key, watch] : secrets_) watch->stop();
}

void Source::wake() {
  asio::post(strand_, [this] {
    changed_ = true;
    event_.cancel();
  });
}

bool Source::synced() const {
  return !collections_.empty() && std::ranges::all_of(collections_, &Collection::synced);
}

bool Source::settled() const {
  const auto now = Clock::now();
  return std::ranges::all_of(secrets_, [&](const auto& item) { return item.second->settled(now); });
}

/// Begins to watch the Secrets that are named, and ends it for those that are not any more.
void Source::watchSecrets() {
  SecretChoice choice = chooseSecrets(cache_.list());
  unwatched_ = std::move(choice.left);
  for (auto it = secrets_.begin(); it != secrets_.end();) {
    if (choice.watched.contains(it->first)) {
      ++it;
      continue;
    }
    it->second->stop();
    cache_.forget(it->first);
    it = secrets_.erase(it);
  }
  for (const api::ObjectKey& key : choice.watched) {
    if (secrets_.contains(key)) continue;
    auto watch = std::make_shared<Collection>(*this, api::Kind::Secret, key.nameSpace, key.name);
    secrets_[key] = watch;
    follow(watch);
  }
}

source::SnapshotPtr Source::scan() {
  auto snapshot = std::make_shared<source::Snapshot>();
  snapshot->scannedAt = std::chrono::system_clock::now();
  snapshot->synced = synced();
  if (!snapshot->synced) return snapshot;
  source::Root root;
  root.path = clusterRoot;
  root.complete = true;
  root.deletesByName = true;
  root.doomed = doomed_;
  std::set<api::ObjectKey> declared;
  for (const CachedObjectPtr& cached : cache_.list()) {
    if (auto status = statusFromJson(cached->status)) snapshot->statuses[cached->key] = *std::move(status);
    if (isGoing(*cached)) {
      if (cached->released) snapshot->released.insert(cached->key);
      if (hasInventory(cached->key.kind) && cached->object != nullptr)
        snapshot->deleted.push_back(cached->object);
      continue;
    }
    declared.insert(cached->key);
    std::ranges::copy(cached->problems, std::back_inserter(snapshot->problems));
    if (cached->object == nullptr) continue;
    snapshot->objects.push_back(cached->object);
    ++root.objects;
  }
  snapshot->declared = api::KeySet(std::move(declared));
  for (const auto& [key, watch] : secrets_) {
    if (watch->failure())
      snapshot->unreadable[key] = fmt::format("which cannot be read: {}", *watch->failure());
  }
  for (const api::ObjectKey& key : unwatched_) {
    snapshot->unreadable[key] = fmt::format(
        "which is not read: {} Secrets are the most that are, and older objects name as many. Keep the "
        "values of several Unikernels in one Secret",
        maxWatchedSecrets);
  }
  snapshot->files = root.objects;
  snapshot->roots.push_back(std::move(root));
  return snapshot;
}

/// Whether all Unikernels, or all UnikernelVolumes, are about to be deleted with their definition.
asio::awaitable<void> Source::lookAtDefinition() {
  doomed_.reset();
  const std::vector<CachedObjectPtr> objects = cache_.list();
  for (const api::Kind kind : {api::Kind::Unikernel, api::Kind::UnikernelVolume}) {
    const auto deleting = [kind](const CachedObjectPtr& cached) {
      return cached->key.kind == kind && cached->meta.deletionTimestamp.has_value();
    };
    if (!std::ranges::any_of(objects, deleting)) continue;
    const std::string path =
        fmt::format("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.rookery.dev", pluralOf(kind));
    const auto definition = co_await client_.get(path);
    if (definition && ObjectMeta::of(*definition).deletionTimestamp)
      doomed_ = fmt::format("The CustomResourceDefinition of {}s is being deleted, and all objects with it.",
                            api::toString(kind));
  }
}

asio::awaitable<source::SnapshotPtr> Source::next() {
  const bool throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  std::optional<Clock::time_point> latest;
  bool over = false;
  for (;;) {
    const auto now = Clock::now();
    if (std::exchange(changed_, false)) {
      if (!latest) latest = now + options_.debounceLimit;
      watchSecrets();
      event_.expires_at(std::min(now + options_.debounce, *latest));
    } else if (latest && synced() && settled()) {
      break;
    } else {
      event_.expires_at(latest && synced() ? now + options_.debounce : Clock::time_point::max());
    }
    (void)co_await event_.async_wait(asio::as_tuple(asio::use_awaitable));
    over = co_await cancelled();
    if (over) break;
  }
  if (!over) co_await lookAtDefinition();
  co_await asio::this_coro::throw_if_cancelled(throwing);
  over = co_await cancelled();
  co_return over ? nullptr : scan();
}

asio::awaitable<bool> Source::refresh() {
  if (!synced()) co_return false;  // they will be read, and what keeps them from that is told
  for (const auto& collection : collections_) {
    const auto listing = co_await listAll(client_, collection->path());
    if (!listing) {
      options_.warn(listing.error().message);
      co_return false;
    }
    for (const json& object : listing->objects) cache_.apply(collection->kind(), object);
  }
  co_return true;
}

}  // namespace rookery::kubernetes
