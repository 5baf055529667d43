#include "albatross/client/connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <limits>
#include <utility>

#include "albatross/client/resolve.h"
#include "albatross/client/tls_error.h"

namespace rookery::albatross {

using asio::ip::tcp;

namespace {

constexpr auto asTuple = asio::as_tuple(asio::use_awaitable);

/// The length of a frame is a signed number to a server: what looks negative ends a stream.
constexpr std::size_t maximalFrame = std::numeric_limits<std::int32_t>::max();

bool isAddress(const std::string& host) {
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

Connection::Connection(const asio::any_io_executor& executor, SslPtr client, Endpoint endpoint)
    : endpoint_(std::move(endpoint)),
      name_(endpoint_.toString()),
      stream_(tcp::socket(executor), client.release()),  // it frees what it is given
      ssl_(stream_.native_handle()) {}

asio::awaitable<Result<void>> Connection::open(const std::optional<std::string>& serverName, SystemTime now,
                                               std::string serverKey) {
  if (auto prepared = prepareVerification(serverName, now, std::move(serverKey)); !prepared)
    co_return prepared;
  Result<void> connected = co_await connect();
  if (!connected) co_return connected;
  const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::client, asTuple);
  opened_ = !error;
  if (opened_) co_return Result<void>{};
  co_return std::unexpected(rejection_ ? *rejection_ : handshakeError(error, name_));
}

Result<void> Connection::prepareVerification(const std::optional<std::string>& serverName, SystemTime now,
                                             std::string serverKey) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
  // OpenSSL takes an empty name for none.
  if (serverName && (serverName->empty() ||
                     X509_VERIFY_PARAM_set1_host(parameters, serverName->data(), serverName->size()) != 1)) {
    return fail(Reason::ServerNameMismatch,
                fmt::format("No certificate of {} can be for the serverName \"{}\".", name_, *serverName));
  }
  // RFC 6066, 3: no literal addresses in SNI.
  if (std::string host = endpoint_.host; !isAddress(host)) {
    SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
  }
  stream_.set_verify_callback([this, serverName, serverKey = std::move(serverKey)](
                                  bool preverified, asio::ssl::verify_context& verification) {
    if (!preverified && !rejection_) {
      rejection_ = verificationError(verification.native_handle(), name_, serverName);
    }
    return preverified && isExpected(verification.native_handle(), serverKey);
  });
  return {};
}

/// Asked before our certificate, and with it the command, is sent.
bool Connection::isExpected(X509_STORE_CTX* verification, const std::string& serverKey) {
  if (serverKey.empty() || X509_STORE_CTX_get_error_depth(verification) > 0) return true;
  if (tls::keyFingerprintOf(X509_STORE_CTX_get_current_cert(verification)) == serverKey) return true;
  rejection_ = Error{Reason::ConnectionFailed,
                     fmt::format("The server {} is another one than was looked at: nothing was sent. It is "
                                 "looked at again.",
                                 name_)};
  return false;
}

asio::awaitable<Result<void>> Connection::connect() {
  auto addresses = co_await resolve(endpoint_);
  if (!addresses) co_return std::unexpected(addresses.error());
  tcp::socket& socket = stream_.next_layer();
  auto [error, address] = co_await asio::async_connect(socket, *addresses, asTuple);
  // As Asio calls it, too, where it could open no socket: for want of descriptors, say.
  boost::system::error_code opening;
  if (error == asio::error::operation_aborted) socket.open(addresses->begin()->protocol(), opening);
  if (opening) error = opening;
  if (error) {
    co_return fail(Reason::ConnectionFailed, fmt::format("No connection to {}: {}.", name_, error.message()));
  }
  boost::system::error_code onlySlower;
  socket.set_option(tcp::no_delay(true), onlySlower);
  co_return Result<void>{};
}

std::string Connection::serverKey() const { return tls::keyFingerprintOf(SSL_get0_peer_certificate(ssl_)); }

std::chrono::system_clock::time_point Connection::serverNotAfter() const {
  return tls::notAfterOf(SSL_get0_peer_certificate(ssl_));
}

asio::awaitable<bool> Connection::writeFrames(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto frame = bytes.first(std::min(bytes.size(), maximalFrame));
    bytes = bytes.subspan(frame.size());
    const std::string header = frameHeader(frame.size());
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(header),
                                                    asio::buffer(frame.data(), frame.size())};
    const auto [error, written] = co_await asio::async_write(stream_, buffers, asTuple);
    if (error) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Connection::writeEnd() {
  const std::string header = frameHeader(0);
  const auto [error, written] = co_await asio::async_write(stream_, asio::buffer(header), asTuple);
  co_return !error;
}

asio::awaitable<Result<std::string>> Connection::readFrame(std::size_t longest) {
  co_return co_await frames_.read(longest);
}

asio::awaitable<Result<std::string>> Connection::readMessage() {
  co_return co_await frames_.read(longestReply, streamError);
}

void Connection::probeWhenSilent() {
  const int socket = stream_.next_layer().native_handle();
  const int on = 1, idle = 60, interval = 20, probes = 6;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace rookery::albatross
