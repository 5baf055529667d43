#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "http/message.h"
#include "reconcile/object_store.h"
#include "serve/access.h"
#include "serve/admission.h"
#include "serve/deploy.h"
#include "serve/metrics.h"
#include "serve/request.h"
#include "serve/resource_api.h"

namespace rookery::serve {

/// A request that would change something, and what became of it. Holds nothing of its body.
struct AuditRecord {
  std::string user;     // "system:anonymous" where nobody is authenticated
  std::string address;  // of the peer
  std::string method;
  std::string path;  // as it was sent, without the query
  int code = 0;
};
/// Called on any thread; must not block.
using Audit = std::function<void(const AuditRecord&)>;

/// Answers requests: what is served and to whom, without sockets. Thread-safe; what it is made of must
/// outlive it.
///
/// /healthz and /readyz are open to everybody, and so are the files of the page. For anything else the caller
/// must be known (Access), within its rate, and allowed what the request does (RequestInfo); a handler that
/// does more than that (a patch that creates) asks authorize() itself. An answer that goes on (a watch) ends,
/// and the body of a request is read no further, once the caller may not have it any more: the token was
/// revoked or has expired, say.
class Router {
 public:
  /// `deployer` null: nothing can be deployed here. `audit` is told of every request but those that only
  /// read. Of the `watches` (and other answers that last) at the same time, one caller has at most half.
  Router(const reconcile::ObjectStore& store, const ResourceApi& api, const Metrics& metrics, Access& access,
         Deployer* deployer = nullptr, Audit audit = nullptr, std::size_t watches = 256)
      : store_(store),
        api_(api),
        metrics_(metrics),
        access_(access),
        deployer_(deployer),
        audit_(std::move(audit)),
        watches_(watches, watches / 2) {}

  http::Response handle(http::Request request) const;

 private:
  http::Response answer(Request& request) const;
  std::optional<http::Response> admit(Request& request, const http::Target& target) const;
  /// Nothing while the caller may do still what the request does; or why not.
  using Refusal = std::function<std::optional<http::Response>()>;
  Refusal refusalOf(const Request& request, const http::Target& target) const;
  http::Response lasting(http::Response response, const Request& request, const Refusal& refused) const;
  http::Response route(const Request& request, const http::Target& target) const;
  http::Response deploy(const Request& request, const http::Target& target) const;
  http::Response health() const;
  http::Response prometheus() const;
  http::Response readiness() const;

  const reconcile::ObjectStore& store_;
  const ResourceApi& api_;
  const Metrics& metrics_;
  Access& access_;
  Deployer* deployer_;
  Audit audit_;
  mutable Admission watches_;
};

}  // namespace rookery::serve
