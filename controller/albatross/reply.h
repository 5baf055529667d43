#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "error.h"

namespace rookery::albatross {

/// What our clock can say, less a day at both ends: a server may send any time.
inline constexpr Time firstTime =
    std::chrono::ceil<Time::duration>(std::chrono::system_clock::time_point::min() + std::chrono::days(1));
inline constexpr Time lastTime =
    std::chrono::floor<Time::duration>(std::chrono::system_clock::time_point::max() - std::chrono::days(1));

struct Reply {
  std::string serverKey;  // SHA-256 of the server's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), lower-case hex
  Name name;              // as the reply's header gives it
  Success success;
  std::optional<std::chrono::system_clock::time_point> serverNotAfter = {};  // the end of its certificate
};

/// Why a call has no Success. `inDoubt`: the command may have been carried out, or still be: the connection
/// broke or the deadline passed after everything was sent, or the endpoint rather than the daemon answered.
struct CallError {
  Error error;
  bool inDoubt = false;
};

using CallResult = std::expected<Reply, CallError>;

/// What a frame of a server says. Errors: Refused, EndpointFailed, ServiceUnavailable, or ProtocolError for
/// what is no reply. `server` is the host:port for messages.
Result<Reply> interpretReply(std::string_view frame, std::string serverKey, const std::string& server);

/// A reply's list with full names: on the wire they are relative where a domain was asked. Error
/// (ProtocolError): the reply is of another shape, or has policies of more CPUs or bridges than a machine
/// has.
Result<Unikernels> unikernelsOf(const Reply& reply);
Result<Policies> policiesOf(const Reply& reply);
Result<BlockDevices> blockDevicesOf(const Reply& reply);

}  // namespace rookery::albatross
