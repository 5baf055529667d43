#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "error.h"

namespace rookery::http {

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

/// All of a body. Errors: RequestEntityTooLarge when it is or will be longer than `limit` bytes, and those of
/// Body::next.
Result<std::string> readAll(Body& body, std::size_t limit);

/// Where a request came from, as the connection knows it.
struct Peer {
  std::string address = {};  // without the port, e.g. "127.0.0.1", "2001:db8::1"
  bool tls = false;
  std::optional<std::string> commonName = {};  // of the client certificate that the client CA signed
};

/// What a handler needs to know of a request. Headers that were not sent are empty.
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

/// Answers a request. Called on the connections' threads, several at once.
using Handler = std::function<Response(Request)>;

/// Words what a connection answers by itself (to a request that cannot be read, one too many, one that the
/// handler failed on): the body for a status code and a message. Called as a Handler is; must not throw.
using Failure = std::function<Response(int status, const std::string& message)>;

/// What happens on the connections, for whoever counts it. Called on their threads; must not block and must
/// not throw. The defaults ignore it.
class Observer {
 public:
  virtual ~Observer() = default;
  /// `method`: as it was sent, which may be anything; empty where none could be read. `duration`: until there
  /// was an answer, which begins to be sent now; what a Response waits for (`later`) is not counted.
  virtual void requestAnswered(std::string_view /*method*/, int /*status*/,
                               std::chrono::nanoseconds /*duration*/) {}
  /// So many more requests (1, or -1: one less) are being answered.
  virtual void requestsInFlightChanged(int /*by*/) {}
  /// The same of those among them that last as long as the client likes.
  virtual void longRunningRequestsChanged(int /*by*/) {}
  /// The certificate that new connections are shown from now on ends then.
  virtual void certificateLoaded(std::chrono::system_clock::time_point /*notAfter*/) {}
};

/// Who answers what comes in on a listener. `observer` must outlive that.
struct Service {
  Handler handler;
  Failure failure;
  Observer& observer;
};

}  // namespace rookery::http
