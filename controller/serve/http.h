#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "error.h"

namespace rookery::serve {

/// The body of a request as it comes from the connection; never held in memory as a whole. One thread, and
/// only while the request is being answered.
class Body {
 public:
  virtual ~Body() = default;

  /// The next bytes, valid until the next call; empty: the end. The first call tells a client that waits for
  /// it to go on (Expect: 100-continue). An error stays: BadRequest (malformed, or it ended too early),
  /// RequestTimeout (slower than the server waits), ConnectionFailed.
  virtual Result<std::string_view> next() = 0;
  /// What the client announced as Content-Length, in bytes; nothing when it comes in chunks.
  virtual std::optional<std::uint64_t> announcedSize() const = 0;
};

/// The largest body of JSON or YAML that is taken, in bytes: the API server's own limit.
inline constexpr std::size_t maxObjectBytes = std::size_t{3} << 20;

/// All of a body. Errors: RequestEntityTooLarge when it is or will be longer than `limit` bytes, and those of
/// Body::next.
Result<std::string> readAll(Body& body, std::size_t limit);

/// Who sent a request, and what they may do. "*" in a set stands for everything.
struct Caller {
  std::string name = "system:anonymous";  // of the token, or the common name of the client certificate
  bool authenticated = false;
  std::set<std::string> verbs = {};       // get, list, watch, create, update, patch, delete, deploy
  std::set<std::string> namespaces = {};  // "*" includes what is cluster-scoped
  std::set<std::string> resources = {};   // unikernels, unikernelpolicies, secrets, …
  std::string tokenDigest = {};           // the SHA-256 of the token that was sent; empty: none was
};

/// Where a request came from, as the connection knows it.
struct Peer {
  std::string address = {};  // without the port, e.g. "127.0.0.1", "2001:db8::1"
  bool tls = false;
  std::optional<std::string> commonName = {};  // of the client certificate that the client CA signed
};

/// What the routes need to know of an HTTP request. Headers that were not sent are empty.
struct Request {
  std::string method = {};  // "GET"
  std::string target = {};  // path and query as they stand in the request line, percent-encoded
  std::string accept = {};  // empty: anything is accepted
  std::string host = {};
  std::string contentType = {};
  std::string contentEncoding = {};
  std::string authorization = {};  // a secret: never to be shown
  std::string ifNoneMatch = {};
  std::string userAgent = {};
  std::string origin = {};  // of the page that asks, as browsers send it
  Body* body = nullptr;     // null: none was sent; lives as long as the request is being answered
  Peer peer = {};
  Caller caller = {};  // filled in by the router
};

struct Response {
  int status = 200;
  std::string contentType = {};
  std::string body = {};
  std::map<std::string, std::string> headers = {};  // besides Content-Type and what HTTP itself needs
  /// The body piece by piece instead of `body`: called until it returns nothing, and each piece is sent at
  /// once. An empty piece: nothing yet; it may block for about a second, and is called again only while the
  /// client is there and the server does not stop. Called on one thread, which need not be the handler's; an
  /// exception cuts the connection off, so that the client sees that the answer is not whole.
  std::function<std::optional<std::string>()> next = nullptr;
  /// For `next`: it lasts as long as the client likes (a watch). Such answers have a limit of their own, keep
  /// no thread from others and are never compressed.
  bool longRunning = false;
  /// A better answer than this one is to come: called until it gives one, on the handler's thread, under the
  /// rules of `next`. Such answers are long-running, too. When there are too many of them, or the server
  /// stops, this one is sent as it is.
  std::function<std::optional<Response>()> later = nullptr;
};

inline constexpr std::string_view jsonType = "application/json";
inline constexpr std::string_view plainTextType = "text/plain; charset=utf-8";

}  // namespace rookery::serve
