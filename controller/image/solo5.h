#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "error.h"
#include "image/image.h"

namespace rookery::image {

/// An image's bytes, wherever they are: what the parser reads from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// How messages call the image: "image /srv/web.hvt".
  virtual std::string name() const = 0;
  virtual std::uint64_t size() const = 0;
  /// `length` bytes from `offset`; the caller has seen to it that they lie within size(). Errors:
  /// ImageUnreadable, ImageChanged.
  virtual Result<std::string> read(std::uint64_t offset, std::size_t length) const = 0;
};

/// What a Solo5 image's notes say. Any bytes may be given: only the headers and the notes are read, at most 6
/// MiB. The rules are those of the server, which applies them when the old unikernel is dead already. Errors:
/// ImageInvalid, and what the source fails with.
Result<Manifest> parseImage(const ByteSource& source);

/// The same for an image in memory, which messages call "the image".
Result<Manifest> parseImage(std::string_view bytes);

}  // namespace rookery::image
