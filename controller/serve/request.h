#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "http/message.h"

namespace rookery::serve {

/// The largest body of JSON or YAML that is taken, in bytes: the API server's own limit.
inline constexpr std::size_t maxObjectBytes = std::size_t{3} << 20;

/// Who sent a request, and what they may do. "*" in a set stands for everything.
struct Caller {
  std::string name = "system:anonymous";  // of the token, or the common name of the client certificate
  bool authenticated = false;
  std::set<std::string> verbs = {};       // get, list, watch, create, update, patch, delete, deploy
  std::set<std::string> namespaces = {};  // "*" includes what is cluster-scoped
  std::set<std::string> resources = {};   // unikernels, unikernelpolicies, secrets, …
  std::string tokenDigest = {};           // the SHA-256 of the token that was sent; empty: none was
};

/// A request whose sender is known.
struct Request : http::Request {
  Caller caller = {};
};

}  // namespace rookery::serve
