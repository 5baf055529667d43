#pragma once

#include <openssl/x509.h>

#include <chrono>
#include <string>

/// What a certificate says, as messages show it.
namespace rookery::tls {

using SystemTime = std::chrono::system_clock::time_point;

/// RFC 2253 form, e.g. "CN=admin".
std::string subjectOf(const X509* certificate);

/// Clipped to what the clock can say: 99991231235959Z, RFC 5280's "no end", becomes its maximum.
SystemTime notBeforeOf(const X509* certificate);
SystemTime notAfterOf(const X509* certificate);

/// ISO 8601 in UTC, e.g. "2026-06-01T12:00:00Z".
std::string dateOf(SystemTime time);

/// SHA-256 of the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), lower-case hex.
std::string keyFingerprintOf(const X509* certificate);

}  // namespace rookery::tls
