#include "unit/albatross/client/tls_peer.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace rookery::albatross {

using asio::ip::tcp;

namespace {

constexpr auto asTuple = asio::as_tuple(asio::use_awaitable);

/// Splits what came into the frames that are whole, and appends each to `content`. True at an empty frame.
bool splitFrames(std::string_view received, std::string& content) {
  while (received.size() >= 4) {
    std::size_t length = 0;
    for (const char byte : received.substr(0, 4)) length = length << 8 | static_cast<unsigned char>(byte);
    if (length == 0) return true;
    if (received.size() < 4 + length) return false;
    content += received.substr(4, length);
    received.remove_prefix(4 + length);
  }
  return false;
}

}  // namespace

std::string framed(const Name& name, const Payload& payload) {
  const std::string der = encode(Wire{.header = {.sequence = 7, .name = name}, .payload = payload});
  return frameHeader(der.size()) + der;
}

asio::awaitable<void> PeerConnection::send(std::string bytes) {
  co_await asio::async_write(stream_, asio::buffer(bytes), asio::use_awaitable);
}

asio::awaitable<void> PeerConnection::sendRaw(std::string bytes) {
  co_await asio::async_write(stream_.next_layer(), asio::buffer(bytes), asio::use_awaitable);
}

asio::awaitable<void> PeerConnection::reply(const Name& name, const Payload& payload) {
  return send(framed(name, payload));
}

asio::awaitable<void> PeerConnection::receive(std::size_t size) {
  while (received_.size() < size) {
    std::array<char, 16384> bytes{};
    const auto [error, count] = co_await stream_.async_read_some(asio::buffer(bytes), asTuple);
    received_.append(bytes.data(), count);
    if (error) co_return;
  }
}

asio::awaitable<void> PeerConnection::receiveStream() {
  while (!received_.ends_with(std::string(4, '\0'))) co_await receive(received_.size() + 1);
}

asio::awaitable<void> PeerConnection::receiveAll() { co_await receive(std::string::npos); }

asio::awaitable<void> PeerConnection::shutdown() { co_await stream_.async_shutdown(asTuple); }

std::string PeerConnection::content() const {
  std::string content;
  splitFrames(received_, content);
  return content;
}

bool PeerConnection::ended() const {
  std::string content;
  return splitFrames(received_, content);
}

TlsPeer::TlsPeer(const asio::any_io_executor& executor, const fixtures::Identity& identity,
                 const std::string& trusted)
    : acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      context_(asio::ssl::context::tlsv13_server) {
  context_.use_certificate_chain(asio::buffer(identity.certificate));
  context_.use_private_key(asio::buffer(identity.privateKey), asio::ssl::context::pem);
  context_.add_certificate_authority(asio::buffer(trusted));
  context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
}

Endpoint TlsPeer::endpoint() const {
  return {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()};
}

asio::awaitable<void> TlsPeer::serve(Script script) {
  tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
  PeerConnection::Stream stream(std::move(socket), context_);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, asTuple);
  if (error) co_return;
  SSL* const ssl = stream.native_handle();
  chain_.clear();
  chain_.emplace_back(SSL_get1_peer_certificate(ssl));
  const STACK_OF(X509)* rest = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(rest); ++i) chain_.emplace_back(X509_dup(sk_X509_value(rest, i)));
  PeerConnection connection(stream);
  co_await script(connection);
}

std::string extensionIn(const X509* certificate) {
  const tls::ObjectPtr oid(OBJ_txt2obj(commandOid, 1));
  const int index = X509_get_ext_by_OBJ(certificate, oid.get(), -1);
  if (index < 0) return {};
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
  const unsigned char* data = ASN1_STRING_get0_data(value);
  return {data, data + ASN1_STRING_length(value)};
}

std::string commonNameOf(const X509* certificate) {
  std::array<char, 128> name{};
  const int length =
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return {name.data(), static_cast<std::size_t>(std::max(length, 0))};
}

}  // namespace rookery::albatross
