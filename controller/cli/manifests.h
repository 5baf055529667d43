#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "error.h"
#include "source/source.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace rookery::cli {

/// How standard input is named among paths of manifests; a file of that name is "./-".
inline constexpr const char* standardInput = "-";

/// Adds the paths of manifests, as arguments or with -f, --filename.
CLI::Option* addManifestPaths(CLI::App& verb, std::vector<std::filesystem::path>& paths);

/// Where no path was given: the current folder, if manifests lie in it; that is said on `err`. Error:
/// UsageError.
Result<void> orCurrentFolder(std::vector<std::filesystem::path>& paths, std::ostream& err);

bool namesStandardInput(const std::vector<std::filesystem::path>& paths);

/// Everything that the folders and files, and standard input where it is among them, declare at one time.
/// Relative paths in what is read from `in` start at the current folder, below which its images must lie,
/// too; documents of other programs are passed over. Of `in` no more than yaml::maxBytes is read; it
/// is no root: nothing is ever destroyed because it is missing there.
source::SnapshotPtr readManifests(std::vector<std::filesystem::path> roots, std::istream& in);

}  // namespace rookery::cli
