#pragma once

#include <functional>
#include <string_view>

#include "http/client_stream.h"
#include "http/message.h"

namespace rookery::http {

/// Writes one answer of HTTP/1.1 (RFC 9112) to a connection.
class ResponseWriter {
 public:
  /// What the request and the connection allow.
  struct Framing {
    bool withoutBody = false;   // an answer to HEAD
    bool chunksAllowed = true;  // not with HTTP/1.0: there the end of the connection ends a stream
    bool gzipAccepted = false;
    bool close = false;  // say that this is the connection's last answer
  };
  using Stopping = std::function<bool()>;

  /// `stopping` is asked between the pieces of a streamed answer.
  ResponseWriter(ClientStream& stream, Stopping stopping) : stream_(stream), stopping_(std::move(stopping)) {}

  /// False: the answer did not arrive as a whole, and the connection is of no use any more.
  bool write(const Response& response, const Framing& framing);

 private:
  bool writeWhole(const Response& response, const Framing& framing, bool gzip);
  bool writeStream(const Response& response, const Framing& framing, bool gzip);
  bool sendPiece(std::string_view piece, bool chunked, ClientStream::Clock::time_point deadline);

  ClientStream& stream_;
  Stopping stopping_;
};

}  // namespace rookery::http
