#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/object.h"
#include "api/status.h"
#include "plan/desired.h"
#include "plan/shared_map.h"
#include "reconcile/watch_cache.h"

namespace rookery::reconcile {

/// An object with what the controller knows of it. Immutable once published.
struct ObjectView {
  api::ObjectPtr object;
  api::Identity identity;
  api::Status status;
  bool ours = false;                  // the status is what this process sees; otherwise what it was told
  std::set<std::string> oursOn = {};  // of a unikernel with a placement: the instances of which it is
  std::uint64_t resourceVersion = 0;
};
using ObjectViewPtr = std::shared_ptr<const ObjectView>;

/// That an object is declared.
struct Declaration {
  api::ObjectPtr object;
  api::Identity identity;
  friend bool operator==(const Declaration&, const Declaration&) = default;
};
using Declarations = plan::SharedMap<api::ObjectKey, Declaration>;

class Listener;

/// The objects of the fleet and how they stand: what the HTTP API, `apply` and tests read. The controller
/// declares objects and removes them; whoever works on one reports its status; of one that is being deleted,
/// which no source holds any more, the API says what else becomes of it. Thread-safe; readers copy
/// pointers only.
class ObjectStore {
 public:
  using Cache = WatchCache<api::ObjectKey, ObjectView>;

  /// The object is declared, as it is now. Its status stays what it was; a new one has not been looked at.
  void declare(const api::ObjectPtr& object, const api::Identity& identity, api::SystemTime now);
  /// The same of all that is other than in `before`, which were declared before.
  void declare(const Declarations& declarations, const Declarations& before, api::SystemTime now);
  /// Nobody declares the object any more, since then, but something of it is left.
  void markDeleted(const api::ObjectKey& key, api::SystemTime since);
  /// An object that is being deleted says something else now. False: there is none with this uid, or it is
  /// not being deleted.
  bool amendDeleted(const api::ObjectPtr& object, const api::Identity& identity);
  /// The object is gone from the sources, and nothing of it is left to do.
  void remove(const api::ObjectKey& key);

  /// The object's status as somebody sees it now; the object itself is not changed, and one that is not known
  /// is passed over: it has been removed meanwhile. Tells `listener` when Ready changed its status or reason.
  /// A condition keeps the time of its last transition. Messages are made visible() and cut to 4 KiB.
  void report(const api::ObjectKey& key, api::Status status, Listener& listener);
  /// The same of a unikernel with a placement, as it is seen on the instance that `status` names.
  void report(const api::ObjectKey& key, const api::Status& status, const plan::Replicas& replicas,
              api::SystemTime now, Listener& listener);
  /// How far what declares an AlbatrossInstance has been carried out; the rest of its status stays, as this
  /// does whatever is reported.
  void noteSources(const api::ObjectKey& key, const std::vector<api::SourceStatus>& sources);
  /// The object's status as another controller has reported it; passed over where ours is known, but for how
  /// it stands on instances that are not ours.
  void mirror(const api::ObjectKey& key, const api::Status& status, api::SystemTime now);
  /// The object is another controller's from now on.
  void disown(const api::ObjectKey& key);
  /// The same of a unikernel with a placement, on one instance.
  void disown(const api::ObjectKey& key, const std::string& instance);

  ObjectViewPtr find(const api::ObjectKey& key) const { return cache_.find(key); }
  std::vector<ObjectViewPtr> list() const;
  /// All of a kind, in the order of namespace and name; `nameSpace` absent: of all namespaces.
  Cache::Listing list(api::Kind kind, const std::optional<std::string>& nameSpace) const;
  std::uint64_t resourceVersion() const { return cache_.resourceVersion(); }
  std::uint64_t keyChanges() const { return cache_.keyChanges(); }
  /// As WatchCache::after; of all kinds.
  std::optional<Cache::Changes> after(std::uint64_t version,
                                      std::chrono::steady_clock::time_point deadline) const {
    return cache_.after(version, deadline);
  }

  /// All that the sources declare has been declared here: what is not here is not declared.
  bool synced() const { return synced_; }
  void setSynced() { synced_ = true; }

  /// Every configured instance has been observed completely, or its deadline has passed once: what /readyz
  /// says.
  bool ready() const { return ready_; }
  void setReady() { ready_ = true; }

 private:
  template <class StatusNow>
  void publish(const api::ObjectKey& key, const StatusNow& statusNow, Listener& listener);
  static std::size_t weightOf(const Cache::Change& change);

  Cache cache_{Cache::defaultKept, weightOf};
  std::atomic<bool> synced_ = false;
  std::atomic<bool> ready_ = false;
};

}  // namespace rookery::reconcile
