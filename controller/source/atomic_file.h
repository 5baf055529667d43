#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string_view>

#include "error.h"
#include "file/atomic.h"
#include "file/stamp.h"

/// Files that change as a whole (file/atomic.h), each from the state in which the caller read it. One process
/// at a time may write.
///
/// Errors: StoreUnwritable (a full disk, for one), and what to do; Conflict where the file is not what the
/// caller took it for. The file is then as it was, and no temporary file is left.
namespace rookery::source {

using file::Access;

/// A file as it was found.
struct FileState {
  file::Stamp stamp;
  Access access;
};

/// Nothing: no such file, or it cannot be looked at.
std::optional<FileState> stateOf(const std::filesystem::path& file);

/// Makes a file that must not exist yet.
Result<void> createFile(const std::filesystem::path& file, std::string_view content, mode_t mode);

/// Replaces a file that must still be in the state in which the caller read it.
Result<void> replaceFile(const std::filesystem::path& file, std::string_view content, const Access& access,
                         const file::Stamp& expected);

/// Removes a file that must still be in that state.
Result<void> removeFile(const std::filesystem::path& file, const file::Stamp& expected);

/// StoreUnwritable: the file stays as it was, and why; `error` is the cause as errno has it.
std::unexpected<Error> unwritable(const std::filesystem::path& file, std::string_view why, int error);

/// Makes the folder, for its owner alone, if it is missing, and tries whether a file can be written in it.
Result<void> prepareFolder(const std::filesystem::path& folder);

/// Removes the temporary files that a process left behind when it was killed, below `folder`. What cannot be
/// removed stays; nobody reads it.
void removeLeftovers(const std::filesystem::path& folder);

}  // namespace rookery::source
