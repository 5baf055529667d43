#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "serve/client_stream.h"

namespace rookery::serve {

/// A client's connection under TLS, the server's side. open() is the handshake.
class TlsStream : public ClientStream {
 public:
  /// Owns neither the socket nor more than a reference of the context.
  TlsStream(int socket, SSL_CTX* context, const StreamLimits& limits = {});
  ~TlsStream() override;

  bool open() override;
  bool encrypted() const override { return true; }
  /// Of a certificate that the client CA signed; nothing where it has none, or more than one.
  std::optional<std::string> commonName() const override;

 private:
  Attempt tryReceive(char* data, std::size_t size) override;
  Attempt trySend(const char* data, std::size_t size) override;
  Attempt peek() override;
  void sayGoodbye() override;
  Attempt unfinished(int result);
  void answerPlainHttp();

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  bool broken_ = false;  // after a failure OpenSSL must not be asked again, nor to close properly
};

}  // namespace rookery::serve
