#include "kubernetes/object_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "api/manifest.h"

namespace rookery::kubernetes {

using nlohmann::json;
using reconcile::Entry;
using reconcile::Inventory;

namespace {

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

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

bool usesFiles(const api::Object& object) {
  return object.kind() == api::Kind::AlbatrossInstance &&
         std::holds_alternative<api::AlbatrossInstance::Files>(
             object.as<api::AlbatrossInstance>().credentials);
}

/// Parses as a manifest file is parsed, and refuses what only a file may say.
void read(const json& desired, const std::filesystem::path& imageFolder, CachedObject& cached) {
  const api::Origin origin = originOf(cached.key);
  api::Manifest manifest = api::parseManifest(dump(desired), origin, imageFolder);
  cached.problems = std::move(manifest.problems);
  for (api::Problem& problem : cached.problems) problem.origin = origin;  // there are no lines
  if (manifest.objects.size() != 1) return;
  if (usesFiles(*manifest.objects.front())) {
    cached.problems.push_back(
        {Reason::InvalidManifest, origin, cached.key, "spec.credentials.files",
         "credentials in files are for manifests that are files; put them into a Secret and name that in "
         "spec.credentials.secretRef."});
    return;
  }
  auto object = std::make_shared<api::Object>(*manifest.objects.front());
  object->origin = origin;
  object->places.clear();
  cached.object = std::move(object);
}

std::vector<Entry> ownEntries(const CachedObject& cached) {
  const bool unikernel = cached.key.kind == api::Kind::Unikernel;
  const auto found =
      cached.meta.annotations.find(std::string(unikernel ? inventoryAnnotation : tombstonesAnnotation));
  if (found == cached.meta.annotations.end()) return {};
  std::vector<Entry> entries = entriesIn(found->second);
  for (Entry& entry : entries) {
    if (unikernel) entry.object = cached.key;  // whatever a copied annotation says
    const api::Origin origin = originOf(entry.object);
    entry.root = origin.root;
    entry.file = origin.file;
  }
  return entries;
}

}  // namespace

std::string_view groupOf(api::Kind kind) { return kind == api::Kind::Secret ? "v1" : api::groupVersion; }

std::string_view pluralOf(api::Kind kind) {
  switch (kind) {
    case api::Kind::AlbatrossInstance:
      return "albatrossinstances";
    case api::Kind::Unikernel:
      return "unikernels";
    case api::Kind::UnikernelPolicy:
      return "unikernelpolicies";
    case api::Kind::Secret:
      return "secrets";
  }
  check(false, "every kind has a plural");
  return {};
}

std::string toAnnotation(const std::vector<Entry>& entries) {
  json list = json::array();
  for (const Entry& entry : entries) {
    json item = reconcile::toJson(entry);
    item.erase("root");
    item.erase("file");
    list.push_back(std::move(item));
  }
  return dump(list);
}

std::vector<Entry> entriesIn(const std::string& annotation) {
  std::vector<Entry> entries;
  json list = json::parse(annotation, nullptr, false);
  if (!list.is_array()) return entries;
  for (json& item : list) {
    if (!item.is_object()) continue;
    item["root"] = item["file"] = "";
    try {
      entries.push_back(reconcile::entryFromJson(item));
    } catch (const json::exception&) {
      continue;
    }
  }
  return entries;
}

ObjectCache::ObjectCache(std::filesystem::path imageFolder, std::function<void()> changed)
    : imageFolder_(std::move(imageFolder)), changed_(std::move(changed)) {}

CachedObject ObjectCache::parse(api::Kind kind, const json& object) const {
  CachedObject cached;
  cached.meta = ObjectMeta::of(object);
  cached.key = {kind, cached.meta.nameSpace, cached.meta.name};
  cached.status = memberOf(object, "status");
  const json desired = desiredOf(kind, object, cached.meta);
  cached.desired = std::hash<std::string>{}(dump(desired));
  read(desired, imageFolder_, cached);
  cached.entries = ownEntries(cached);
  return cached;
}

void ObjectCache::index(const CachedObject* before, const CachedObject* after) {
  const auto kind = (before != nullptr ? before : after)->key.kind;
  auto& byServer = kind == api::Kind::Unikernel ? inventories_ : tombstones_;
  if (before != nullptr) {
    for (const Entry& entry : before->entries) byServer[entry.serverKey].erase(entry.name);
  }
  if (after != nullptr) {
    for (const Entry& entry : after->entries) byServer[entry.serverKey][entry.name] = entry;
  }
}

/// Whether this version, or a newer one of the same object, is here. Most are: each of our own changes comes
/// back from the watch.
bool ObjectCache::has(const api::ObjectKey& key, const ObjectMeta& meta) const {
  const CachedObjectPtr known = find(key);
  return known != nullptr && known->meta.uid == meta.uid &&
         !isNewer(meta.resourceVersion, known->meta.resourceVersion);
}

ObjectCache::Change ObjectCache::put(api::Kind kind, const json& object) {
  const ObjectMeta meta = ObjectMeta::of(object);
  if (has({kind, meta.nameSpace, meta.name}, meta)) return Change::None;
  auto parsed = std::make_shared<const CachedObject>(parse(kind, object));
  const std::lock_guard lock(mutex_);
  CachedObjectPtr& place = objects_[parsed->key];
  const CachedObjectPtr before = place;
  const bool same = before != nullptr && before->meta.uid == parsed->meta.uid;
  // It may have come on another thread while this one was parsed.
  if (same && !isNewer(parsed->meta.resourceVersion, before->meta.resourceVersion)) return Change::None;
  index(before.get(), parsed.get());
  place = parsed;
  if (!same || before->desired != parsed->desired ||
      before->meta.deletionTimestamp != parsed->meta.deletionTimestamp)
    return Change::Desired;
  return before->status != parsed->status ? Change::Status : Change::None;
}

void ObjectCache::apply(api::Kind kind, const json& object) {
  if (put(kind, object) != Change::None) changed_();
}

void ObjectCache::applyOurs(api::Kind kind, const json& object) {
  if (put(kind, object) == Change::Desired) changed_();
}

void ObjectCache::remove(const api::ObjectKey& key) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) return;
    index(found->second.get(), nullptr);
    objects_.erase(found);
  }
  changed_();
}

void ObjectCache::replace(api::Kind kind, const std::string& nameSpace, const std::vector<json>& objects) {
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
  for (const api::ObjectKey& key : gone) remove(key);
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

std::vector<Entry> ObjectCache::entries() const {
  std::vector<Entry> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [serverKey, inventory] : inventories_) {
    for (const auto& [name, entry] : inventory) all.push_back(entry);
  }
  for (const auto& [serverKey, inventory] : tombstones_) {
    const auto living = inventories_.find(serverKey);
    for (const auto& [name, entry] : inventory) {
      if (living == inventories_.end() || !living->second.contains(name)) all.push_back(entry);
    }
  }
  return all;
}

Inventory ObjectCache::inventoryOf(const std::string& serverKey) const {
  const std::lock_guard lock(mutex_);
  const auto of = [&](const std::map<std::string, Inventory>& byServer) {
    const auto found = byServer.find(serverKey);
    return found == byServer.end() ? Inventory() : found->second;
  };
  Inventory inventory = of(inventories_);
  inventory.merge(of(tombstones_));  // what lives again is no tombstone
  return inventory;
}

}  // namespace rookery::kubernetes
