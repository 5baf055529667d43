#pragma once

#include <cstddef>

#include "albatross/client/client.h"

/// What the command of a request means for a call, whatever it travels over.
namespace rookery::albatross {

/// Whether an image or content is streamed with it.
bool isStreamed(const Command& command);
bool getsImage(const Command& command);

/// Bytes of the frame that answers it: what stands around an image is little.
std::size_t longestReplyTo(const Request& request);

/// Whether somebody has to find out what became of the command when its reply is lost. A question about
/// policies through a chain with domains applies theirs.
bool mutates(const Request& request);

}  // namespace rookery::albatross
