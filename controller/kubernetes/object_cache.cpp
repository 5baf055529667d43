#include "kubernetes/object_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "api/annotations.h"
#include "api/manifest.h"
#include "yaml/writer.h"

namespace rookery::kubernetes {

using nlohmann::json;
using plan::Entry;
using plan::Inventory;

namespace {

/// How long, and of how many objects, it is remembered that they were deleted: longer than an answer that was
/// overtaken by the news of that can be under way.
constexpr std::chrono::minutes deletionMemory{5};
constexpr std::size_t maxDeletions = 20'000;

/// What somebody wants of an object: without status, without what the API server and we ourselves add.
json desiredOf(api::Kind kind, const json& object, const ObjectMeta& meta) {
  json metadata = {{"name", meta.name}};
  if (!meta.nameSpace.empty()) metadata["namespace"] = meta.nameSpace;
  if (const json& labels = memberOf(memberOf(object, "metadata"), "labels"); labels.is_object())
    metadata["labels"] = labels;
  for (const auto& [key, value] : meta.annotations) {
    if (key != inventoryAnnotation && key != tombstonesAnnotation) metadata["annotations"][key] = value;
  }
  json desired = {
      {"apiVersion", groupOf(kind)}, {"kind", api::toString(kind)}, {"metadata", std::move(metadata)}};
  const char* content = kind == api::Kind::Secret ? "data" : "spec";
  if (const json& value = memberOf(object, content); !value.is_null()) desired[content] = value;
  return desired;
}

api::Origin originOf(const api::ObjectKey& key) {
  api::Origin origin;
  origin.root = clusterRoot;
  origin.file = origin.root / pluralOf(key.kind) / key.nameSpace / key.name;
  return origin;
}

bool usesFiles(const api::Object& object) {
  return object.kind() == api::Kind::AlbatrossInstance &&
         std::holds_alternative<api::AlbatrossInstance::Files>(
             object.as<api::AlbatrossInstance>().credentials);
}

std::size_t secretsNamedBy(const api::Object& object) {
  if (object.kind() != api::Kind::Unikernel) return 0;
  std::set<std::string_view> names;
  for (const auto& from : object.as<api::Unikernel>().argumentsFrom) names.insert(from.secretKeyRef.name);
  return names.size();
}

/// What a manifest file may say, and an object in a cluster may not.
std::optional<api::Problem> refused(const api::Object& object, const api::Origin& origin) {
  if (usesFiles(object)) {
    return api::Problem{
        Reason::InvalidManifest, origin, object.key(), "spec.credentials.files",
        "credentials in files are for manifests that are files; put them into a Secret and name that in "
        "spec.credentials.secretRef."};
  }
  if (object.kind() == api::Kind::AlbatrossInstance && object.as<api::AlbatrossInstance>().isLocal()) {
    return api::Problem{
        Reason::InvalidManifest, origin, object.key(), "spec.endpoint",
        "a local server (unix:) is for manifests that are files, as it asks for no credentials."};
  }
  if (const std::size_t secrets = secretsNamedBy(object); secrets > maxSecretsOfUnikernel) {
    return api::Problem{Reason::InvalidManifest, origin, object.key(), "spec.argumentsFrom",
                        fmt::format("names {} different Secrets, and {} are allowed. Put several values into "
                                    "one Secret, under different keys.",
                                    secrets, maxSecretsOfUnikernel)};
  }
  return std::nullopt;
}

/// Parses as a manifest file is parsed, and refuses what only a file may say.
void read(const json& desired, const std::filesystem::path& imageFolder, CachedObject& cached) {
  const api::Origin origin = originOf(cached.key);
  api::Manifest manifest = api::readDocument(desired, origin, imageFolder);
  cached.problems = std::move(manifest.problems);
  for (api::Problem& problem : cached.problems) problem.origin = origin;  // there are no lines
  if (manifest.objects.size() != 1) return;
  if (auto problem = refused(*manifest.objects.front(), origin)) {
    cached.problems.push_back(*std::move(problem));
    return;
  }
  auto object = std::make_shared<api::Object>(*manifest.objects.front());
  object->origin = origin;
  object->places.clear();
  cached.object = std::move(object);
}

/// Whether an entry in the annotation of a Unikernel or a UnikernelVolume can be of that one: annotations are
/// copied with objects, and may be written by whoever may write the object. Whether its domain can be is for
/// plan to say, which knows the credential's own.
bool canBeOf(const Entry& entry, const api::ObjectKey& key) {
  return entry.object == key && entry.name.label == key.name && !entry.destroyedAt;
}

/// Whether an object says that what runs is to be left running when it is deleted; also one that is invalid.
bool isReleased(api::Kind kind, const json& object, const ObjectMeta& meta) {
  const json& spec = memberOf(object, "spec");
  const bool retained =
      kind == api::Kind::UnikernelVolume && memberOf(spec, "reclaimPolicy") != json("Delete");
  const bool bySpec = retained || (kind == api::Kind::Unikernel && (memberOf(spec, "prune") == json(false) ||
                                                                    memberOf(spec, "suspend") == json(true)));
  return bySpec || api::isReleased(meta.annotations);
}

}  // namespace

bool hasInventory(api::Kind kind) {
  return kind == api::Kind::Unikernel || kind == api::Kind::UnikernelVolume;
}

std::string_view groupOf(api::Kind kind) { return kind == api::Kind::Secret ? "v1" : api::groupVersion; }

std::string_view pluralOf(api::Kind kind) {
  switch (kind) {
    case api::Kind::AlbatrossInstance:
      return "albatrossinstances";
    case api::Kind::Unikernel:
      return "unikernels";
    case api::Kind::UnikernelPolicy:
      return "unikernelpolicies";
    case api::Kind::UnikernelVolume:
      return "unikernelvolumes";
    case api::Kind::Secret:
      return "secrets";
  }
  check(false, "every kind has a plural");
  return {};
}

std::string toAnnotation(const std::vector<Entry>& entries) {
  json list = json::array();
  for (const Entry& entry : entries) {
    json item = plan::toJson(entry);
    item.erase("root");
    item.erase("file");
    list.push_back(std::move(item));
  }
  return yaml::dump(list);
}

std::vector<Entry> entriesIn(const std::string& annotation) {
  std::vector<Entry> entries;
  json list = json::parse(annotation, nullptr, false);
  if (!list.is_array()) return entries;
  for (json& item : list) {
    if (!item.is_object()) continue;
    item["root"] = item["file"] = "";
    try {
      entries.push_back(plan::entryFromJson(item));
    } catch (const json::exception&) {
      continue;
    }
  }
  return entries;
}

std::vector<Entry> entriesOf(const api::ObjectKey& key, const ObjectMeta& meta) {
  const bool own = hasInventory(key.kind);
  const auto found = meta.annotations.find(std::string(own ? inventoryAnnotation : tombstonesAnnotation));
  if (found == meta.annotations.end()) return {};
  std::vector<Entry> entries = entriesIn(found->second);
  if (own) {
    std::erase_if(entries, [&](const Entry& entry) { return !canBeOf(entry, key); });
    if (entries.size() > maxEntriesOfUnikernel) entries.resize(maxEntriesOfUnikernel);
  }
  for (Entry& entry : entries) {
    const api::Origin origin = originOf(entry.object);
    entry.root = origin.root;
    entry.file = origin.file;
  }
  return entries;
}

ObjectCache::ObjectCache(std::filesystem::path imageFolder, std::function<void()> changed)
    : imageFolder_(std::move(imageFolder)), changed_(std::move(changed)) {}

CachedObject ObjectCache::parse(api::Kind kind, const json& object) const {
  CachedObject cached;
  cached.meta = ObjectMeta::of(object);
  cached.key = {kind, cached.meta.nameSpace, cached.meta.name};
  cached.released = isReleased(kind, object, cached.meta);
  cached.status = memberOf(object, "status");
  const json desired = desiredOf(kind, object, cached.meta);
  cached.desired = std::hash<std::string>{}(yaml::dump(desired));
  read(desired, imageFolder_, cached);
  cached.entries = entriesOf(cached.key, cached.meta);
  return cached;
}

// -- What is whose
// ---------------------------------------------------------------------------------------------------------------

ObjectCache::Index& ObjectCache::indexFor(const api::ObjectKey& holder) {
  if (holder.kind == api::Kind::UnikernelVolume) return volumes_;
  return holder.kind == api::Kind::Unikernel ? inventories_ : tombstones_;
}

void ObjectCache::index(const CachedObject* before, const CachedObject* after) {
  const api::ObjectKey& holder = (before != nullptr ? before : after)->key;
  Index& byServer = indexFor(holder);
  if (before != nullptr) {
    for (const Entry& entry : before->entries) {
      auto& byName = byServer[entry.serverKey];
      Claims& claims = byName[entry.name];
      claims.erase(holder);
      if (claims.empty()) byName.erase(entry.name);
    }
  }
  if (after != nullptr) {
    for (const Entry& entry : after->entries) byServer[entry.serverKey][entry.name][holder] = entry;
  }
}

/// Whether an entry's domain is where its object's unikernel belongs, as far as that can be told without the
/// credential.
bool ObjectCache::isInItsPlace(const Entry& entry) const {
  const auto& path = entry.name.path;
  const std::string& nameSpace = entry.object.nameSpace;
  if (!path.empty() && path.back() == nameSpace) return true;
  const auto instance = objects_.find({api::Kind::AlbatrossInstance, "", entry.instance});
  return instance != objects_.end() && instance->second->object != nullptr &&
         instance->second->object->as<api::AlbatrossInstance>().rootNamespace == nameSpace;
}

/// The entry that counts, where several objects have one of the same unikernel.
const Entry& ObjectCache::rightful(const Claims& claims) const {
  if (claims.size() == 1) return claims.begin()->second;
  const auto found =
      std::ranges::find_if(claims, [&](const auto& claim) { return isInItsPlace(claim.second); });
  return (found == claims.end() ? claims.begin() : found)->second;
}

Inventory ObjectCache::inventoryIn(const Index& byServer, const std::string& serverKey) const {
  Inventory inventory;
  const auto found = byServer.find(serverKey);
  if (found == byServer.end()) return inventory;
  for (const auto& [name, claims] : found->second) inventory.emplace(name, rightful(claims));
  return inventory;
}

// -- What is there
// ---------------------------------------------------------------------------------------------------------------

/// False: this version, or a newer one, is here, or the object was deleted after it. Most are: each of our
/// own changes comes back from the watch.
bool ObjectCache::isNews(const api::ObjectKey& key, const std::string& version) const {
  const auto known = objects_.find(key);
  if (known != objects_.end() && !isNewer(version, known->second->meta.resourceVersion)) return false;
  const auto deletion = deleted_.find(key);
  return deletion == deleted_.end() || isNewer(version, deletion->second);
}

ObjectCache::Change ObjectCache::put(api::Kind kind, const json& object) {
  const ObjectMeta meta = ObjectMeta::of(object);
  const api::ObjectKey key{kind, meta.nameSpace, meta.name};
  {
    const std::lock_guard lock(mutex_);
    if (!isNews(key, meta.resourceVersion)) return Change::None;
  }
  auto parsed = std::make_shared<const CachedObject>(parse(kind, object));
  const std::lock_guard lock(mutex_);
  // Another thread may have brought more while this one parsed.
  if (!isNews(key, meta.resourceVersion)) return Change::None;
  const CachedObjectPtr before = std::exchange(objects_[key], parsed);
  index(before.get(), parsed.get());
  if (before == nullptr || before->meta.uid != parsed->meta.uid || before->desired != parsed->desired ||
      before->meta.deletionTimestamp != parsed->meta.deletionTimestamp)
    return Change::Desired;
  return before->status != parsed->status ? Change::Status : Change::None;
}

void ObjectCache::apply(api::Kind kind, const json& object) {
  if (put(kind, object) != Change::None) changed_();
}

void ObjectCache::applyOurs(api::Kind kind, const json& object) {
  const ObjectMeta meta = ObjectMeta::of(object);
  // Nothing is deleted and without finalizers for longer than the answer takes.
  if (meta.deletionTimestamp && meta.finalizers.empty())
    return remove({kind, meta.nameSpace, meta.name}, meta.resourceVersion);
  if (put(kind, object) == Change::Desired) changed_();
}

void ObjectCache::drop(const api::ObjectKey& key) {
  const auto found = objects_.find(key);
  index(found->second.get(), nullptr);
  objects_.erase(found);
}

void ObjectCache::noteDeletion(const api::ObjectKey& key, const std::string& version) {
  const auto now = std::chrono::steady_clock::now();
  while (!deletions_.empty() &&
         (deletions_.size() >= maxDeletions || now - deletions_.front().time >= deletionMemory)) {
    const auto noted = deleted_.find(deletions_.front().key);
    if (noted != deleted_.end() && noted->second == deletions_.front().version) deleted_.erase(noted);
    deletions_.pop_front();
  }
  const auto [noted, first] = deleted_.try_emplace(key, version);
  if (!first && !isNewer(version, noted->second)) return;
  noted->second = version;
  deletions_.push_back({now, key, version});
}

void ObjectCache::remove(const api::ObjectKey& key, const std::string& version) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = objects_.find(key);
    const std::string last = known == objects_.end() ? "" : known->second->meta.resourceVersion;
    if (const std::string& deletion = version.empty() ? last : version; !deletion.empty())
      noteDeletion(key, deletion);
    if (known == objects_.end()) return;
    // Versions that are no numbers are each newer than the other.
    const bool another = !version.empty() && isNewer(last, version) && !isNewer(version, last);
    if (another) return;
    drop(key);
  }
  changed_();
}

void ObjectCache::forget(const api::ObjectKey& key) {
  {
    const std::lock_guard lock(mutex_);
    if (!objects_.contains(key)) return;
    drop(key);
  }
  changed_();
}

void ObjectCache::replace(api::Kind kind, const std::string& nameSpace, const std::vector<json>& objects,
                          const std::string& version) {
  std::set<api::ObjectKey> present;
  for (const json& object : objects) {
    const ObjectMeta meta = ObjectMeta::of(object);
    present.insert({kind, meta.nameSpace, meta.name});
    put(kind, object);
  }
  std::vector<api::ObjectKey> gone;
  for (const CachedObjectPtr& cached : list()) {
    const bool concerned =
        cached->key.kind == kind && (nameSpace.empty() || cached->key.nameSpace == nameSpace);
    if (concerned && !present.contains(cached->key)) gone.push_back(cached->key);
  }
  for (const api::ObjectKey& key : gone) remove(key, version);
  changed_();
}

CachedObjectPtr ObjectCache::find(const api::ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<CachedObjectPtr> ObjectCache::list() const {
  std::vector<CachedObjectPtr> all;
  const std::lock_guard lock(mutex_);
  all.reserve(objects_.size());
  for (const auto& [key, cached] : objects_) all.push_back(cached);
  return all;
}

bool ObjectCache::counts(const Entry& entry, const api::ObjectKey& holder) const {
  const std::lock_guard lock(mutex_);
  const Index& index = entry.isVolume() ? volumes_ : inventories_;
  const auto byServer = index.find(entry.serverKey);
  if (byServer == index.end()) return true;
  const auto claims = byServer->second.find(entry.name);
  if (claims == byServer->second.end()) return true;
  const Entry& winner = rightful(claims->second);
  return winner.object == holder || !isInItsPlace(winner);
}

std::vector<Entry> ObjectCache::entries() const {
  std::vector<Entry> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [serverKey, byName] : inventories_) {
    for (const auto& [name, claims] : byName) all.push_back(rightful(claims));
  }
  for (const auto& [serverKey, byName] : volumes_) {
    for (const auto& [name, claims] : byName) all.push_back(rightful(claims));
  }
  for (const auto& [serverKey, byName] : tombstones_) {
    const auto living = inventories_.find(serverKey);
    for (const auto& [name, claims] : byName) {
      if (living == inventories_.end() || !living->second.contains(name)) all.push_back(rightful(claims));
    }
  }
  return all;
}

std::map<std::string, Inventory> ObjectCache::volumes() const {
  std::map<std::string, Inventory> volumes;
  const std::lock_guard lock(mutex_);
  for (const auto& [serverKey, byName] : volumes_) {
    if (!byName.empty()) volumes.emplace(serverKey, inventoryIn(volumes_, serverKey));
  }
  return volumes;
}

Inventory ObjectCache::inventoryOf(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  Inventory inventory = inventoryIn(inventories_, serverKey);
  inventory.merge(inventoryIn(tombstones_, serverKey));  // what lives again is no tombstone
  return inventory;
}

}  // namespace rookery::kubernetes
