#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "error.h"

namespace rookery::image {

/// Reads one image once, from one file descriptor with pread, and hashes on the way.
class Reader {
 public:
  /// `expected` is the raw digest of the bytes that are meant. Errors: ImageNotFound, ImageUnreadable,
  /// ImageInvalid.
  static Result<Reader> open(const std::filesystem::path& path, std::string expected);

  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  /// The next bytes (at most 64 KiB), valid until the next call; empty at the end, after the digest of all
  /// that was read was found to be the expected one. Errors: ImageChanged (another digest or length),
  /// ImageUnreadable.
  Result<std::span<const std::byte>> next();

  std::uint64_t size() const;

 private:
  struct State;
  explicit Reader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rookery::image
