#pragma once

#include <filesystem>
#include <string>

#include "error.h"

namespace rookery::serve {

/// What changes when a file is written or replaced, through symbolic links (as Kubernetes mounts Secrets):
/// device, inode, size and times. "absent" when there is none.
std::string versionOf(const std::filesystem::path& file);

/// The whole of a small file of credentials. `what` names it in the Error (CredentialInvalid), which says why
/// it cannot be read, or that it is larger than 1 MiB.
Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what);

}  // namespace rookery::serve
