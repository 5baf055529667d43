#include "serve/server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <system_error>
#include <thread>

#include "serve/client_stream.h"
#include "serve/connection_pool.h"
#include "serve/failure.h"
#include "serve/loopback.h"
#include "serve/router.h"

namespace rookery::serve {
namespace {

using Endpoint = boost::asio::ip::tcp::endpoint;

constexpr std::size_t connectionThreads = 16;
constexpr int requestsPerConnection = 100;
constexpr int acceptBacklog = 128;
constexpr std::chrono::milliseconds acceptPause{20};  // when the machine has no descriptor or memory to spare

/// HTTP/1.1 on one connection: httplib reads the requests and writes what the router answers.
class Http : private httplib::Server {
 public:
  explicit Http(const Router& router) : router_(router) {
    const StreamLimits limits;
    set_keep_alive_max_count(requestsPerConnection);
    set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(limits.idle).count());
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_error_handler(HandlerWithResponse([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return HandlerResponse::Unhandled;  // the router's own answer
      write(failure(response.status, "the request is malformed or too large"), response);
      return HandlerResponse::Handled;
    }));
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
          write(failure(500, "the server failed to answer"), response);
        });
  }

  void serve(int socket) {
    ClientStream stream(socket);
    try {
      for (int left = requestsPerConnection; left > 0 && stream.awaitRequest() && serveOne(stream, left == 1);
           --left) {
      }
    } catch (const std::exception&) {
      ::shutdown(socket, SHUT_RDWR);  // no memory for a request: this client goes, the others must not suffer
    }
    stream.finish();
  }

 private:
  /// True when the connection can take another request.
  bool serveOne(ClientStream& stream, bool last) {
    bool reusable = false;  // stays so when the head was malformed: what follows it cannot be told
    bool clientCloses = false;
    const bool written = process_request(stream, last, clientCloses, [&](httplib::Request& request) {
      reusable = !last && prepare(request);
      stream.beginResponse();
    });
    return written && reusable && !clientCloses;
  }

  /// Takes out what httplib would do on a client's word at our cost. False when this must be the last
  /// request.
  static bool prepare(httplib::Request& request) {
    request.ranges.clear();           // many overlapping ranges would multiply the answer
    request.headers.erase("Expect");  // no body is read, so none is asked for
    const bool gzip = request.get_header_value("Accept-Encoding").contains("gzip");
    request.headers.erase("Accept-Encoding");  // Brotli at httplib's level takes seconds for a long list
    if (gzip) request.set_header("Accept-Encoding", "gzip");

    const bool body =
        request.has_header("Transfer-Encoding") ||
        (request.has_header("Content-Length") && request.get_header_value("Content-Length") != "0");
    if (body) {
      request.headers.erase("Connection");
      request.set_header("Connection", "close");
    }
    return !body;
  }

  void answer(const httplib::Request& request, httplib::Response& response) const {
    write(router_.handle({.method = request.method,
                          .target = request.target,
                          .accept = request.get_header_value("Accept"),
                          .host = request.get_header_value("Host")}),
          response);
  }

  static void write(Response answer, httplib::Response& response) {
    response.status = answer.status;
    response.body = std::move(answer.body);
    response.set_header("Content-Type", answer.contentType);
    response.set_header("Cache-Control", "no-store");
    response.set_header("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  }

  const Router& router_;
};

std::string describe(const Endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return std::move(text).str();
}

/// The reason in errno, as an Error of listening there.
std::unexpected<Error> cannotListen(const Endpoint& endpoint) {
  const int code = errno;
  if (code == EADDRINUSE) {
    return fail(
        Reason::SystemError,
        fmt::format("Cannot listen on {}: another program listens there already. Stop it, or choose another "
                    "address with --listen.",
                    describe(endpoint)));
  }
  return fail(Reason::SystemError, fmt::format("Cannot listen on {}: {}.", describe(endpoint),
                                               std::generic_category().message(code)));
}

/// A listening socket and the port that it got.
struct ListeningSocket {
  int socket = -1;
  std::uint16_t port = 0;
};

Result<ListeningSocket> openListener(Endpoint endpoint) {
  const int socket = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return cannotListen(endpoint);
  const int yes = 1;  // connections of an earlier run that still wait to time out are no obstacle
  auto length = static_cast<socklen_t>(endpoint.capacity());
  if (::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(socket, acceptBacklog) != 0 || ::getsockname(socket, endpoint.data(), &length) != 0) {
    auto error = cannotListen(endpoint);
    ::close(socket);
    return error;
  }
  return ListeningSocket{socket, endpoint.port()};
}

/// Signals stay with the threads of whoever started the server while this lives: threads inherit the mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

class HttpServer final : public Server {
 public:
  HttpServer(ListeningSocket listener, const reconcile::StatusStore& store, const Metrics& metrics)
      : listener_(listener),
        router_(store, metrics),
        http_(router_),
        pool_(connectionThreads, [this](int socket) { http_.serve(socket); }),
        acceptor_([this] { acceptConnections(); }) {}

  ~HttpServer() override { HttpServer::stop(); }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const override { return listener_.port; }

  void stop() override {
    if (stopping_.exchange(true)) return;
    ::shutdown(listener_.socket, SHUT_RDWR);  // wakes accept()
    acceptor_.join();
    pool_.stop();
    ::close(listener_.socket);
  }

 private:
  void acceptConnections() {
    while (true) {
      const int socket = ::accept4(listener_.socket, nullptr, nullptr, SOCK_CLOEXEC);
      if (stopping_) {
        if (socket >= 0) ::close(socket);
        return;
      }
      if (socket >= 0) {
        pool_.add(socket);
      } else {
        std::this_thread::sleep_for(acceptPause);
      }
    }
  }

  const ListeningSocket listener_;
  const Router router_;
  Http http_;
  ConnectionPool pool_;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(std::string_view listen, const reconcile::StatusStore& store,
                                              const Metrics& metrics) {
  const auto endpoint = parseLoopbackEndpoint(listen);
  if (!endpoint) return std::unexpected(endpoint.error());
  const auto listener = openListener(*endpoint);
  if (!listener) return std::unexpected(listener.error());
  const SignalsBlocked guard;
  try {
    return std::make_unique<HttpServer>(*listener, store, metrics);
  } catch (const std::system_error& error) {
    ::close(listener->socket);
    return fail(Reason::SystemError,
                fmt::format("Cannot start the threads of the HTTP listener: {}.", error.what()));
  }
}

}  // namespace rookery::serve
