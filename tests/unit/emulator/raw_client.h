#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "albatross/wire.h"
#include "fixtures/pki.h"
#include "tls/openssl.h"

namespace rookery::emulator {

/// One certificate of a client's chain, right or wrong.
struct RawCertificate {
  std::optional<std::string> commonName;
  std::optional<std::string> extension;  // DER for the command's extension
  bool critical = false;                 // that extension
  long notBefore = -60;                  // seconds from now
  long notAfter = 300;
};

/// What came back until the server closed.
struct RawReplies {
  std::vector<std::string> messages;  // DER
  bool clean = false;                 // closed with close_notify, between two messages
};

/// A client of its own, written against OpenSSL alone and blocking: it can say what no well-behaved client
/// would.
class RawClient {
 public:
  /// Connects with the chain, outermost first, the leaf last, issued by `ca`; each has a key of its own.
  /// Aborts when there is nobody to connect to; what the server thinks of the certificates shows when
  /// reading.
  RawClient(std::uint16_t port, const fixtures::Identity& ca, const std::vector<RawCertificate>& chain);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  /// In frames of `chunk` bytes, without the end.
  void sendFrames(std::string_view content, std::size_t chunk = 1000);
  void endStream() { send(std::string(4, '\0')); }
  /// Says that nothing more will come.
  void closeNotify() { SSL_shutdown(session_.get()); }
  /// Closes without close_notify.
  void breakOff();

  /// Reads until the server closes, at most some seconds long, or `most` messages have come; what came after
  /// them is for the next read.
  RawReplies read(std::size_t most = SIZE_MAX);

 private:
  std::optional<std::string> takeMessage();

  int socket_ = -1;
  std::string received_;  // and not read yet
  std::unique_ptr<SSL_CTX, tls::Deleter<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, tls::Deleter<SSL_free>> session_;
};

/// CertExtension of a Command's DER.
std::string extensionOf(std::string_view commandDer, char version = 5);

/// A TLV of DER.
std::string der(char tag, std::string_view content);

}  // namespace rookery::emulator
