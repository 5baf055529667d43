#pragma once

#include <string>

#include "reconcile/status_store.h"
#include "serve/http.h"
#include "serve/target.h"

namespace rookery::serve {

/// The API below /apis as Kubernetes shapes it: discovery, and the custom kinds' objects to list and get.
/// Secrets are no resource here. Thread-safe; the store must outlive it.
class ResourceApi {
 public:
  explicit ResourceApi(const reconcile::StatusStore& store) : store_(store) {}

  /// `target` is below "apis". Failures are Status objects.
  Response handle(const Request& request, const Target& target) const;

 private:
  const reconcile::StatusStore& store_;
};

}  // namespace rookery::serve
