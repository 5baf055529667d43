#include "raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "error.h"

namespace rookery::emulator {

namespace {

struct Pair {
  tls::CertificatePtr certificate;
  tls::KeyPtr key;
};

Pair parse(const fixtures::Identity& identity) {
  const auto bio = [](const std::string& pem) {
    return tls::BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  };
  return {tls::CertificatePtr(PEM_read_bio_X509(bio(identity.certificate).get(), nullptr, nullptr, nullptr)),
          tls::KeyPtr(PEM_read_bio_PrivateKey(bio(identity.privateKey).get(), nullptr, nullptr, nullptr))};
}

void addExtension(X509& certificate, int nid, const char* value) {
  const tls::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  X509_add_ext(&certificate, extension.get(), -1);
}

Pair issue(const RawCertificate& wanted, bool leaf, const Pair& issuer) {
  Pair pair{tls::CertificatePtr(X509_new()), tls::KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))};
  X509& certificate = *pair.certificate;
  static long serial = 0;
  X509_set_version(&certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(&certificate), ++serial);
  X509_NAME* name = X509_get_subject_name(&certificate);
  const std::string organisation = "test " + std::to_string(serial);  // keeps subjects apart
  const auto add = [&](int nid, const std::string& text) {
    X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), -1, 0);
  };
  add(NID_organizationName, organisation);
  if (wanted.commonName) add(NID_commonName, *wanted.commonName);
  X509_set_issuer_name(&certificate, X509_get_subject_name(issuer.certificate.get()));
  X509_gmtime_adj(X509_getm_notBefore(&certificate), wanted.notBefore);
  X509_gmtime_adj(X509_getm_notAfter(&certificate), wanted.notAfter);
  X509_set_pubkey(&certificate, pair.key.get());
  addExtension(certificate, NID_basic_constraints, leaf ? "critical,CA:FALSE" : "critical,CA:TRUE");
  addExtension(
      certificate, NID_key_usage,
      leaf ? "critical,digitalSignature,keyEncipherment" : "critical,keyCertSign,cRLSign,digitalSignature");
  if (leaf) addExtension(certificate, NID_ext_key_usage, "critical,clientAuth");
  if (wanted.extension) {
    const tls::ObjectPtr oid(OBJ_txt2obj(albatross::commandOid, 1));
    const tls::OctetStringPtr value(ASN1_OCTET_STRING_new());
    ASN1_STRING_set(value.get(), wanted.extension->data(), static_cast<int>(wanted.extension->size()));
    const tls::ExtensionPtr extension(
        X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), wanted.critical ? 1 : 0, value.get()));
    X509_add_ext(&certificate, extension.get(), -1);
  }
  check(X509_sign(&certificate, issuer.key.get(), nullptr) > 0, "a test's certificate can be signed");
  return pair;
}

int connectTo(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{10, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
        "somebody listens on the emulator's port");
  return socket;
}

}  // namespace

RawClient::RawClient(std::uint16_t port, const fixtures::Identity& ca,
                     const std::vector<RawCertificate>& chain)
    : context_(SSL_CTX_new(TLS_client_method())) {
  std::signal(SIGPIPE, SIG_IGN);
  Pair issuer = parse(ca);
  std::vector<tls::CertificatePtr> intermediates;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const bool leaf = i + 1 == chain.size();
    Pair pair = issue(chain[i], leaf, issuer);
    if (i > 0) intermediates.push_back(std::move(issuer.certificate));
    issuer = std::move(pair);
  }
  SSL_CTX_use_certificate(context_.get(), issuer.certificate.get());
  SSL_CTX_use_PrivateKey(context_.get(), issuer.key.get());
  std::ranges::reverse(intermediates);
  for (auto& certificate : intermediates) SSL_CTX_add1_chain_cert(context_.get(), certificate.get());
  session_.reset(SSL_new(context_.get()));
  socket_ = connectTo(port);
  SSL_set_fd(session_.get(), socket_);
  check(SSL_connect(session_.get()) == 1, "the client's side of a TLS 1.3 handshake succeeds");
}

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
  ERR_clear_error();
}

void RawClient::send(std::string_view bytes) {
  std::size_t written = 0;
  SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &written);
}

void RawClient::sendFrames(std::string_view content, std::size_t chunk) {
  while (!content.empty()) {
    const std::string_view frame = content.substr(0, chunk);
    send(albatross::frameHeader(frame.size()) + std::string(frame));
    content.remove_prefix(frame.size());
  }
}

void RawClient::breakOff() {
  ::close(socket_);
  socket_ = -1;
}

/// Takes the first message off what has come; nothing: it is not whole yet.
std::optional<std::string> RawClient::takeMessage() {
  if (received_.size() < 4) return std::nullopt;
  std::size_t size = 0;
  for (const char byte : received_.substr(0, 4)) size = size << 8U | static_cast<unsigned char>(byte);
  if (received_.size() < 4 + size) return std::nullopt;
  std::string message = received_.substr(4, size);
  received_.erase(0, 4 + size);
  return message;
}

RawReplies RawClient::read(std::size_t most) {
  RawReplies replies;
  std::size_t length = 0;
  std::array<char, 4096> buffer{};
  while (replies.messages.size() < most) {
    if (auto message = takeMessage()) {
      replies.messages.push_back(*std::move(message));
      continue;
    }
    if (SSL_read_ex(session_.get(), buffer.data(), buffer.size(), &length) != 1) {
      const bool notified = SSL_get_error(session_.get(), 0) == SSL_ERROR_ZERO_RETURN;
      replies.clean = notified && received_.empty();
      break;
    }
    received_.append(buffer.data(), length);
  }
  return replies;
}

std::string der(char tag, std::string_view content) {
  const std::size_t size = content.size();
  check(size < 0x10000, "a test's message is short");
  std::string length;
  if (size >= 0x100) length = {'\x82', static_cast<char>(size >> 8U)};
  if (size >= 0x80 && size < 0x100) length = "\x81";
  return tag + length + static_cast<char>(size) + std::string(content);
}

std::string extensionOf(std::string_view commandDer, char version) {
  return der('\x30', der('\x02', std::string(1, version)) + std::string(commandDer));
}

}  // namespace rookery::emulator
