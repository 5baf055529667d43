#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "error.h"

/// The files of a state directory: read whole or not at all, and told apart from what is not there and from
/// what cannot be read now; written whole or not at all (file/atomic.h).
namespace rookery::state {

/// The bytes of a regular file; nothing: there is no such file, or it is a folder. Error: StateUnreadable
/// (also where it is larger than `limit` bytes), which says nothing about what the file holds: whoever needs
/// it must not go on without.
Result<std::optional<std::string>> readStateFile(const std::filesystem::path& path, std::size_t limit);

/// Puts `content` in place of the file, for its owner alone, and on the disk when this returns; several may
/// do so at once. Error: StateUnwritable, and the file is as it was.
Result<void> writeStateFile(const std::filesystem::path& path, const std::string& content);

/// Removes what a process that was killed left in `folder` of files that it was about to write.
void removeHalfWritten(const std::filesystem::path& folder);

/// What was changed in the folder is on the disk when this returns. Error: StateUnwritable.
Result<void> syncStateFolder(const std::filesystem::path& folder);

/// The errors of the functions above; `cause`: as errno.
std::unexpected<Error> stateUnreadable(const std::filesystem::path& path, int cause);
std::unexpected<Error> stateUnwritable(const std::filesystem::path& path, int cause);

}  // namespace rookery::state
