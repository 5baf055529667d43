#pragma once

#include <openssl/x509_vfy.h>

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "error.h"

/// What a failure of a TLS connection means to the operator of an Albatross server. `server` is its
/// host:port.
namespace rookery::albatross {

/// The server's certificate did not pass: ServerCertificateExpired, ServerCertificateNotYetValid,
/// ServerCertificateUnknownCA, ServerNameMismatch, or TlsFailed with OpenSSL's words.
Error verificationError(X509_STORE_CTX* verification, const std::string& server,
                        const std::optional<std::string>& serverName);

/// The handshake failed otherwise: CertificateRefused (ours) or TlsFailed.
Error handshakeError(const boost::system::error_code& error, const std::string& server);

/// The reply did not come, or not whole: `received` bytes of it did, its length included. CertificateRefused
/// (TLS 1.3 says so only at the first read), ProtocolError where the server ended the connection, TlsFailed,
/// ConnectionFailed.
Error readError(const boost::system::error_code& error, const std::string& server, std::size_t received);

/// The same of a message after the reply, of which there may always be one more: ConnectionFailed where the
/// server ended the connection.
Error streamError(const boost::system::error_code& error, const std::string& server, std::size_t received);

}  // namespace rookery::albatross
