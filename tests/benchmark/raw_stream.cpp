#include "benchmark/raw_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "fixtures/pki.h"
#include "tls/openssl.h"

namespace rookery::benchmark {

namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using SessionPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr std::size_t pieceSize = std::size_t{1} << 16;

std::unexpected<Error> streamFailed(std::string_view what) {
  return fail(Reason::SystemError,
              fmt::format("{}: {}; OpenSSL says {}.", what, std::strerror(errno), tls::lastError()));
}

std::unique_ptr<X509, decltype(&X509_free)> certificateOf(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}

/// One side's, which shows `own` and asks for one of `ca`.
ContextPtr contextOf(const SSL_METHOD* method, const fixtures::Identity& own, const fixtures::Identity& ca) {
  ContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  const BioPtr bio(BIO_new_mem_buf(own.privateKey.data(), static_cast<int>(own.privateKey.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_num_tickets(context.get(), 0);
  check(
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), certificateOf(ca.certificate).get()) == 1 &&
          SSL_CTX_use_certificate(context.get(), certificateOf(own.certificate).get()) == 1 &&
          SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1,
      "certificates that were made can be used");
  return context;
}

/// Two ends of a TCP connection on the loopback address.
struct Pair {
  Pair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr generic{};
    socklen_t length = sizeof generic;
    std::memcpy(&generic, &address, sizeof address);
    client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = ::bind(listener, &generic, length) == 0 && ::listen(listener, 1) == 0 &&
                           ::getsockname(listener, &generic, &length) == 0 &&
                           ::connect(client, &generic, length) == 0;
    server = connected ? ::accept(listener, nullptr, nullptr) : -1;
    ::close(listener);
    const int atOnce = 1;
    for (const int socket : {client, server})
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &atOnce, sizeof atOnce);
  }
  ~Pair() {
    ::close(client);
    ::close(server);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  int client = -1, server = -1;
};

int openTo(const std::optional<std::filesystem::path>& file, int flags) {
  return file ? ::open(file->c_str(), flags | O_CLOEXEC, 0600) : -1;
}

Result<void> sendAll(SSL* session, const RawStream& stream) {
  if (SSL_accept(session) != 1) return streamFailed("No TLS handshake");
  const int file = openTo(stream.from, O_RDONLY);
  std::string piece(pieceSize, 'v');
  Result<void> sent;
  for (std::uint64_t left = stream.bytes; left > 0 && sent;) {
    std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
    if (file >= 0) here = static_cast<std::size_t>(std::max<ssize_t>(::read(file, piece.data(), here), 0));
    if (here == 0) sent = streamFailed("The file is too short");
    for (std::size_t at = 0; at < here && sent; at += stream.record) {
      std::size_t written = 0;
      if (SSL_write_ex(session, piece.data() + at, std::min(stream.record, here - at), &written) != 1)
        sent = streamFailed("Nothing more can be sent");
    }
    left -= here;
  }
  if (file >= 0) ::close(file);
  SSL_shutdown(session);
  return sent;
}

Result<double> receiveAll(SSL* session, const RawStream& stream) {
  if (SSL_connect(session) != 1) return streamFailed("No TLS handshake");
  const auto begin = std::chrono::steady_clock::now();
  const int file = openTo(stream.into, O_WRONLY | O_CREAT | O_TRUNC);
  std::string piece(pieceSize, '\0');
  std::uint64_t left = stream.bytes;
  bool written = true;
  while (left > 0 && written) {
    std::size_t filled = 0, more = 0;
    while (filled < piece.size() && filled < left &&
           SSL_read_ex(session, piece.data() + filled, piece.size() - filled, &more) == 1)
      filled += more;
    if (filled == 0) break;
    if (file >= 0) written = ::write(file, piece.data(), filled) == static_cast<ssize_t>(filled);
    left -= filled;
  }
  if (file >= 0) ::close(file);
  if (left > 0 || !written) return streamFailed("The stream has not come as a whole");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Result<double> streamPlainly(const RawStream& stream) {
  const fixtures::Identity ca = fixtures::makeIdentity({});
  const auto identity = [&](const char* name, const char* usage) {
    fixtures::CertificateSpec spec;
    spec.commonName = name;
    spec.ca = false;
    spec.extendedKeyUsage = usage;
    return fixtures::makeIdentity(spec, &ca);
  };
  const ContextPtr server = contextOf(TLS_server_method(), identity("server", "serverAuth"), ca);
  const ContextPtr client = contextOf(TLS_client_method(), identity("client", "clientAuth"), ca);
  const Pair pair;
  const SessionPtr sender(SSL_new(server.get()), SSL_free), receiver(SSL_new(client.get()), SSL_free);
  if (pair.server < 0 || SSL_set_fd(sender.get(), pair.server) != 1 ||
      SSL_set_fd(receiver.get(), pair.client) != 1)
    return streamFailed("No connection to the loopback address");
  Result<void> sent;
  std::jthread sending([&] { sent = sendAll(sender.get(), stream); });
  const Result<double> received = receiveAll(receiver.get(), stream);
  if (!received) ::shutdown(pair.client, SHUT_RDWR);
  sending.join();
  if (!sent) return std::unexpected(sent.error());
  return received;
}

}  // namespace rookery::benchmark
