#pragma once

#include <filesystem>
#include <string>

#include "error.h"

namespace rookery::emulator {

/// The whole of a file. Error: SourceUnreadable.
Result<std::string> readFile(const std::filesystem::path& path);

}  // namespace rookery::emulator
