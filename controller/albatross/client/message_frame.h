#pragma once

#include <cstdint>
#include <string>

#include "albatross/wire.h"

namespace rookery::albatross {

/// A frame with a create or force-create whose image comes from somewhere else: what stands before the image,
/// and what behind it.
struct FrameAroundImage {
  std::string before;  // with the frame's own header
  std::string after;   // never empty
};

/// The frame of a message whose command is a create or force-create, without an image in its configuration,
/// for an image of `size` bytes. Error (ImageTooLarge): a frame cannot hold it.
Result<FrameAroundImage> frameAround(Wire message, std::uint64_t size);

}  // namespace rookery::albatross
