#pragma once

#include "reconcile/status_store.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"

namespace rookery::serve {

/// Answers requests: what is served, without sockets. Thread-safe; store and metrics must outlive it.
class Router {
 public:
  Router(const reconcile::StatusStore& store, const Metrics& metrics)
      : store_(store), metrics_(metrics), api_(store) {}

  Response handle(const Request& request) const;

 private:
  Response health() const;
  Response page() const;
  Response prometheus() const;
  Response readiness() const;

  const reconcile::StatusStore& store_;
  const Metrics& metrics_;
  ResourceApi api_;
};

}  // namespace rookery::serve
