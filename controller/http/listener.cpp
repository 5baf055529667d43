#include "http/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "http/rate_limiter.h"
#include "http/tls_stream.h"

namespace rookery::http {
namespace {

using Endpoint = boost::asio::ip::tcp::endpoint;

constexpr int acceptBacklog = 128;
constexpr std::chrono::milliseconds acceptPause{20};  // when the machine has no descriptor or memory to spare

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

/// Events of a watch go out at once, and a client whose machine vanished is noticed (30 s + 3 × 10 s).
void tune(int socket) {
  const auto set = [socket](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// Empty when the client is gone already. An IPv4 address in IPv6 form is shown as the former.
std::string addressOf(int socket) {
  Endpoint peer;
  auto length = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(socket, peer.data(), &length) != 0) return {};
  const auto address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

/// A descriptor that is kept back, so that a client can be answered, a probe say, where this process has no
/// other left. One thread.
class SpareDescriptor {
 public:
  SpareDescriptor() { restore(); }
  ~SpareDescriptor() { release(); }
  SpareDescriptor(const SpareDescriptor&) = delete;
  SpareDescriptor& operator=(const SpareDescriptor&) = delete;

  void restore() {
    if (descriptor_ < 0) descriptor_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  /// False: it is in use already.
  bool release() {
    if (descriptor_ < 0) return false;
    ::close(std::exchange(descriptor_, -1));
    return true;
  }

 private:
  int descriptor_ = -1;
};

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

class TcpListener final : public Listener {
 public:
  TcpListener(ListeningSocket listener, std::unique_ptr<TlsContext> tls, const ListenerLimits& limits,
              Service service)
      : listener_(listener),
        tls_(std::move(tls)),
        limits_(limits.stream),
        service_(std::move(service)),
        pool_(limits.connections, [this](ConnectionPool::Connection& connection) { serve(connection); }),
        acceptor_([this] { acceptConnections(); }) {}

  ~TcpListener() override { TcpListener::stop(); }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

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
      const int error = errno;
      if (stopping_) {
        if (socket >= 0) ::close(socket);
        return;
      }
      if (socket >= 0) {
        pool_.add(socket, rateKeyOf(addressOf(socket)));
        spare_.restore();
        continue;
      }
      const bool noDescriptor = error == EMFILE || error == ENFILE;
      if (noDescriptor && spare_.release()) continue;
      if (noDescriptor) {  // which is found out before there is a client
        awaitClient();
        pool_.dropIdle();
      }
      std::this_thread::sleep_for(acceptPause);
    }
  }

  void awaitClient() const {
    pollfd entry{.fd = listener_.socket, .events = POLLIN, .revents = 0};
    ::poll(&entry, 1, -1);  // the end of the listener is an event, too
  }

  void serve(ConnectionPool::Connection& connection) {
    try {
      tune(connection.socket());
      if (tls_) {
        TlsStream stream(connection.socket(), *tls_, service_.failure, limits_);
        serve(connection, stream);
      } else {
        ClientStream stream(connection.socket(), limits_);
        serve(connection, stream);
      }
    } catch (const std::exception&) {
      // No memory for a request: this client goes, the others must not suffer.
      ::shutdown(connection.socket(), SHUT_RDWR);
    }
  }

  void serve(ConnectionPool::Connection& connection, ClientStream& stream) {
    Connection(stream, connection, {.address = addressOf(connection.socket())},
               {.service = service_, .stopping = [this] { return stopping_.load(); }})
        .serve();
  }

  const ListeningSocket listener_;
  const std::unique_ptr<TlsContext> tls_;
  const StreamLimits limits_;
  const Service service_;
  std::atomic<bool> stopping_ = false;
  ConnectionPool pool_;
  SpareDescriptor spare_;  // from here on the acceptor's
  std::thread acceptor_;
};

}  // namespace

ListenerLimits within(ListenerLimits limits, std::size_t descriptors) {
  const auto atMost = [](std::size_t& limit, std::size_t most) {
    limit = std::min(limit, std::max<std::size_t>(most, 1));
  };
  atMost(limits.connections.longRunning, descriptors / 4);
  atMost(limits.connections.newcomers, descriptors / 8);
  atMost(limits.connections.connections, descriptors / 16);
  return limits;
}

Result<std::unique_ptr<Listener>> Listener::open(const Endpoint& endpoint, std::unique_ptr<TlsContext> tls,
                                                 const ListenerLimits& limits, Service service) {
  const auto listener = openListener(endpoint);
  if (!listener) return std::unexpected(listener.error());
  const SignalsBlocked guard;
  try {
    return std::make_unique<TcpListener>(*listener, std::move(tls), limits, std::move(service));
  } catch (const std::system_error& error) {
    ::close(listener->socket);
    return fail(Reason::SystemError,
                fmt::format("Cannot start the threads of the HTTP listener: {}.", error.what()));
  }
}

}  // namespace rookery::http
