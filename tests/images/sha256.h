#pragma once

#include <string>
#include <string_view>

#include "image/digest.h"
#include "image/image.h"

namespace rookery::images {

/// The digest of an image in memory as a manifest has it: in lower-case hex.
inline std::string sha256Of(std::string_view bytes) {
  image::Sha256 hash;
  hash.update(bytes);
  return image::toHex(hash.finish());
}

}  // namespace rookery::images
