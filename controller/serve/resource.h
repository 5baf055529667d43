#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "reconcile/events.h"
#include "reconcile/object_store.h"
#include "serve/table.h"

namespace rookery::serve {

/// What discovery says of a resource.
struct ResourceType {
  std::string group = {};  // empty: the core group
  std::string version = {};
  std::string plural = {}, singular = {}, kind = {};
  bool namespaced = true;
  std::vector<std::string> shortNames = {};
  std::vector<std::string> verbs = {};
  std::set<std::string, std::less<>> fieldLabels = {};  // that a field selector may name
  const TableColumns* columns = nullptr;                // lives as long as the program

  /// "rookery.dev/v1alpha1", "v1"
  std::string apiVersion() const;
  /// "unikernels.rookery.dev", "events"
  std::string qualifiedName() const;
};

/// One object of a resource in one version. Cheap to copy: it shares what it shows, which is immutable.
struct Item {
  std::shared_ptr<const void> owner;  // keeps alive what the others refer to
  std::string_view nameSpace, name;
  const std::map<std::string, std::string>* labels = nullptr;  // null: none
  std::uint64_t resourceVersion = 0;
  std::function<nlohmann::json()> shape;  // as the API shows it
};

/// The objects of one kind, to be read and watched. Thread-safe.
class Resource {
 public:
  struct Listing {
    std::vector<Item> items;  // in the order of namespace and name
    std::uint64_t resourceVersion = 0;
  };
  struct Change {
    enum class Type { Added, Modified, Deleted };
    Type type = Type::Added;
    Item after;
    std::optional<Item> before;
  };
  struct Changes {
    std::vector<Change> changes;
    std::uint64_t resourceVersion = 0;  // up to which these are all
  };

  explicit Resource(ResourceType type) : type_(std::move(type)) {}
  virtual ~Resource() = default;
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  const ResourceType& type() const { return type_; }
  virtual Listing list(const std::optional<std::string>& nameSpace) const = 0;
  virtual std::optional<Item> find(const std::string& nameSpace, const std::string& name) const = 0;
  /// As WatchCache::after; may return before the deadline without a change.
  virtual std::optional<Changes> after(std::uint64_t version,
                                       std::chrono::steady_clock::time_point deadline) const = 0;

 private:
  const ResourceType type_;
};

/// The objects of a kind; the store must outlive it.
std::unique_ptr<Resource> objectResource(const reconcile::ObjectStore& store, api::Kind kind);
/// The Events, to be read only; the cache must outlive it.
std::unique_ptr<Resource> eventResource(const reconcile::EventCache& events);

/// The Namespaces, to be read only: those that objects are in; but any name is one, as none needs to be made.
std::unique_ptr<Resource> namespaceResource(const reconcile::ObjectStore& store);

/// The object as the API shows it. Of a Secret, nothing that is secret: it can be written, not read.
nlohmann::json toJson(const reconcile::ObjectView& view);

}  // namespace rookery::serve
