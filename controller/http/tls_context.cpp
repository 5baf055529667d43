#include "http/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <array>
#include <string_view>
#include <utility>

#include "file/watched.h"
#include "sentence.h"
#include "tls/openssl.h"
#include "tls/pem.h"
#include "tls/x509.h"

namespace rookery::http {
namespace {

using tls::CertificatePtr;
using tls::KeyPtr;
using Certificates = std::vector<CertificatePtr>;

/// RFC 7301: http/1.1 is picked wherever it is offered; a client that offers only others is refused.
int selectProtocol(SSL*, const unsigned char** selected, unsigned char* length, const unsigned char* offered,
                   unsigned offeredLength, void*) {
  static constexpr std::array<unsigned char, 9> http11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  const int result =
      SSL_select_next_proto(&found, length, http11.data(), http11.size(), offered, offeredLength);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *selected = found;
  return SSL_TLSEXT_ERR_OK;
}

std::shared_ptr<SSL_CTX> emptyContext() {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  check(context != nullptr, "OpenSSL has memory for a context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // No resumption: it would keep alive what a client was before its certificate was taken from it.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // Each message of the protocol gives back control, so that a client that sends nothing else has no more
  // time than one that sends nothing.
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  // Several records at a time off the socket, where they have come.
  constexpr std::size_t readAhead = 64 << 10;
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), readAhead);
  SSL_CTX_set_alpn_select_cb(context.get(), selectProtocol, nullptr);
  return context;
}

Result<Certificates> readCertificateFile(const std::filesystem::path& file, std::string_view what,
                                         file::Settling* settling) {
  const auto pem = file::readCredentialFile(file, what, settling);
  if (!pem) return std::unexpected(pem.error());
  return tls::readCertificates(*pem, what);
}

Result<void> useIdentity(SSL_CTX* context, const TlsFiles& files, file::Settling* settling) {
  const std::string certificateName = fmt::format("TLS certificate {}", files.certificate.string());
  const std::string keyName = fmt::format("TLS private key {}", files.key.string());
  auto certificates = readCertificateFile(files.certificate, certificateName, settling);
  if (!certificates) return std::unexpected(certificates.error());
  const auto pem = file::readCredentialFile(files.key, keyName, settling);
  if (!pem) return std::unexpected(pem.error());
  const auto key = tls::readPrivateKey(*pem, keyName);
  if (!key) return std::unexpected(key.error());

  X509* leaf = certificates->front().get();
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return fail(
        Reason::CredentialInvalid,
        fmt::format("The {} does not belong to the {}: give the key that the certificate was made for.",
                    keyName, certificateName));
  }
  bool used = SSL_CTX_use_certificate(context, leaf) == 1 && SSL_CTX_use_PrivateKey(context, key->get()) == 1;
  for (std::size_t i = 1; used && i < certificates->size(); ++i) {
    used = SSL_CTX_add1_chain_cert(context, (*certificates)[i].get()) == 1;
  }
  if (used) return {};
  return fail(Reason::CredentialInvalid,
              fmt::format("The {} cannot be used for TLS ({}).", certificateName, tls::lastError()));
}

Result<void> useClientCA(SSL_CTX* context, const std::filesystem::path& file, file::Settling* settling) {
  const auto certificates = readCertificateFile(file, fmt::format("client CA {}", file.string()), settling);
  if (!certificates) return std::unexpected(certificates.error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& certificate : *certificates) {
    if (X509_check_ca(certificate.get()) == 0) {
      return fail(Reason::CredentialInvalid,
                  fmt::format("The client CA {} holds a certificate that is not a CA's: give the certificate "
                              "that signed those of the clients.",
                              file.string()));
    }
    X509_STORE_add_cert(store, certificate.get());
    SSL_CTX_add_client_CA(context, certificate.get());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);  // asked for, but not required
  return {};
}

/// `settling`: see file::readCredentialFile().
Result<std::shared_ptr<SSL_CTX>> makeContext(const TlsFiles& files, file::Settling* settling) {
  auto context = emptyContext();
  if (auto used = useIdentity(context.get(), files, settling); !used) return std::unexpected(used.error());
  if (files.clientCA.empty()) return context;
  if (auto used = useClientCA(context.get(), files.clientCA, settling); !used)
    return std::unexpected(used.error());
  return context;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsFiles& files, Warn warn, Loaded loaded,
                                                     std::function<Clock::time_point()> now) {
  std::unique_ptr<TlsContext> made(new TlsContext(files, std::move(warn), std::move(loaded), std::move(now)));
  auto context = makeContext(files, nullptr);
  if (!context) return std::unexpected(context.error());
  made->use(*std::move(context));
  return made;
}

std::shared_ptr<SSL_CTX> TlsContext::current() {
  const std::lock_guard lock(mutex_);
  if (watched_.due(now_())) reload();
  return context_;
}

void TlsContext::reload() {
  if (auto context = makeContext(files_, &watched_.settling())) {
    watched_.settled();
    use(*std::move(context));
  } else if (watched_.isNews(context.error())) {
    warn_(sentences({"The listener keeps its last TLS certificate.", context.error().message}));
  }
}

void TlsContext::use(std::shared_ptr<SSL_CTX> context) {
  context_ = std::move(context);
  loaded_(tls::notAfterOf(SSL_CTX_get0_certificate(context_.get())));
}

}  // namespace rookery::http
