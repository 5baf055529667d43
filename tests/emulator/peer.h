#pragma once

#include <openssl/ssl.h>

#include "emulator/server.h"
#include "error.h"

namespace rookery::emulator {

/// What a client asks for: the chain of certificates that its handshake was accepted with. An Error says why
/// the server closes without a word: too many certificates, a name that is not a label, an extension that
/// does not decode or does not belong there, a command that is not for remote clients. It quotes nothing of
/// the command.
Result<Request> requestOf(SSL& session);

}  // namespace rookery::emulator
