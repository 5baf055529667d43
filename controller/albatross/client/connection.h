#pragma once

#include <openssl/ssl.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "albatross/client/client.h"
#include "albatross/client/frame.h"
#include "error.h"
#include "tls/x509.h"

namespace rookery::albatross {

/// One TLS 1.3 connection to a server, for one call, on one executor that runs one handler at a time. Closed
/// as it is by its destructor: nothing is flushed and no close_notify is sent, so that a server never takes
/// an aborted stream for a finished one. A cancelled operation returns an Error that means nothing.
class Connection {
 public:
  Connection(const asio::any_io_executor& executor, SslPtr client, Endpoint endpoint);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  /// Resolves, connects, and checks the server's certificate as of `now`, for `serverName` where given.
  /// `serverKey`: which key it must have; empty: any. Errors: ConnectionFailed, TlsFailed,
  /// ServerCertificate…, ServerNameMismatch, CertificateRefused.
  asio::awaitable<Result<void>> open(const std::optional<std::string>& serverName, SystemTime now,
                                     std::string serverKey = {});

  /// Whether the server may have our whole handshake, and in it the command.
  bool established() const { return opened_ || SSL_is_init_finished(ssl_) == 1; }

  /// SHA-256 of the server's public key, once open.
  std::string serverKey() const;
  std::chrono::system_clock::time_point serverNotAfter() const;

  /// Sends `bytes`, in one frame unless they are more than a server takes in one. False when the connection
  /// is broken: why is for the reader to find out, as the server may have said it before.
  asio::awaitable<bool> writeFrames(std::span<const std::byte> bytes);

  /// Sends the empty frame that ends a stream.
  asio::awaitable<bool> writeEnd();

  /// Reads one frame of no more than `longest` bytes and returns them. May run while a write does. Errors as
  /// readError, and ProtocolError for a length that no reply has.
  asio::awaitable<Result<std::string>> readFrame(std::size_t longest);

  /// The same of what a server sends after its reply. Errors as streamError, and ProtocolError as above.
  asio::awaitable<Result<std::string>> readMessage();

  /// Has the kernel ask a silent server whether it is still there, and break the connection when it is not:
  /// after a minute, and two more without an answer.
  void probeWhenSilent();

 private:
  asio::awaitable<Result<void>> connect();
  Result<void> prepareVerification(const std::optional<std::string>& serverName, SystemTime now,
                                   std::string serverKey);
  bool isExpected(X509_STORE_CTX* verification, const std::string& serverKey);

  const Endpoint endpoint_;
  const std::string name_;  // host:port
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  SSL* const ssl_;  // the stream's
  FrameReader<asio::ssl::stream<asio::ip::tcp::socket>> frames_{stream_, name_};
  bool opened_ = false;
  std::optional<Error> rejection_;  // of the server's certificate, by us
};

}  // namespace rookery::albatross
