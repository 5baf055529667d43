#pragma once

#include <string_view>
#include <vector>

#include "error.h"
#include "tls/openssl.h"

namespace rookery::tls {

/// The certificates of a PEM text, in its order; at least one. `what` names the text in the Error
/// (CredentialInvalid).
Result<std::vector<CertificatePtr>> readCertificates(std::string_view pem, std::string_view what);

/// A private key from PKCS#8 or traditional PEM, of a type and size that an Albatross server takes: Ed25519,
/// P-256, P-384, P-521, or RSA from 2048 bits. Error: CredentialInvalid, which says so for an encrypted key,
/// too.
Result<KeyPtr> readPrivateKey(std::string_view pem, std::string_view what);

}  // namespace rookery::tls
