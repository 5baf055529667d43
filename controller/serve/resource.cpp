#include "serve/resource.h"

#include <fmt/format.h>

#include "api/schema.h"
#include "api/syntax.h"

namespace rookery::serve {

using nlohmann::json;
using reconcile::ObjectStore;
using reconcile::ObjectView;
using reconcile::ObjectViewPtr;

namespace {

const std::string ownGroup(api::groupVersion.substr(0, api::groupVersion.find('/')));
const std::string ownVersion(api::groupVersion.substr(ownGroup.size() + 1));

ResourceType typeOf(api::Kind kind) {
  ResourceType type{.version = ownVersion,
                    .kind = std::string(api::toString(kind)),
                    .verbs = {"create", "delete", "get", "list", "patch", "update", "watch"},
                    .fieldLabels = {"metadata.name", "metadata.namespace"},
                    .columns = &columnsOf(kind)};
  if (kind == api::Kind::Secret) {
    type.version = "v1";
    type.plural = "secrets";
    type.singular = "secret";
    return type;
  }
  const api::Definition& definition = api::definitionOf(kind);
  type.group = ownGroup;
  type.plural = definition.plural;
  type.singular = definition.singular;
  type.namespaced = definition.namespaced;
  type.shortNames = definition.shortNames;
  return type;
}

ResourceType eventType() {
  return {.version = "v1",
          .plural = "events",
          .singular = "event",
          .kind = "Event",
          .namespaced = true,
          .shortNames = {"ev"},
          .verbs = {"get", "list", "watch"},
          .fieldLabels = {"involvedObject.apiVersion", "involvedObject.kind", "involvedObject.name",
                          "involvedObject.namespace", "involvedObject.uid", "metadata.name",
                          "metadata.namespace", "reason", "reportingComponent", "type"},
          .columns = &eventColumns()};
}

Item itemOf(const ObjectViewPtr& view) {
  const api::Metadata& metadata = view->object->metadata;
  return {view, metadata.nameSpace, metadata.name, &metadata.labels, view->resourceVersion, [view] {
            return toJson(*view);
          }};
}

Item itemOf(const reconcile::EventCache::Ptr& event) {
  return {event,   event->nameSpace,       event->name,
          nullptr, event->resourceVersion, [event] { return toJson(*event); }};
}

template <class Listed>
Resource::Listing toListing(const Listed& listed) {
  Resource::Listing listing;
  listing.resourceVersion = listed.resourceVersion;
  listing.items.reserve(listed.views.size());
  for (const auto& view : listed.views) listing.items.push_back(itemOf(view));
  return listing;
}

/// Those changes of a cache that `wanted` holds of.
template <class Cached, class F>
std::optional<Resource::Changes> toChanges(const std::optional<Cached>& cached, const F& wanted) {
  if (!cached) return std::nullopt;
  Resource::Changes changes{.changes = {}, .resourceVersion = cached->resourceVersion};
  for (const auto& change : cached->changes) {
    if (!wanted(*change.after)) continue;
    using From = std::remove_cvref_t<decltype(change)>::Type;
    using To = Resource::Change::Type;
    const To type = change.type == From::Added      ? To::Added
                    : change.type == From::Modified ? To::Modified
                                                    : To::Deleted;
    changes.changes.push_back(
        {type, itemOf(change.after), change.before ? std::optional(itemOf(change.before)) : std::nullopt});
  }
  return changes;
}

class ObjectResource final : public Resource {
 public:
  ObjectResource(const ObjectStore& store, api::Kind kind)
      : Resource(typeOf(kind)), store_(store), kind_(kind) {}

  Listing list(const std::optional<std::string>& nameSpace) const override {
    return toListing(store_.list(kind_, nameSpace));
  }

  std::optional<Item> find(const std::string& nameSpace, const std::string& name) const override {
    const ObjectViewPtr view = store_.find({kind_, nameSpace, name});
    return view ? std::optional(itemOf(view)) : std::nullopt;
  }

  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point deadline) const override {
    return toChanges(store_.after(since, deadline),
                     [this](const ObjectView& view) { return view.object->kind() == kind_; });
  }

 private:
  const ObjectStore& store_;
  const api::Kind kind_;
};

class EventResource final : public Resource {
 public:
  explicit EventResource(const reconcile::EventCache& events) : Resource(eventType()), events_(events) {}

  Listing list(const std::optional<std::string>& nameSpace) const override {
    return toListing(events_.list({nameSpace.value_or(""), ""},
                                  [&](const auto& key) { return !nameSpace || key.first == *nameSpace; }));
  }

  std::optional<Item> find(const std::string& nameSpace, const std::string& name) const override {
    const auto event = events_.find({nameSpace, name});
    return event ? std::optional(itemOf(event)) : std::nullopt;
  }

  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point deadline) const override {
    return toChanges(events_.after(since, deadline), [](const reconcile::Event&) { return true; });
  }

 private:
  const reconcile::EventCache& events_;
};

class NamespaceResource final : public Resource {
 public:
  explicit NamespaceResource(const ObjectStore& store)
      : Resource({.version = "v1",
                  .plural = "namespaces",
                  .singular = "namespace",
                  .kind = "Namespace",
                  .namespaced = false,
                  .shortNames = {"ns"},
                  .verbs = {"get", "list"},
                  .fieldLabels = {"metadata.name"},
                  .columns = &namespaceColumns()}),
        store_(store) {}

  Listing list(const std::optional<std::string>& /*nameSpace*/) const override {
    std::set<std::string> names = {"default"};
    Listing listing{.items = {}, .resourceVersion = store_.resourceVersion()};
    for (const ObjectViewPtr& view : store_.list()) {
      if (!view->object->metadata.nameSpace.empty()) names.insert(view->object->metadata.nameSpace);
    }
    for (const std::string& name : names) listing.items.push_back(itemNamed(name));
    return listing;
  }

  std::optional<Item> find(const std::string& /*nameSpace*/, const std::string& name) const override {
    return api::checkNamespace(name) ? std::nullopt : std::optional(itemNamed(name));
  }

  std::optional<Changes> after(std::uint64_t since,
                               std::chrono::steady_clock::time_point /*deadline*/) const override {
    return Changes{.changes = {}, .resourceVersion = since};  // nobody can watch them
  }

 private:
  static Item itemNamed(const std::string& name) {
    const auto owner = std::make_shared<const std::string>(name);
    return {owner, "", *owner, nullptr, 0, [owner]() -> json {
              return {{"apiVersion", "v1"},
                      {"kind", "Namespace"},
                      {"metadata", {{"name", *owner}}},
                      {"status", {{"phase", "Active"}}}};
            }};
  }

  const ObjectStore& store_;
};

}  // namespace

std::string ResourceType::apiVersion() const { return group.empty() ? version : group + "/" + version; }

std::string ResourceType::qualifiedName() const { return group.empty() ? plural : plural + "." + group; }

std::unique_ptr<Resource> objectResource(const ObjectStore& store, api::Kind kind) {
  return std::make_unique<ObjectResource>(store, kind);
}

std::unique_ptr<Resource> namespaceResource(const ObjectStore& store) {
  return std::make_unique<NamespaceResource>(store);
}

std::unique_ptr<Resource> eventResource(const reconcile::EventCache& events) {
  return std::make_unique<EventResource>(events);
}

json toJson(const ObjectView& view) {
  json shaped = api::toJson(*view.object, view.identity, view.status);
  shaped["metadata"]["resourceVersion"] = std::to_string(view.resourceVersion);
  return shaped;
}

}  // namespace rookery::serve
