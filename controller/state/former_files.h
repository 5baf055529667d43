#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "error.h"
#include "state/content.h"

/// What earlier releases kept the state in: a file for each entry below `inventory`, and `objects.json`.
namespace rookery::state {

struct FormerFiles {
  Content content;
  std::vector<std::string> warnings;  // about files that hold nothing of ours
};

/// Reads them, as far as there are any, and changes nothing. Error: StateUnreadable.
Result<FormerFiles> readFormerFiles(const std::filesystem::path& folder);

/// Gives them other names, under which nobody takes them for the state. Error: StateUnwritable.
Result<void> setFormerFilesAside(const std::filesystem::path& folder);

/// Whether there is something of that name, be it a link that leads nowhere.
bool isThere(const std::filesystem::path& path);

/// A name for what lies in `file` that no other file has: `file` with this suffix, and a number where there
/// are several.
std::filesystem::path asideName(const std::filesystem::path& file, const std::string& suffix);

}  // namespace rookery::state
