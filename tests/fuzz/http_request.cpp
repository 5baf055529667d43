// Requests on a connection, one after another.

#include <fmt/format.h>

#include "fuzz/target.h"
#include "http/request_reader.h"
#include "unit/http/given_stream.h"

namespace rookery::fuzz {
namespace {

std::string bodyOf(http::RequestReader& reader) {
  std::string body;
  while (true) {
    const auto piece = reader.next();
    if (!piece) return piece.error().message;  // what has come of it counts for nothing
    if (piece->empty()) return body;
    body += *piece;
  }
}

/// The requests that were read, with why there are no more.
std::string readRequests(std::string_view bytes, std::size_t piece) {
  http::GivenStream stream(bytes, piece);
  std::string read;
  while (stream.awaitRequest()) {
    http::RequestReader reader(stream);
    const auto request = reader.readHead();
    if (!request) {
      // What is answered to one with several mistakes may depend on how much of it has come.
      return read + (request.error().answer ? "rejected" : "gone");
    }
    read += fmt::format("[{}|{}|{}|{}|{}|{}|{}|{}]", request->method, request->target, request->accept,
                        request->host, request->contentType, request->authorization,
                        reader.announcedSize().value_or(0), reader.acceptsGzip());
    read += bodyOf(reader);
    if (!reader.exhausted() || !reader.keepAlive()) return read + " over";
  }
  return read;
}

const Target httpRequest("http_request", [](std::string_view input) {
  expectTheSameInPieces(input, [&](std::size_t piece) { return readRequests(input, piece); });
});

}  // namespace
}  // namespace rookery::fuzz
