#include "http/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cctype>
#include <vector>

namespace rookery::http {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using Fields = http::fields;
using Rejected = RequestReader::Rejected;

constexpr std::size_t maxTargetBytes = 8 << 10;
constexpr std::size_t maxFields = 128;
constexpr std::size_t pieceBytes = 64 << 10;
/// What is still to come of a body in chunks, at least: "0", and two ends of lines. The parser takes it for
/// granted that it is given as much, and asserts it.
constexpr std::size_t lastChunkBytes = 5;

std::unexpected<Rejected> reject(int code, const std::string& message) {
  return std::unexpected(Rejected{{{.status = code, .message = message}}});
}

std::string valueOf(const Fields& fields, http::field name) {
  const beast::string_view value = fields[name];
  return {value.data(), value.size()};
}

std::string textOf(beast::string_view text) { return {text.data(), text.size()}; }

/// A request line of HTTP/0 or HTTP/2 and later.
bool isOfAnotherVersion(std::string_view received) {
  const std::string_view line = received.substr(0, received.find('\n'));
  const std::size_t version = line.find(" HTTP/");
  return version != std::string_view::npos && line.substr(version + 6, 1) != "1";
}

/// The head as a whole did not fit, or is not HTTP.
std::unexpected<Rejected> rejectHead(const beast::error_code& error, std::string_view received,
                                     bool targetKnown) {
  if (error == http::error::header_limit) {
    if (!targetKnown) return reject(414, "the request target is too long");
    return reject(431, "the head of the request is too large");
  }
  if (error == http::error::bad_version && isOfAnotherVersion(received)) {
    return reject(505, "only HTTP/1.0 and HTTP/1.1 are served");
  }
  return reject(400, "the request is malformed: " + error.message());
}

/// Whether a line goes on in the next one (RFC 9112, section 5.2), which servers read in different ways.
bool isFolded(std::string_view head) {
  return head.find("\r\n ") != std::string_view::npos || head.find("\r\n\t") != std::string_view::npos;
}

/// RFC 9110, section 7.2: host[:port], of which it may be that there is nothing.
bool isHost(beast::string_view host) {
  constexpr std::string_view others = "-._~%!$&'()*+,;=:[]";
  return std::all_of(host.begin(), host.end(), [&](unsigned char c) {
    return (c < 128 && std::isalnum(c) != 0) || others.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

/// What the parser leaves to its user. RFC 9112, sections 3.2 (one Host), 6.1 (transfer codings).
std::expected<void, Rejected> checkFields(const http::request<http::buffer_body>& request, bool chunked) {
  static constexpr http::field onlyOnce[] = {http::field::host,
                                             http::field::authorization,
                                             http::field::content_type,
                                             http::field::content_encoding,
                                             http::field::transfer_encoding,
                                             http::field::expect};
  for (const http::field name : onlyOnce) {
    if (request.count(name) > 1) {
      return reject(400, fmt::format("the header {} was sent more than once", textOf(to_string(name))));
    }
  }
  if (request.version() >= 11 && request.count(http::field::host) == 0)
    return reject(400, "the header Host is missing, which HTTP/1.1 requires");
  if (!isHost(request[http::field::host])) return reject(400, "the header Host names no host");
  if (std::distance(request.begin(), request.end()) > static_cast<std::ptrdiff_t>(maxFields)) {
    return reject(431, "the request has too many headers");
  }
  if (request.method() == http::verb::unknown) return reject(501, "the request method is not known");
  if (request.target().size() > maxTargetBytes) return reject(414, "the request target is too long");

  const beast::string_view coding = request[http::field::transfer_encoding];
  if (request.count(http::field::transfer_encoding) > 0) {
    if (request.version() < 11) return reject(400, "HTTP/1.0 has no Transfer-Encoding");
    if (!chunked || !beast::iequals(coding, "chunked")) {
      return reject(501, "the only transfer coding served is chunked");
    }
  }
  const beast::string_view expectation = request[http::field::expect];
  if (!expectation.empty() && !beast::iequals(expectation, "100-continue")) {
    return reject(417, "the only expectation that can be met is 100-continue");
  }
  return {};
}

/// RFC 9110, section 12.5.3: gzip is named, and not with the weight 0.
bool namesGzip(beast::string_view acceptEncoding) {
  for (const auto& [name, parameters] : http::ext_list(acceptEncoding)) {
    if (!beast::iequals(name, "gzip")) continue;
    for (const auto& [parameter, value] : parameters) {
      if (beast::iequals(parameter, "q") && value.find_first_not_of("0.") == beast::string_view::npos) {
        return false;
      }
    }
    return true;
  }
  return false;
}

}  // namespace

struct RequestReader::State {
  explicit State(ClientStream& client) : stream(client) {}

  ClientStream& stream;
  http::request_parser<http::buffer_body> parser;
  bool gzip = false;
  bool chunks = false;
  bool keepAlive = false;
  bool mayNeedContinue = false;  // the client waits for it before it sends the body
  std::optional<Pace> pace;      // since the body was first asked for
  std::optional<Error> failed;
  std::vector<char> piece;  // of the body, once somebody reads that
};

RequestReader::RequestReader(ClientStream& stream) : state_(std::make_unique<State>(stream)) {
  state_->parser.header_limit(static_cast<std::uint32_t>(stream.limits().requestBytes));
  state_->parser.body_limit(boost::none);  // who reads the body knows how much is too much
}

RequestReader::~RequestReader() = default;

std::expected<Request, Rejected> RequestReader::readHead() {
  if (auto parsed = parseHead(); !parsed) return std::unexpected(std::move(parsed.error()));
  const auto& head = state_->parser.get();
  if (auto sound = checkFields(head, state_->parser.chunked()); !sound) {
    return std::unexpected(std::move(sound.error()));
  }
  state_->gzip = namesGzip(head[http::field::accept_encoding]);
  state_->chunks = head.version() >= 11;
  state_->keepAlive = state_->parser.keep_alive();
  state_->mayNeedContinue = !head[http::field::expect].empty() && state_->chunks;
  return Request{.method = textOf(head.method_string()),
                 .target = textOf(head.target()),
                 .accept = valueOf(head, http::field::accept),
                 .host = valueOf(head, http::field::host),
                 .contentType = valueOf(head, http::field::content_type),
                 .contentEncoding = valueOf(head, http::field::content_encoding),
                 .authorization = valueOf(head, http::field::authorization),
                 .ifNoneMatch = valueOf(head, http::field::if_none_match),
                 .userAgent = valueOf(head, http::field::user_agent),
                 .origin = valueOf(head, http::field::origin),
                 .body = state_->parser.is_done() ? nullptr : this};
}

std::expected<void, Rejected> RequestReader::parseHead() {
  ClientStream& stream = state_->stream;
  const auto deadline = ClientStream::Clock::now() + stream.limits().request;
  while (true) {
    if (!stream.pending().empty()) {
      beast::error_code error;
      const std::string_view received = stream.pending();
      const std::size_t used = state_->parser.put({received.data(), received.size()}, error);
      if (error && error != http::error::need_more) {
        return rejectHead(error, received, !state_->parser.get().target().empty());
      }
      // The parser takes a head as a whole, or nothing of it; and it makes one line of a folded one.
      const bool folded = isFolded(received.substr(0, used));
      stream.consume(used);
      if (folded) return reject(400, "a header goes on in a second line");
      if (state_->parser.is_header_done()) return {};
    }
    switch (stream.receive(deadline)) {
      case ClientStream::Received::Bytes:
        break;
      case ClientStream::Received::TimedOut:
        return reject(408, "the head of the request did not come in time");
      case ClientStream::Received::End:
        return reject(400, "the request ended within its head");
      case ClientStream::Received::Failed:
        return std::unexpected(Rejected{});
    }
  }
}

bool RequestReader::keepAlive() const { return state_->keepAlive; }
bool RequestReader::chunksAllowed() const { return state_->chunks; }
bool RequestReader::acceptsGzip() const { return state_->gzip; }
bool RequestReader::exhausted() const { return state_->parser.is_done(); }

std::optional<std::uint64_t> RequestReader::announcedSize() const {
  const auto size = state_->parser.content_length();
  return size ? std::optional<std::uint64_t>(*size) : std::nullopt;
}

Result<std::string_view> RequestReader::next() {
  if (state_->failed) return std::unexpected(*state_->failed);
  auto& parser = state_->parser;
  const std::size_t least = parser.chunked() ? lastChunkBytes : 1;
  while (!parser.is_done()) {
    const std::string_view received = state_->stream.pending();
    if (received.size() >= least) {
      state_->piece.resize(std::max(state_->piece.size(), std::min(received.size(), pieceBytes)));
      auto& room = parser.get().body();
      room.data = state_->piece.data();
      room.size = state_->piece.size();
      beast::error_code error;
      const std::size_t used = parser.put({received.data(), received.size()}, error);
      state_->stream.consume(used);
      const std::size_t count = state_->piece.size() - room.size;
      if (count > 0) return std::string_view(state_->piece.data(), count);
      if (error && error != http::error::need_more && error != http::error::need_buffer) {
        return failBody(Reason::BadRequest, "the body of the request is malformed: " + error.message());
      }
      if (used > 0) continue;
    }
    if (auto proceeded = proceed(); !proceeded) return std::unexpected(proceeded.error());
  }
  return std::string_view();
}

/// Gets more of the body from the client.
Result<void> RequestReader::proceed() {
  ClientStream& stream = state_->stream;
  const StreamLimits& limits = stream.limits();
  if (stream.pending().size() > limits.requestBytes) {
    return failBody(Reason::BadRequest, "a chunk's header or the trailer of the request is too large");
  }
  if (!state_->pace) state_->pace.emplace(limits, limits.bodyIdle);
  if (std::exchange(state_->mayNeedContinue, false) && stream.pending().empty() &&
      !stream.send("HTTP/1.1 100 Continue\r\n\r\n", ClientStream::Clock::now() + limits.response)) {
    return failBody(Reason::ConnectionFailed, "the client closed the connection");
  }
  const std::size_t before = stream.pending().size();
  switch (stream.receive(state_->pace->deadline())) {
    case ClientStream::Received::Bytes:
      state_->pace->moved(stream.pending().size() - before);
      return {};
    case ClientStream::Received::TimedOut:
      return failBody(Reason::RequestTimeout, "the body of the request came too slowly");
    case ClientStream::Received::End:
      return failBody(Reason::BadRequest, "the request ended within its body");
    case ClientStream::Received::Failed:
      break;
  }
  return failBody(Reason::ConnectionFailed, "the client closed the connection");
}

std::unexpected<Error> RequestReader::failBody(Reason reason, std::string message) {
  state_->failed = Error{reason, std::move(message)};
  return std::unexpected(*state_->failed);
}

}  // namespace rookery::http
