#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "api/status.h"
#include "kubernetes/object_meta.h"
#include "plan/inventory.h"

namespace rookery::kubernetes {

/// How the inventory and problems name the cluster, in place of a manifest root.
inline constexpr std::string_view clusterRoot = "kubernetes";

/// On a Unikernel or a UnikernelVolume: what is ours of it on the servers. Its finalizer stands as long as
/// there is something.
inline constexpr std::string_view inventoryAnnotation = "rookery.dev/inventory";
/// On an AlbatrossInstance: what was destroyed there, as a restart of the server can bring it back.
inline constexpr std::string_view tombstonesAnnotation = "rookery.dev/tombstones";

/// How many different Secrets a Unikernel may name: each is watched on a connection of its own.
inline constexpr std::size_t maxSecretsOfUnikernel = 32;

/// An object of the cluster as it was seen last.
struct CachedObject {
  api::ObjectKey key;
  ObjectMeta meta;
  api::ObjectPtr object;               // null: it is invalid
  std::vector<api::Problem> problems;  // why
  std::vector<plan::Entry> entries;    // of its inventory, or tombstones; what cannot be its own is left out
  bool released = false;  // when it is deleted, it shall be let go, whatever runs: an annotation or the spec
                          // says so
  nlohmann::json status;
  std::size_t desired = 0;  // a hash of all that is not status, inventory or the server's own

  /// Whether it has our finalizer.
  bool held() const { return meta.hasFinalizer(api::finalizerOf(key.kind)); }
};
using CachedObjectPtr = std::shared_ptr<const CachedObject>;

/// The objects of our kinds, and the Secrets that they name. An older version never replaces a newer one, nor
/// does it bring back what was deleted since, whatever the order in which answers and events come.
/// Thread-safe.
class ObjectCache {
 public:
  /// `imageFolder` is where relative paths of images start; empty: there is none. `changed` is called, on the
  /// thread that brought the news, when something changed that others than we must have written.
  ObjectCache(std::filesystem::path imageFolder, std::function<void()> changed);

  /// News from a watch.
  void apply(api::Kind kind, const nlohmann::json& object);
  /// The answer to our own change of the object, which may have been the last that it waited for.
  void applyOurs(api::Kind kind, const nlohmann::json& object);
  /// The object was deleted, at `version` of the server; empty: after what is known of it. One of its name
  /// that is newer stays.
  void remove(const api::ObjectKey& key, const std::string& version = {});
  /// The object is not followed any more; when it is again, it may be as it was.
  void forget(const api::ObjectKey& key);
  /// All of a kind in a namespace (empty: in all) were these at `version` of the server.
  void replace(api::Kind kind, const std::string& nameSpace, const std::vector<nlohmann::json>& objects,
               const std::string& version = {});

  CachedObjectPtr find(const api::ObjectKey& key) const;
  std::vector<CachedObjectPtr> list() const;

  /// Whether what `holder` says to be its own can be. False: it is another object's, for certain.
  bool counts(const plan::Entry& entry, const api::ObjectKey& holder) const;
  /// Of unikernels and of volumes.
  std::vector<plan::Entry> entries() const;
  /// Of volumes, by server key.
  std::map<std::string, plan::Inventory> volumes() const;
  plan::Inventory inventoryOf(const std::string& serverKey) const;

 private:
  enum class Change { None, Status, Desired };
  /// Entries of one unikernel by the object that they stand on: more than one can say that it is theirs.
  using Claims = std::map<api::ObjectKey, plan::Entry>;
  using Index = std::map<std::string, std::map<albatross::Name, Claims>>;  // by server key
  struct Deletion {
    std::chrono::steady_clock::time_point time;
    api::ObjectKey key;
    std::string version;
  };
  // The caller of these has locked mutex_.
  bool isNews(const api::ObjectKey& key, const std::string& version) const;
  void drop(const api::ObjectKey& key);
  void noteDeletion(const api::ObjectKey& key, const std::string& version);
  void index(const CachedObject* before, const CachedObject* after);
  bool isInItsPlace(const plan::Entry& entry) const;
  const plan::Entry& rightful(const Claims& claims) const;
  plan::Inventory inventoryIn(const Index& byServer, const std::string& serverKey) const;

  Index& indexFor(const api::ObjectKey& holder);

  Change put(api::Kind kind, const nlohmann::json& object);
  CachedObject parse(api::Kind kind, const nlohmann::json& object) const;

  const std::filesystem::path imageFolder_;
  const std::function<void()> changed_;
  mutable std::mutex mutex_;
  std::map<api::ObjectKey, CachedObjectPtr> objects_;
  Index inventories_;  // of unikernels, without tombstones
  Index volumes_;
  Index tombstones_;
  std::map<api::ObjectKey, std::string> deleted_;  // the versions of the last deletions
  std::deque<Deletion> deletions_;                 // the same, oldest first
};

/// Whether objects of a kind keep an inventory of their own.
bool hasInventory(api::Kind kind);

/// The group and version, and the plural, that paths need.
std::string_view groupOf(api::Kind kind);
std::string_view pluralOf(api::Kind kind);

/// How many entries the annotation of a Unikernel or a UnikernelVolume may have, one for each instance that
/// it is on: more is not of ours.
inline constexpr std::size_t maxEntriesOfUnikernel = 256;

/// Entries as an annotation keeps them, and back. What cannot be read is none: a lost inventory destroys
/// nothing.
std::string toAnnotation(const std::vector<plan::Entry>& entries);
std::vector<plan::Entry> entriesIn(const std::string& annotation);
/// Those of an object that can be its own; an AlbatrossInstance's are tombstones.
std::vector<plan::Entry> entriesOf(const api::ObjectKey& key, const ObjectMeta& meta);

}  // namespace rookery::kubernetes
