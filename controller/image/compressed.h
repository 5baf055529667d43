#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "error.h"
#include "image/reader.h"

namespace rookery::image {

/// What a Reader reads, compressed on the way (zlib, RFC 1950): in constant memory, however much that is.
class Compressed {
 public:
  /// `level`: 1–9.
  Compressed(Reader reader, int level);
  Compressed(Compressed&&) noexcept;
  Compressed& operator=(Compressed&&) noexcept;
  Compressed(const Compressed&) = delete;
  Compressed& operator=(const Compressed&) = delete;
  ~Compressed();

  /// The next bytes, valid until the next call; empty at the end, once all of it was seen to be what is
  /// meant. Errors: as Reader::next.
  Result<std::span<const std::byte>> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::image
