#pragma once

#include <string>

namespace rookery::albatross {

/// An operator's certificate and key, as files or a Secret hold them. A secret: never to be printed.
struct Pem {
  std::string ca;           // one or more certificates: the trust anchors for the server
  std::string certificate;  // the credential's own certificate, then its intermediates up to the CA, if any
  std::string privateKey;   // PKCS#8 or traditional, not encrypted
  friend bool operator==(const Pem&, const Pem&) = default;
};

}  // namespace rookery::albatross
