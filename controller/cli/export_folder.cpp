#include "cli/export_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "file/atomic.h"
#include "image/reader.h"

namespace rookery::cli {

namespace fs = std::filesystem;

namespace {

std::unexpected<Error> unwritable(const fs::path& file, int cause) {
  return fail(Reason::SystemError, fmt::format("{} cannot be written: {}. {}", file.string(),
                                               std::generic_category().message(cause),
                                               file::remedyFor(cause, file.parent_path())));
}

/// Whether it is a file with that content, and nobody may do more with it than `mode` says.
bool isThere(const fs::path& file, std::string_view content, fs::perms mode) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(file, error);
  if (!fs::is_regular_file(status) || (status.permissions() & ~mode) != fs::perms::none) return false;
  if (fs::file_size(file, error) != content.size() || error) return false;
  std::ifstream in(file, std::ios::binary);
  std::string present(content.size(), '\0');
  in.read(present.data(), static_cast<std::streamsize>(present.size()));
  return in.gcount() == static_cast<std::streamsize>(content.size()) && present == content;
}

bool isTaken(const fs::path& file) {
  std::error_code error;
  return fs::exists(fs::symlink_status(file, error));
}

}  // namespace

std::unexpected<Error> ExportFolder::conflict(const fs::path& file) const {
  return fail(Reason::Conflict,
              fmt::format("{} is there already and differs; --force replaces it.", path(file).string()));
}

Result<void> ExportFolder::prepare(const fs::path& folder) {
  if (!prepared_.insert(folder).second) return {};
  if (const int cause = file::makeFolder(folder); cause != 0) return unwritable(folder, cause);
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (file::isDraft(entry->path())) fs::remove(entry->path(), ignored);
  }
  return {};
}

Result<ExportFolder::Outcome> ExportFolder::write(const fs::path& file, std::string_view content,
                                                  Access access) {
  const mode_t mode = access == Access::Owner ? 0600 : 0644;
  const fs::path target = path(file);
  if (const auto prepared = prepare(target.parent_path()); !prepared)
    return std::unexpected(prepared.error());
  if (isThere(target, content, static_cast<fs::perms>(mode | 0700))) return Outcome::WasThere;
  if (!replaces_ && isTaken(target)) return conflict(file);
  const int cause = file::writeWhole(target, content, {.mode = mode});
  if (cause != 0) return unwritable(target, cause);
  return Outcome::Written;
}

Result<bool> ExportFolder::holdsImage(const fs::path& file, const std::string& digest) const {
  if (!isTaken(path(file))) return false;
  auto reader = image::Reader::open(path(file), digest);
  if (!reader) return std::unexpected(reader.error());
  for (;;) {
    const auto chunk = reader->next();
    if (chunk && !chunk->empty()) continue;
    if (chunk) return true;
    if (chunk.error().reason != Reason::ImageChanged) return std::unexpected(chunk.error());
    if (replaces_) return false;
    return conflict(file);
  }
}

}  // namespace rookery::cli
