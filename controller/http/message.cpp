#include "http/message.h"

#include <fmt/format.h>

namespace rookery::http {

Result<std::string> readAll(Body& body, std::size_t limit) {
  const auto tooLarge = [&] {
    return fail(Reason::RequestEntityTooLarge,
                fmt::format("the body of the request is larger than {} bytes", limit));
  };
  if (body.announcedSize().value_or(0) > limit) return tooLarge();
  std::string all;
  while (true) {
    const auto piece = body.next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return all;
    if (piece->size() > limit - all.size()) return tooLarge();
    all += *piece;
  }
}

}  // namespace rookery::http
