#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "albatross/client/client.h"
#include "fixtures/pki.h"
#include "tls/openssl.h"

namespace rookery::albatross {

/// A message of a server as it travels.
std::string framed(const Name& name, const Payload& payload);

/// The server's end of one connection, for a test's script.
class PeerConnection {
 public:
  using Stream = asio::ssl::stream<asio::ip::tcp::socket>;
  explicit PeerConnection(Stream& stream) : stream_(stream) {}

  asio::awaitable<void> send(std::string bytes);
  asio::awaitable<void> reply(const Name& name, const Payload& payload);
  /// Sends what is no TLS.
  asio::awaitable<void> sendRaw(std::string bytes);
  /// Reads at least `size` bytes of what the client streams.
  asio::awaitable<void> receive(std::size_t size);
  /// Reads until the empty frame has come. The content is in `received` then.
  asio::awaitable<void> receiveStream();
  /// Reads until the client has closed.
  asio::awaitable<void> receiveAll();
  /// Ends as a server does: with a close_notify.
  asio::awaitable<void> shutdown();

  /// What came without the frames' headers, and whether the empty frame was in it.
  std::string content() const;
  bool ended() const;

 private:
  Stream& stream_;
  std::string received_;
};

/// A TLS 1.3 server on 127.0.0.1 that plays a script with each client that it accepts.
class TlsPeer {
 public:
  using Script = std::function<asio::awaitable<void>(PeerConnection&)>;

  /// Shows `identity` and trusts client certificates below the CA `trusted` (PEM).
  TlsPeer(const asio::any_io_executor& executor, const fixtures::Identity& identity,
          const std::string& trusted);

  Endpoint endpoint() const;

  /// Accepts a client, shakes hands, plays the script, and closes the TCP connection. Whatever breaks ends
  /// it, too.
  asio::awaitable<void> serve(Script script);

  /// Ends a serve() that still waits for its client.
  void stopWaiting() { acceptor_.cancel(); }

  /// The chain that the last client showed, its leaf first.
  const std::vector<tls::CertificatePtr>& chain() const { return chain_; }

 private:
  asio::ip::tcp::acceptor acceptor_;
  asio::ssl::context context_;
  std::vector<tls::CertificatePtr> chain_;
};

/// The command in a certificate, with which everything about it is checked in tests: extension, common name.
std::string extensionIn(const X509* certificate);
std::string commonNameOf(const X509* certificate);

}  // namespace rookery::albatross
