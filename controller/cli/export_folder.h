#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "error.h"

namespace rookery::cli {

/// The folder that manifests and images are exported to: a folder for each namespace, and `images`. Files are
/// written whole or not at all, so that whatever is there after a kill is right, and stays. One process at a
/// time may write to it: what another left half written is removed.
class ExportFolder {
 public:
  /// `replaces`: files with another content are replaced.
  ExportFolder(std::filesystem::path path, bool replaces) : path_(std::move(path)), replaces_(replaces) {}

  enum class Outcome { Written, WasThere };
  enum class Access { Everybody, Owner };  // as far as who may look into the folder

  /// Puts a file there. `file` is relative, in one of the folders. Errors: Conflict (it is there with another
  /// content), SystemError.
  Result<Outcome> write(const std::filesystem::path& file, std::string_view content,
                        Access access = Access::Everybody);

  /// Whether the image of that digest (raw) is there, in that file. Errors: Conflict (the file is another,
  /// and is not replaced), ImageUnreadable.
  Result<bool> holdsImage(const std::filesystem::path& file, const std::string& digest) const;

  std::filesystem::path path(const std::filesystem::path& file) const { return path_ / file; }

 private:
  Result<void> prepare(const std::filesystem::path& folder);
  std::unexpected<Error> conflict(const std::filesystem::path& file) const;

  std::filesystem::path path_;
  bool replaces_;
  std::set<std::filesystem::path> prepared_;
};

}  // namespace rookery::cli
