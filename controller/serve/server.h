#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "error.h"
#include "reconcile/status_store.h"
#include "serve/metrics.h"

namespace rookery::serve {

/// The HTTP listener: /metrics, /healthz, /readyz, the read-only Kubernetes-shaped API below
/// /apis/rookery.dev/v1alpha1, and a page at /. Runs on threads of its own; reads from the store and the
/// metrics, which must outlive it.
class Server {
 public:
  /// `listen` is "address:port"; port 0 takes a free one. Errors: UsageError (not an address, or not a
  /// loopback one: anything else will need TLS and a token, which are not there yet), SystemError (cannot
  /// listen: says why).
  static Result<std::unique_ptr<Server>> start(std::string_view listen, const reconcile::StatusStore& store,
                                               const Metrics& metrics);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  /// Ends all connections and waits for the threads.
  virtual void stop() = 0;
};

}  // namespace rookery::serve
