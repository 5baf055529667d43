#include "albatross/client/tls_error.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <string_view>

#include "tls/x509.h"

namespace rookery::albatross {

namespace asio = boost::asio;

namespace {

/// The alerts of RFC 8446, 6.2 that are about our certificate.
struct CertificateAlert {
  int number;
  std::string_view name;
  std::string_view hint;
};

constexpr std::string_view clocks = "compare this machine's clock with the server's";
constexpr std::string_view chain = "look at the credential's chain, key usages and path length";
constexpr std::string_view clocksOrChain =
    "compare this machine's clock with the server's, which takes a certificate that is not valid yet, or not "
    "any more, for a bad one; or look at the credential's chain, key usages and path length";
constexpr std::string_view issuer = "the credential must come from the CA that the server trusts";

constexpr std::array<CertificateAlert, 8> certificateAlerts{{
    {SSL_AD_BAD_CERTIFICATE, "bad_certificate", clocksOrChain},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported_certificate", chain},
    {SSL_AD_CERTIFICATE_REVOKED, "certificate_revoked", "have the credential replaced"},
    {SSL_AD_CERTIFICATE_EXPIRED, "certificate_expired", clocks},
    {SSL_AD_CERTIFICATE_UNKNOWN, "certificate_unknown", chain},
    {SSL_AD_UNKNOWN_CA, "unknown_ca", issuer},
    {SSL_AD_ACCESS_DENIED, "access_denied", issuer},
    {SSL_AD_CERTIFICATE_REQUIRED, "certificate_required", chain},
}};

/// The alert that the server sent, if that is what the error tells.
std::optional<int> alertIn(const boost::system::error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return std::nullopt;
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  constexpr int alerts = 256;
  if (reason < SSL_AD_REASON_OFFSET || reason >= SSL_AD_REASON_OFFSET + alerts) return std::nullopt;
  return reason - SSL_AD_REASON_OFFSET;
}

Error alertError(int alert, const std::string& server) {
  const auto* known = std::ranges::find(certificateAlerts, alert, &CertificateAlert::number);
  if (known != certificateAlerts.end()) {
    return {Reason::CertificateRefused,
            fmt::format("The server {} refused our certificate with the alert {}; {}.", server, known->name,
                        known->hint)};
  }
  return {Reason::TlsFailed, fmt::format("The server {} ended the TLS connection with the alert \"{}\".",
                                         server, SSL_alert_desc_string_long(alert))};
}

}  // namespace

Error verificationError(X509_STORE_CTX* verification, const std::string& server,
                        const std::optional<std::string>& serverName) {
  const int error = X509_STORE_CTX_get_error(verification);
  const X509* certificate = X509_STORE_CTX_get_current_cert(verification);
  const std::string subject = certificate == nullptr ? "without a name" : tls::subjectOf(certificate);
  const auto say = [&](Reason reason, std::string_view what) {
    return Error{reason,
                 fmt::format("The server {} shows the certificate {}, which {}.", server, subject, what)};
  };
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return say(Reason::ServerCertificateExpired,
                 fmt::format("expired at {}; have it renewed", tls::dateOf(tls::notAfterOf(certificate))));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return say(Reason::ServerCertificateNotYetValid,
                 fmt::format("is valid only from {}; check this machine's clock",
                             tls::dateOf(tls::notBeforeOf(certificate))));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return say(Reason::ServerCertificateUnknownCA,
                 "the credential's CA did not issue; give the CA of this server, or check that this is the "
                 "right server");
    case X509_V_ERR_HOSTNAME_MISMATCH:
      return say(Reason::ServerNameMismatch,
                 fmt::format("is not for the required serverName \"{}\"", serverName.value_or("")));
    default:
      return say(Reason::TlsFailed,
                 fmt::format("cannot be trusted: {}", X509_verify_cert_error_string(error)));
  }
}

Error handshakeError(const boost::system::error_code& error, const std::string& server) {
  if (const auto alert = alertIn(error)) return alertError(*alert, server);
  return {Reason::TlsFailed,
          fmt::format("There is no TLS 1.3 handshake with {} ({}); is this an Albatross TLS endpoint?",
                      server, error.message())};
}

Error readError(const boost::system::error_code& error, const std::string& server, std::size_t received) {
  if (const auto alert = alertIn(error)) return alertError(*alert, server);
  const bool clean = error == asio::error::eof;
  if (received > 0 && (clean || error == asio::ssl::error::stream_truncated)) {
    return {
        Reason::ProtocolError,
        fmt::format("The server {} closed the connection after {} bytes of its reply.", server, received)};
  }
  if (clean) {
    return {
        Reason::ProtocolError,
        fmt::format(
            "The server {} closed the connection without a reply: it does not know or does not allow this "
            "command, or it is older than wire version 5.",
            server)};
  }
  const bool garbled = error.category() == asio::error::get_ssl_category();
  return {garbled ? Reason::TlsFailed : Reason::ConnectionFailed,
          fmt::format("The connection to {} broke before the reply came: {}.", server, error.message())};
}

Error streamError(const boost::system::error_code& error, const std::string& server, std::size_t received) {
  const bool clean = error == asio::error::eof;
  if (received > 0 && (clean || error == asio::ssl::error::stream_truncated)) {
    return {Reason::ConnectionFailed,
            fmt::format("The server {} broke off its stream after {} bytes of a message.", server, received)};
  }
  if (clean) return {Reason::ConnectionFailed, fmt::format("The server {} ended the stream.", server)};
  const bool garbled = error.category() == asio::error::get_ssl_category();
  return {garbled ? Reason::TlsFailed : Reason::ConnectionFailed,
          fmt::format("The stream of {} broke: {}.", server, error.message())};
}

}  // namespace rookery::albatross
