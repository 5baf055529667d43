#pragma once

#include <string>

namespace rookery::source {

/// A commit that a work tree of Git has checked out.
struct Revision {
  std::string branch = {};  // without anything that is not seen; empty: HEAD names the commit itself
  std::string commit;       // 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits

  /// As Flux writes it: "main@sha1:2e5f…", "sha1:2e5f…".
  std::string toString() const;
  friend bool operator==(const Revision&, const Revision&) = default;
};

}  // namespace rookery::source
