#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/object.h"
#include "api/status.h"

namespace rookery::reconcile {

/// An object with what the controller knows of it. Immutable once published.
struct ObjectView {
  api::ObjectPtr object;
  std::int64_t generation = 1;
  api::Status status;
};
using ObjectViewPtr = std::shared_ptr<const ObjectView>;

/// The state that status is read from: by the HTTP API, by apply, by tests. Thread-safe; readers copy
/// pointers only.
class StatusStore {
 public:
  /// Sets or replaces the view of an object.
  void publish(ObjectViewPtr view);
  /// The object is gone from the sources, and nothing of it is left to do.
  void remove(const api::ObjectKey& key);

  ObjectViewPtr find(const api::ObjectKey& key) const;
  /// All of a kind, in the order of namespace and name; `nameSpace` absent: of all namespaces.
  std::vector<ObjectViewPtr> list(api::Kind kind, const std::optional<std::string>& nameSpace) const;

  /// Every configured instance has been observed completely, or its deadline has passed once: what /readyz
  /// says.
  bool ready() const;
  void setReady();

 private:
  mutable std::mutex mutex_;
  std::map<api::ObjectKey, ObjectViewPtr> views_;
  bool ready_ = false;
};

class Listener;

/// Publishes the status of an object if it differs from the published one, and tells `listener` when Ready
/// changed. A condition whose status did not change keeps the time of its last transition.
void publishStatus(StatusStore& store, Listener& listener, const api::ObjectPtr& object,
                   std::int64_t generation, api::Status status);

}  // namespace rookery::reconcile
