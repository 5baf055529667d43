#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "error.h"
#include "http/client_stream.h"
#include "http/connection_pool.h"
#include "http/message.h"
#include "http/tls_context.h"

namespace rookery::http {

/// How much one listener serves at once, and how long it waits for each client.
struct ListenerLimits {
  ConnectionPool::Limits connections = {};
  StreamLimits stream = {};
};

/// These limits as far as a process may have them that can have so many descriptors open at the same time
/// (RLIMIT_NOFILE): half of those stay for what else it opens, such as state files and connections to
/// servers.
ListenerLimits within(ListenerLimits limits, std::size_t descriptors);

/// HTTP/1.1 on a TCP port, plain or under TLS, on threads of its own.
class Listener {
 public:
  /// Port 0 takes a free one. `tls`: null for plain HTTP. Error
  /// (SystemError): cannot listen, or no threads; says why.
  static Result<std::unique_ptr<Listener>> open(const boost::asio::ip::tcp::endpoint& endpoint,
                                                std::unique_ptr<TlsContext> tls, const ListenerLimits& limits,
                                                Service service);
  virtual ~Listener() = default;

  virtual std::uint16_t port() const = 0;
  /// Ends all connections, watches within about a second, and waits for the threads.
  virtual void stop() = 0;
};

}  // namespace rookery::http
