#include "http/tls_stream.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "error.h"
#include "tls/openssl.h"

namespace rookery::http {
namespace {

constexpr std::chrono::seconds betweenVerifications{1};  // of a client's certificate, on one connection

int clampedSize(std::size_t size) {
  return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

int socketOf(BIO* bio) { return *static_cast<const int*>(BIO_get_data(bio)); }

/// OpenSSL's own BIO for sockets would raise SIGPIPE when the client is gone.
int sendBio(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent =
      ::send(socketOf(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int receiveBio(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = ::recv(socketOf(bio), data, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(received);
}

long controlBio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* socketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "client socket");
    check(made != nullptr, "OpenSSL has memory for a BIO method");
    BIO_meth_set_write(made, sendBio);
    BIO_meth_set_read(made, receiveBio);
    BIO_meth_set_ctrl(made, controlBio);
    return made;
  }();
  return method;
}

}  // namespace

TlsStream::TlsStream(int socket, TlsContext& context, const Failure& failure, const StreamLimits& limits)
    : ClientStream(socket, limits),
      context_(context),
      failure_(failure),
      ssl_(SSL_new(context.current().get())) {
  BIO* bio = BIO_new(socketMethod());
  if (ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, const_cast<int*>(&socketNumber()));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() = default;

bool TlsStream::open() {
  const auto deadline = Clock::now() + limits().request;
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return true;
    const bool plain = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
    const Attempt attempt = unfinished(result);
    const bool waits =
        attempt.state == Attempt::State::WantRead || attempt.state == Attempt::State::WantWrite;
    if (plain) answerPlainHttp();
    if (!waits) return false;
    if (!wait(attempt.state, deadline)) {
      broken_ = true;
      return false;
    }
  }
}

/// To somebody who wrote http:// for https://, in the one language that they understand.
void TlsStream::answerPlainHttp() {
  const Response response = failure_(400, "this listener speaks TLS: use https://");
  const std::string answer = fmt::format(
      "HTTP/1.1 400 Bad Request\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      response.contentType, response.body.size(), response.body);
  ClientStream::trySend(answer.data(), answer.size());  // a fresh connection has room for it
}

/// Whether the certificate, which was good at the handshake, would be now.
bool TlsStream::isTrusted(X509* certificate) {
  auto judge = context_.current();
  if (judge == judge_ && Clock::now() - judged_ < betweenVerifications) return trusted_;
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> verification(X509_STORE_CTX_new(),
                                                                                     X509_STORE_CTX_free);
  trusted_ = verification != nullptr &&
             X509_STORE_CTX_init(verification.get(), SSL_CTX_get_cert_store(judge.get()), certificate,
                                 SSL_get_peer_cert_chain(ssl_.get())) == 1 &&
             X509_STORE_CTX_set_default(verification.get(), "ssl_client") == 1 &&
             X509_verify_cert(verification.get()) == 1;
  ERR_clear_error();
  judge_ = std::move(judge);
  judged_ = Clock::now();
  return trusted_;
}

std::optional<std::string> TlsStream::commonName() {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK || !isTrusted(certificate))
    return std::nullopt;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0) return std::nullopt;
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return std::nullopt;
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name;
}

ClientStream::Attempt TlsStream::tryReceive(char* data, std::size_t size) {
  if (broken_) return {Attempt::State::Failed};
  ERR_clear_error();
  const int result = SSL_read(ssl_.get(), data, clampedSize(size));
  if (result > 0) return {Attempt::State::Done, static_cast<std::size_t>(result)};
  return unfinished(result);
}

ClientStream::Attempt TlsStream::trySend(const char* data, std::size_t size) {
  if (broken_) return {Attempt::State::Failed};
  ERR_clear_error();
  const int result = SSL_write(ssl_.get(), data, clampedSize(size));
  if (result > 0) return {Attempt::State::Done, static_cast<std::size_t>(result)};
  return unfinished(result);
}

ClientStream::Attempt TlsStream::peek() {
  if (broken_) return {Attempt::State::Failed};
  char byte = 0;
  ERR_clear_error();
  const int result = SSL_peek(ssl_.get(), &byte, 1);
  if (result > 0) return {Attempt::State::Done, 1};
  return unfinished(result);
}

void TlsStream::sayGoodbye() {
  if (broken_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // close_notify; the client's own is not waited for
  ERR_clear_error();
}

ClientStream::Attempt TlsStream::unfinished(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  switch (error) {
    case SSL_ERROR_WANT_READ:
      return {Attempt::State::WantRead};
    case SSL_ERROR_WANT_WRITE:
      return {Attempt::State::WantWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {Attempt::State::End};
    default:
      broken_ = true;
      return {Attempt::State::Failed};
  }
}

}  // namespace rookery::http
