#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "error.h"
#include "http/listener.h"
#include "reconcile/object_store.h"
#include "serve/access.h"
#include "serve/deploy.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"
#include "serve/router.h"

namespace rookery::serve {

/// The HTTP listener of `rookery run`: /metrics, /healthz, /readyz, the Kubernetes-shaped API, and a page at
/// /. Runs on threads of its own, and writes its own numbers to the metrics; store, API and metrics must
/// outlive it.
class Server {
 public:
  struct Options {
    std::string listen = "127.0.0.1:8080";  // address:port; port 0 takes a free one
    http::TlsFiles tls = {};                // all empty: plain HTTP, on a loopback address only
    std::filesystem::path tokenFile = {};   // who may do what; empty: none
    http::ListenerLimits limits = {};
    Deployer* deployer = nullptr;  // must outlive the server; null: nothing can be deployed here
    http::Rate requests = Access::Options().requests;  // of one caller or address
    http::Rate failures = Access::Options().failures;  // of failed authentications from one address
    /// Told of what the operator should know, such as a certificate that was replaced by a broken one. Called
    /// on the server's threads, and on the caller's within start().
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
    /// Told who changed what. Called on the server's threads.
    Audit audit = nullptr;
  };

  /// Errors: UsageError (not an address, one that needs TLS, half of a certificate and key, TLS that nobody
  /// could get through), CredentialInvalid (a file; names it), SystemError (cannot listen: says why).
  static Result<std::unique_ptr<Server>> start(const Options& options, const reconcile::ObjectStore& store,
                                               const ResourceApi& api, Metrics& metrics);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  /// Ends all connections, watches within about a second, and waits for the threads.
  virtual void stop() = 0;
};

}  // namespace rookery::serve
