#pragma once

#include <optional>

#include "reconcile/object_store.h"
#include "serve/access.h"
#include "serve/deploy.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"

namespace rookery::serve {

/// Answers requests: what is served and to whom, without sockets. Thread-safe; what it is made of must
/// outlive it.
///
/// /healthz and /readyz are open to everybody. For anything else the caller must be known (Access), within
/// its rate, and allowed what the request does (RequestInfo); a handler that does more than that (a patch
/// that creates) asks authorize() itself.
class Router {
 public:
  /// `deployer` null: nothing can be deployed here.
  Router(const reconcile::ObjectStore& store, const ResourceApi& api, const Metrics& metrics, Access& access,
         Deployer* deployer = nullptr)
      : store_(store), api_(api), metrics_(metrics), access_(access), deployer_(deployer) {}

  /// `request` without its caller, which is filled in here.
  Response handle(Request request) const;

 private:
  std::optional<Response> admit(Request& request, const Target& target) const;
  Response route(const Request& request, const Target& target) const;
  Response deploy(const Request& request, const Target& target) const;
  Response health() const;
  Response page() const;
  Response prometheus() const;
  Response readiness() const;

  const reconcile::ObjectStore& store_;
  const ResourceApi& api_;
  const Metrics& metrics_;
  Access& access_;
  Deployer* deployer_;
};

}  // namespace rookery::serve
