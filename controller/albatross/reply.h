#pragma once

#include <string>
#include <string_view>

#include "albatross/client.h"
#include "error.h"

namespace rookery::albatross {

/// What a frame of a server says. Errors: Refused, EndpointFailed, ServiceUnavailable, or ProtocolError for
/// what is no reply. `server` is the host:port for messages.
Result<Reply> interpretReply(std::string_view frame, std::string serverKey, const std::string& server);

}  // namespace rookery::albatross
