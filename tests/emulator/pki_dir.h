#pragma once

#include <filesystem>
#include <string>

#include "error.h"
#include "fixtures/pki.h"

namespace rookery::emulator {

/// What the TLS endpoint needs, PEM.
struct ServerPki {
  std::string ca;  // the one certificate that clients are trusted by
  fixtures::Identity server;
};

/// Reads cacert.pem, server.pem and server.key from a folder, and makes them, ca.key and the folder where
/// they are missing (private keys with mode 0600). Errors: CredentialInvalid (half of a pair is there, or
/// there is no ca.key to make server.pem with), SourceUnreadable, StateUnwritable.
Result<ServerPki> openPki(const std::filesystem::path& folder);

/// The same, and admin.pem and admin.key beside them: an operator's credential of that CA. Aborts where they
/// cannot be made.
void makePkiWithAdmin(const std::filesystem::path& folder);

}  // namespace rookery::emulator
