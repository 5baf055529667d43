#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "error.h"
#include "serve/client_stream.h"
#include "serve/connection_pool.h"
#include "serve/http_connection.h"
#include "serve/metrics.h"
#include "serve/tls_context.h"

namespace rookery::serve {

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
class HttpListener {
 public:
  /// Port 0 takes a free one. `tls`: null for plain HTTP. `metrics` must outlive the listener. Error
  /// (SystemError): cannot listen, or no threads; says why.
  static Result<std::unique_ptr<HttpListener>> open(const boost::asio::ip::tcp::endpoint& endpoint,
                                                    std::unique_ptr<TlsContext> tls,
                                                    const ListenerLimits& limits, Handler handler,
                                                    Metrics& metrics);
  virtual ~HttpListener() = default;

  virtual std::uint16_t port() const = 0;
  /// Ends all connections, watches within about a second, and waits for the threads.
  virtual void stop() = 0;
};

}  // namespace rookery::serve
