#include "http/connection.h"

#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>

namespace rookery::http {
namespace {

constexpr int requestsPerConnection = 100;
constexpr std::size_t largeBody = std::size_t{3} << 20;

/// The body of a request, which counts as long-running once it is large: an upload may take
/// its time, and must not be cut off for newer connections.
class Upload : public Body {
 public:
  Upload(Body& body, ConnectionPool::Connection& connection) : body_(body), connection_(connection) {}

  Result<std::string_view> next() override {
    auto piece = body_.next();
    const bool wasLong = bytes_ > largeBody;
    if (piece) bytes_ += piece->size();
    if (!wasLong && bytes_ > largeBody) connection_.becomeLongRunning();  // where it cannot, it goes on
    return piece;
  }
  std::optional<std::uint64_t> announcedSize() const override { return body_.announcedSize(); }

 private:
  Body& body_;
  ConnectionPool::Connection& connection_;
  std::size_t bytes_ = 0;
};

/// While it lives, a connection is at work for its client.
class AtWork {
 public:
  explicit AtWork(ConnectionPool::Connection& connection) : connection_(connection) {
    connection_.setAtWork(true);
  }
  ~AtWork() { connection_.setAtWork(false); }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

 private:
  ConnectionPool::Connection& connection_;
};

/// While it lives, one request more is counted.
template <void (Observer::*changed)(int)>
class Counted {
 public:
  explicit Counted(Observer& observer) : observer_(observer) { (observer_.*changed)(1); }
  ~Counted() { (observer_.*changed)(-1); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  Observer& observer_;
};

using InFlight = Counted<&Observer::requestsInFlightChanged>;
using LongRunning = Counted<&Observer::longRunningRequestsChanged>;

}  // namespace

void Connection::serve() {
  if (!stream_.open()) {
    stream_.finish();
    return;
  }
  peer_.tls = stream_.encrypted();
  for (int left = requestsPerConnection; left > 0; --left) {
    if (context_.stopping() || !stream_.awaitRequest() || !serveOne(left == 1)) break;
  }
  stream_.finish();
}

/// True when the connection can take another request.
bool Connection::serveOne(bool last) {
  RequestReader reader(stream_);
  auto request = reader.readHead();
  if (!request) {  // what follows cannot be told from what was refused
    const auto& refused = request.error().answer;
    if (!refused) return false;
    context_.service.observer.requestAnswered("", refused->status, {});
    ResponseWriter(stream_, context_.stopping)
        .write(context_.service.failure(refused->status, refused->message), {.close = true});
    return false;
  }
  const AtWork atWork(connection_);
  return answer(reader, *std::move(request), last);
}

bool Connection::answer(RequestReader& reader, Request request, bool last) {
  const InFlight inFlight(context_.service.observer);
  Upload upload(reader, connection_);
  if (request.body != nullptr) request.body = &upload;
  peer_.commonName = stream_.commonName();
  request.peer = peer_;
  const auto start = std::chrono::steady_clock::now();
  Response response = handle(request);
  const auto duration = std::chrono::steady_clock::now() - start;
  if (response.longRunning && !connection_.becomeLongRunning()) response = tooManyLongRunning();
  if (!awaitBetter(response)) return false;
  context_.service.observer.requestAnswered(request.method, response.status, duration);

  std::optional<LongRunning> counted;
  if (response.longRunning) counted.emplace(context_.service.observer);
  // A body that nobody read could be taken for the next request; the thread of what was long-running ends.
  const bool close = last || !reader.keepAlive() || !reader.exhausted() || connection_.longRunning();
  const bool arrived = ResponseWriter(stream_, [this] { return over(); })
                           .write(response, {.withoutBody = request.method == "HEAD",
                                             .chunksAllowed = reader.chunksAllowed(),
                                             .gzipAccepted = reader.acceptsGzip(),
                                             .close = close});
  return arrived && !close;
}

/// Waits for the better answer that a response may promise. False: the client does not wait for any.
bool Connection::awaitBetter(Response& response) {
  if (!response.later || !connection_.becomeLongRunning()) return true;
  const LongRunning counted(context_.service.observer);
  while (!over()) {
    if (stream_.gone()) return false;
    auto better = response.later();
    if (!better) continue;
    response = *std::move(better);
    break;
  }
  return true;
}

/// Whether an answer that goes on must end: the server stops, or the client is not any more who it was.
bool Connection::over() {
  return context_.stopping() || (peer_.commonName && stream_.commonName() != peer_.commonName);
}

Response Connection::tooManyLongRunning() const {
  Response response =
      context_.service.failure(429, "too many watches are open at once; close some, or try again later");
  response.headers["Retry-After"] = "10";
  return response;
}

Response Connection::handle(const Request& request) const {
  try {
    return context_.service.handler(request);
  } catch (const std::exception&) {
    return context_.service.failure(500, "the server failed to answer");
  }
}

}  // namespace rookery::http
