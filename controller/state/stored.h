#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "error.h"
#include "state/content.h"
#include "state/database.h"
#include "state/tables.h"

/// What lies in a state directory.
namespace rookery::state {

std::filesystem::path databaseIn(const std::filesystem::path& folder);

/// What was found in one.
struct Stored {
  Content content;
  std::vector<std::string> warnings;
  bool isDatabase = false;            // else files of an earlier release, or nothing
  std::optional<std::string> damage;  // of the database, in SQLite's words: nothing of it counts
  std::vector<OddRow> odd;            // do not count either
};

/// Reads it, and changes nothing. Error: StateUnreadable.
Result<Stored> readStored(const std::filesystem::path& folder, Others others);

/// For who holds the folder: the database, ready to be written to. Made of what was stored where there is
/// none; what does not count is set aside. Error: StateUnwritable; what was stored is there.
Result<Database> openStored(const std::filesystem::path& folder, const Stored& stored);

/// Sentences about what was found and does not count. `setAside`: as openStored() did.
std::vector<std::string> warningsAbout(const std::filesystem::path& folder, const Stored& stored,
                                       bool setAside);

}  // namespace rookery::state
