#pragma once

#include <expected>
#include <filesystem>
#include <string_view>

#include "error.h"
#include "state/database.h"

/// The errors of a state directory, as sentences that say what to do.
namespace rookery::state {

/// StateUnreadable. It says nothing about what `path` holds: whoever needs that must not go on without.
std::unexpected<Error> stateUnreadable(const std::filesystem::path& path, std::string_view why);
std::unexpected<Error> stateUnreadable(const std::filesystem::path& path, int cause);
std::unexpected<Error> stateUnreadable(const std::filesystem::path& path, const DatabaseError& error);

/// StateUnwritable. `cause`: as errno.
std::unexpected<Error> stateUnwritable(const std::filesystem::path& path, int cause);
std::unexpected<Error> stateUnwritable(const std::filesystem::path& path, const DatabaseError& error);

}  // namespace rookery::state
