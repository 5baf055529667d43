#pragma once

#include <string>
#include <string_view>

#include "http/target.h"

namespace rookery::serve {

/// Whether a request with that method changes nothing: GET, or HEAD, which is answered as GET is.
bool onlyReads(std::string_view method);

/// What a request does to which resource, as Kubernetes derives it from method and path. Empty `resource`: it
/// is not about a resource (discovery, /openapi).
struct RequestInfo {
  std::string verb = {};      // get, list, watch, create, update, patch, delete, deploy; of others the method
  std::string group = {};     // "rookery.dev"; empty: the core group
  std::string resource = {};  // plural, e.g. "unikernels"
  std::string subresource = {};  // "status"
  std::string nameSpace = {};    // empty: cluster-scoped, or of all namespaces
  std::string name = {};         // empty: of the whole collection
};

/// /api/VERSION/… and /apis/GROUP/VERSION/…, below which
/// [namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]]; the namespace of a Namespace is itself. Deleting a
/// collection is "delete", too. Anything else is not about a resource; /deploy names its namespace only in
/// its body.
RequestInfo requestInfoOf(std::string_view method, const http::Target& target);

}  // namespace rookery::serve
