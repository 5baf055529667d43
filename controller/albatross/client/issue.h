#pragma once

#include <chrono>
#include <string>

#include "error.h"
#include "tls/openssl.h"

namespace rookery::albatross {

/// What signs a certificate. Not owned.
struct Issuer {
  X509* certificate;
  EVP_PKEY* key;
};

/// What varies between the certificates that carry commands.
struct CertificateContents {
  std::string commonName;  // at most 64 bytes
  bool ca = false;         // an intermediate, i.e. a component of the domain path; else the leaf
  std::string extension;   // DER of Albatross' CertExtension
  std::chrono::system_clock::time_point notBefore = {};
  std::chrono::system_clock::time_point notAfter = {};
};

/// A new certificate for `subjectKey`, signed by `issuer`, with the key usages that an Albatross server
/// wants: a leaf is for client authentication only, an intermediate for signing. Error: SystemError, what
/// OpenSSL could not do.
Result<tls::CertificatePtr> issueCertificate(const Issuer& issuer, EVP_PKEY* subjectKey,
                                             const CertificateContents& contents);

}  // namespace rookery::albatross
