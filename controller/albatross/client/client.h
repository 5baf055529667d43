#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "albatross/client/certificate.h"
#include "albatross/reply.h"
#include "albatross/wire.h"
#include "error.h"

namespace rookery::albatross {

namespace asio = boost::asio;

/// Where a server is: a host and port for TLS, or the folder in which a local server's daemons have their
/// sockets.
struct Endpoint {
  std::string host;
  std::uint16_t port = 1025;
  std::string folder = {};  // absolute; empty: it is a host
  /// "host:port", "[v6]:port", "host" (port 1025) or "unix:///FOLDER". Error: InvalidManifest.
  static Result<Endpoint> parse(std::string_view text);
  bool isLocal() const { return !folder.empty(); }
  std::string toString() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Timeouts {
  std::chrono::milliseconds connect{5'000};   // TCP and TLS handshake
  std::chrono::milliseconds command{30'000};  // from the handshake to the reply
  std::chrono::milliseconds stream{600'000};  // the same for a command that streams an image, or gets one
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

/// What is streamed after the handshake of a create, force-create or block set. Called from one coroutine at
/// a time.
class ImageStream {
 public:
  virtual ~ImageStream() = default;

  /// The next bytes, valid until the next call; empty at the end. An Error makes the client close the
  /// connection without the final empty frame, so that the server discards what it got.
  virtual Result<std::span<const std::byte>> next() = 0;
};

struct Request {
  std::vector<Domain> domains = {};       // below the credential's own, outermost first
  std::optional<std::string> label = {};  // absent: the domain itself
  Command command;
  std::string serverKey = {};      // Reply::serverKey of the server that it is for; empty: whichever there is
  std::uint64_t largestImage = 0;  // of a unikernel::Get: bytes of the image that is taken; it is held in
                                   // memory twice for a moment
  std::uint64_t imageSize = 0;     // how many bytes `image` has, where it is of a create or force-create: a
                                   // local server is told before they come
  ImageStream* image = nullptr;    // for a block set, and a create or force-create whose config has no image,
                                   // and only for these; must outlive the call
  /// Awaited at the last moment at which nothing has happened on the server: an image has been sent, all but
  /// the frame that ends it; of a command without one, the certificate has been issued, and no connection is
  /// opened yet. It may take as long as it likes. An Error is the call's, and nothing happens. Empty: goes on
  /// at once. What it uses must outlive the call.
  std::function<asio::awaitable<Result<void>>()> commit = {};
};

/// What a server sends once it has accepted a subscription or a dump, message by message. To be used on the
/// executor on which it was opened, by one coroutine at a time; its destructor closes the connection. It does
/// not need the client to live on.
class DataStream {
 public:
  struct Message {
    Name name;  // full
    Data data;
  };

  virtual ~DataStream() = default;

  /// With which it began.
  virtual const Reply& reply() const = 0;

  /// The next message, however long the server takes for it: who does not want to wait cancels, and the
  /// stream is of no use any more. What is no message that we know, as a newer server may send, is skipped.
  /// Errors: ConnectionFailed (the server has ended it), TlsFailed, ProtocolError, Refused; when cancelled,
  /// any.
  virtual asio::awaitable<Result<Message>> next() = 0;

  /// So many were skipped.
  virtual std::uint64_t skipped() const = 0;
};

/// One Albatross server: one command per call. The narrow door behind which a test or a simulation can stand
/// instead of the network.
class Client {
 public:
  virtual ~Client() = default;

  /// Carries out one command. Never throws but for the coroutine's cancellation. The errors' reasons are:
  /// ConnectionFailed (also where another server is there than Request::serverKey says), TlsFailed,
  /// ServerCertificate…, ServerNameMismatch, CertificateRefused (ours, by the server), Credential…,
  /// ProtocolError, Refused (the server's own message), EndpointFailed (its endpoint's message: in doubt),
  /// ServiceUnavailable (its daemon cannot be reached: nothing happened), Cancelled,
  /// DeadlineExceeded, the ImageStream's, and commit's. A server's text is visible() and cut to
  /// longestForeignText.
  virtual asio::awaitable<CallResult> call(Request request) = 0;

  /// Begins a subscription: to a console, or to the statistics; or a block dump, whose data ends with a
  /// data::Block without bytes. Never throws but for the coroutine's
  /// cancellation. Errors: as call().
  virtual asio::awaitable<Result<std::unique_ptr<DataStream>>> stream(Request request) = 0;
};

struct ClientOptions {
  Endpoint endpoint;
  std::shared_ptr<const Credential> credential;  // null: the server is local, and asks for none
  std::optional<std::string> serverName = {};    // required CN or subjectAltName of the server's certificate
  Timeouts timeouts = {};
  std::function<SystemTime()> now = std::chrono::system_clock::now;
};

/// A client over TLS 1.3 (TCP). Calls may run concurrently; each opens its own connection on the executor of
/// the coroutine that awaits it, which must run one handler at a time (a strand, or a context with one
/// thread), and is cancelled from there. Calls under way do not need the client to live on.
std::unique_ptr<Client> makeTlsClient(ClientOptions options);

/// A client of a local server, over the sockets of its daemons (vmmd.sock, console.sock, stat.sock): without
/// a certificate, and without TLS. Each policy of Request::domains is applied before a command, as a TLS
/// endpoint does. An image is sent uncompressed. The server's key is one that stands for the folder. As above
/// otherwise.
std::unique_ptr<Client> makeLocalClient(ClientOptions options);

/// The one of the two that the endpoint asks for.
std::unique_ptr<Client> makeClient(ClientOptions options);

}  // namespace rookery::albatross
