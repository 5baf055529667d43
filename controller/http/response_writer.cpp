#include "http/response_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <ctime>

#include "http/gzip.h"

namespace rookery::http {
namespace {

constexpr std::size_t gzipFrom = 1 << 10;    // below, it costs more than it saves
constexpr std::size_t largePiece = 1 << 14;  // that it costs more to copy than to send apart

std::string statusLine(int code) {
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(code)));
  return fmt::format("HTTP/1.1 {} {}\r\n", code, std::string_view(reason.data(), reason.size()));
}

/// The head but for what frames the body.
std::string headOf(const Response& response, bool close, bool gzip) {
  std::string head = statusLine(response.status);
  const auto add = [&](std::string_view name, std::string_view value) {
    head += fmt::format("{}: {}\r\n", name, value);
  };
  add("Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))));
  if (!response.contentType.empty()) add("Content-Type", response.contentType);
  if (!response.headers.contains("Cache-Control")) add("Cache-Control", "no-store");
  add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) add(name, value);
  if (gzip) add("Content-Encoding", "gzip");
  if (gzip) add("Vary", "Accept-Encoding");
  if (close) add("Connection", "close");
  return head;
}

/// RFC 9110, section 8.6: these never have a body, nor its length.
bool hasNoContent(int code) { return code == 204 || code == 304; }

}  // namespace

bool ResponseWriter::write(const Response& response, const Framing& framing) {
  const bool worthIt = response.next || response.body.size() >= gzipFrom;
  const bool gzip = framing.gzipAccepted && worthIt && !response.longRunning;
  return response.next ? writeStream(response, framing, gzip) : writeWhole(response, framing, gzip);
}

bool ResponseWriter::writeWhole(const Response& response, const Framing& framing, bool gzip) {
  std::string compressed;
  if (gzip) {
    Gzip encoder;
    compressed = encoder.add(response.body);
    compressed += encoder.finish();
  }
  const std::string& body = gzip ? compressed : response.body;
  std::string head = headOf(response, framing.close, gzip);
  if (!hasNoContent(response.status)) head += fmt::format("Content-Length: {}\r\n", body.size());
  head += "\r\n";
  const auto deadline = ClientStream::Clock::now() + stream_.limits().response;
  if (framing.withoutBody || hasNoContent(response.status)) return stream_.send(head, deadline);
  if (body.size() < gzipFrom) return stream_.send(head + body, deadline);  // one packet
  return stream_.send(head, deadline) && stream_.send(body, deadline);
}

bool ResponseWriter::writeStream(const Response& response, const Framing& framing, bool gzip) {
  const StreamLimits& limits = stream_.limits();
  const bool chunked = framing.chunksAllowed;
  std::string head = headOf(response, framing.close || !chunked, gzip);
  if (chunked) head += "Transfer-Encoding: chunked\r\n";
  head += "\r\n";
  const auto deadline = [&] { return ClientStream::Clock::now() + limits.response; };  // of each piece
  if (!stream_.send(head, deadline())) return false;
  if (framing.withoutBody) return chunked;

  std::optional<Gzip> encoder;
  if (gzip) encoder.emplace();
  while (auto piece = response.next()) {
    if (stopping_() || stream_.gone()) return false;
    if (encoder) *piece = encoder->add(*piece);
    if (!sendPiece(*piece, chunked, deadline())) return false;
  }
  if (encoder && !sendPiece(encoder->finish(), chunked, deadline())) return false;
  return chunked && stream_.send("0\r\n\r\n", deadline());
}

/// RFC 9112, section 7.1. An empty chunk would be the end.
bool ResponseWriter::sendPiece(std::string_view piece, bool chunked,
                               ClientStream::Clock::time_point deadline) {
  if (piece.empty()) return true;
  if (!chunked) return stream_.send(piece, deadline);
  if (piece.size() >= largePiece) {
    return stream_.send(fmt::format("{:x}\r\n", piece.size()), deadline) && stream_.send(piece, deadline) &&
           stream_.send("\r\n", deadline);
  }
  return stream_.send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece), deadline);
}

}  // namespace rookery::http
