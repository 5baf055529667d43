#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "albatross/wire.h"
#include "image/image.h"

namespace rookery::emulator {

/// zlib (RFC 1950). The failure is in the server's words.
std::expected<std::string, albatross::Failure> uncompress(const std::string& bytes);
std::string compress(const std::string& bytes, int level);  // 1–9

std::string sha256(std::string_view bytes);  // raw

/// An image as it was received, and what the server finds out about it when it looks, which is late.
class GuestImage {
 public:
  GuestImage(std::string bytes, bool compressed) : bytes_(std::move(bytes)), compressed_(compressed) {}

  struct Inspection {
    std::string digest;  // SHA-256 of the uncompressed image, raw
    image::Manifest manifest;
  };

  /// Looks at it once. Fails with what the server says: not zlib, not an ELF, a target or an ABI without a
  /// tender.
  std::expected<Inspection, albatross::Failure> inspect();

  /// SHA-256 of the bytes as they were received, as hex.
  const std::string& storageName();

  const std::string& bytes() const { return bytes_; }
  bool compressed() const { return compressed_; }

 private:
  std::string bytes_;
  bool compressed_;
  std::optional<Inspection> inspection_;
  std::string storageName_;
};

}  // namespace rookery::emulator
