#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "http/client_stream.h"
#include "http/message.h"

namespace rookery::http {

/// Reads one request of HTTP/1.0 or 1.1 (RFC 9112) from a connection: its head, then its body as it is asked
/// for. What another server could read differently (both lengths, a repeated Host, a line that ends in a bare
/// line feed) is refused, because requests smuggled past a proxy are made of it.
class RequestReader : public Body {
 public:
  explicit RequestReader(ClientStream& stream);
  ~RequestReader() override;

  /// How a request ended that could not be read; the connection must not be used again.
  struct Rejected {
    /// What to answer with.
    struct Answer {
      int status = 400;
      std::string message;
    };
    std::optional<Answer> answer;  // nothing: the client is gone
  };
  /// The request without its peer; its `body` is this object. The head must come within the stream's
  /// limits. Once.
  std::expected<Request, Rejected> readHead();

  /// After the head. Whether the client lets the connection be used for another request.
  bool keepAlive() const;
  bool chunksAllowed() const;  // in the answer: not with HTTP/1.0
  bool acceptsGzip() const;
  /// Whether nothing of the request is left in the connection, so that what comes next is a request.
  bool exhausted() const;

  Result<std::string_view> next() override;
  std::optional<std::uint64_t> announcedSize() const override;

 private:
  struct State;
  std::expected<void, Rejected> parseHead();
  Result<void> proceed();
  std::unexpected<Error> failBody(Reason reason, std::string message);

  std::unique_ptr<State> state_;
};

}  // namespace rookery::http
