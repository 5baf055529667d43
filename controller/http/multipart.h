#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "error.h"
#include "http/message.h"

namespace rookery::http {

/// What stands before the content of a part.
struct PartHead {
  std::string name;
  std::optional<std::string> filename;  // as the client gave it: not to be used as a path
  std::string contentType;              // empty: text/plain (RFC 7578, section 4.4)
};

/// The boundary in the header Content-Type of a form; nothing: it is not multipart/form-data. Error
/// (BadRequest): it has no boundary, or none that RFC 2046, section 5.1.1 allows.
Result<std::optional<std::string>> formBoundary(std::string_view contentType);

/// Reads multipart/form-data (RFC 7578) part by part as the body comes in; holds no more than a piece of it.
/// What different readers could understand differently is refused: a header field or parameter that is given
/// twice or folded over lines, a line that begins with the boundary and goes on with anything else, a
/// transfer encoding, a form that ends without its last boundary. One thread at a time.
///
/// Errors stay: BadRequest, RequestEntityTooLarge (of readField), and those of Body::next.
class MultipartReader {
 public:
  static constexpr std::size_t maxParts = 100;
  static constexpr std::size_t maxHeadBytes = 8 << 10;     // of one part
  static constexpr std::size_t maxOutsideBytes = 8 << 10;  // before the first part, and after the last

  /// `boundary` is one that formBoundary gave. The body must outlive the reader.
  MultipartReader(Body& body, std::string_view boundary);

  /// Passes over what is left of the present part, to the next; nothing: the form is over, and its body is
  /// read to the end.
  Result<std::optional<PartHead>> nextPart();
  /// The next bytes of the present part, valid until the next call; empty: its end.
  Result<std::string_view> next();
  /// All that is left of the present part: at most `limit` bytes. `name` is what a message calls it.
  Result<std::string> readField(std::string_view name, std::size_t limit);

 private:
  enum class State { Preamble, Part, PartEnded, Over };

  Result<void> startPart();
  Result<PartHead> readHead();
  Result<void> finish();
  Result<std::string> readLine(std::size_t& left);
  Result<bool> receive();
  std::unexpected<Error> giveUp(Error error);
  std::unexpected<Error> malformed(std::string_view what);

  Body& body_;
  const std::string delimiter_;  // CRLF, two dashes, the boundary
  State state_ = State::Preamble;
  std::string buffer_ = "\r\n";  // the first delimiter need not begin with the end of a line
  std::size_t begin_ = 0;        // of what has not been read
  std::size_t outside_ = 0;      // bytes before the first part
  std::size_t parts_ = 0;
  std::optional<Error> failed_;
};

}  // namespace rookery::http
