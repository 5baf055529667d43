// Forms: first a line with the Content-Type, then the body.

#include "http/multipart.h"

#include <fmt/format.h>

#include "fuzz/target.h"
#include "unit/http/bodies.h"

namespace rookery::fuzz {
namespace {

/// The form as it was read, with the error that ended it.
std::string readForm(std::string_view bytes, std::string_view boundary, std::size_t piece) {
  http::TextBody body{std::string(bytes), piece};
  http::MultipartReader reader(body, boundary);
  std::string read;
  for (std::size_t number = 0;; ++number) {
    const auto head = reader.nextPart();
    if (!head) return read + head.error().message;
    if (!*head) break;
    check(number < http::MultipartReader::maxParts, "parts are limited");
    read +=
        fmt::format("[{}|{}|{}]", (*head)->name, (*head)->filename.value_or("none"), (*head)->contentType);
    if (number % 3 == 2) continue;  // passed over
    const auto field = number % 3 == 1 ? reader.readField("field", 100) : Result<std::string>("");
    if (!field) return read + field.error().message;
    read += *field;
    while (number % 3 == 0) {
      const auto bytesOfIt = reader.next();
      if (!bytesOfIt) return read + bytesOfIt.error().message;
      if (bytesOfIt->empty()) break;
      read += *bytesOfIt;
    }
  }
  check(body.read() == bytes.size(), "a form that is over was read to its end");
  return read;
}

const Target multipart("multipart", [](std::string_view input) {
  const std::size_t end = std::min(input.find('\n'), input.size());
  const auto boundary = http::formBoundary(input.substr(0, end));
  if (!boundary || !*boundary) return;
  const std::string_view body = input.substr(std::min(end + 1, input.size()));
  expectTheSameInPieces(body, [&](std::size_t piece) { return readForm(body, **boundary, piece); });
});

}  // namespace
}  // namespace rookery::fuzz
