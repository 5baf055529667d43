#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "http/client_stream.h"
#include "http/message.h"
#include "http/tls_context.h"

namespace rookery::http {

/// A client's connection under TLS, the server's side. open() is the handshake.
class TlsStream : public ClientStream {
 public:
  /// Does not own the socket; context and `failure` must outlive the stream.
  TlsStream(int socket, TlsContext& context, const Failure& failure, const StreamLimits& limits);
  ~TlsStream() override;

  bool open() override;
  bool encrypted() const override { return true; }
  /// Of a certificate that the client CA signed; nothing where it has none, or more than one. A connection
  /// may last longer than the trust in its certificate: when that expires, or the client CA is replaced,
  /// there is no name any more, within about a second.
  std::optional<std::string> commonName() override;

 private:
  Attempt tryReceive(char* data, std::size_t size) override;
  Attempt trySend(const char* data, std::size_t size) override;
  Attempt peek() override;
  void sayGoodbye() override;
  Attempt unfinished(int result);
  void answerPlainHttp();
  bool isTrusted(X509* certificate);

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  TlsContext& context_;
  const Failure& failure_;
  std::shared_ptr<SSL_CTX> judge_;  // whose CAs the client's certificate was held against last
  Clock::time_point judged_;
  bool trusted_ = false;
  std::unique_ptr<SSL, Free> ssl_;
  bool broken_ = false;  // after a failure OpenSSL must not be asked again, nor to close properly
};

}  // namespace rookery::http
