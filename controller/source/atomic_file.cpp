#include "source/atomic_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "source/names.h"

namespace rookery::source {

namespace fs = std::filesystem;
using file::Draft;

namespace {

std::unexpected<Error> notWritten(const fs::path& file, int error) {
  return unwritable(file, std::generic_category().message(error), error);
}

std::unexpected<Error> changedMeanwhile(const fs::path& file) {
  return fail(Reason::Conflict,
              fmt::format("{} was changed by somebody else in this moment; look at it again, and repeat the "
                          "change if it is still wanted.",
                          file.string()));
}

Result<void> writeDraft(Draft& draft, const fs::path& file, std::string_view content, const Access& access) {
  if (const int cause = draft.write(content, access); cause != 0) return notWritten(file, cause);
  return {};
}

Result<void> putInPlace(Draft& draft, const fs::path& file, Draft::Present present) {
  const int cause = draft.takePlace(present);
  if (cause == EEXIST) return changedMeanwhile(file);
  if (cause != 0) return notWritten(file, cause);
  return {};
}

/// Makes the change of a folder's entries last.
Result<void> syncFolderOf(const fs::path& file) {
  const int error = file::syncFolder(file.parent_path());
  if (error == 0) return {};
  return fail(
      Reason::StoreUnwritable,
      fmt::format("The change of {} was made, but it may be lost when the power fails: {}. {}", file.string(),
                  std::generic_category().message(error), file::remedyFor(error, file.parent_path())));
}

}  // namespace

std::unexpected<Error> unwritable(const fs::path& file, std::string_view why, int error) {
  return fail(Reason::StoreUnwritable,
              fmt::format("{} cannot be written: {}. It is as it was. {}", file.string(), why,
                          file::remedyFor(error, file.parent_path())));
}

std::optional<FileState> stateOf(const fs::path& file) {
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) return std::nullopt;
  return FileState{
      .stamp = file::stampOf(status),
      .access = {.mode = status.st_mode & 07777u, .owner = status.st_uid, .group = status.st_gid}};
}

Result<void> createFile(const fs::path& file, std::string_view content, mode_t mode) {
  Draft draft(file);
  if (auto written = writeDraft(draft, file, content, {.mode = mode}); !written) return written;
  if (auto placed = putInPlace(draft, file, Draft::Present::Keep); !placed) return placed;
  return syncFolderOf(file);
}

Result<void> replaceFile(const fs::path& file, std::string_view content, const Access& access,
                         const file::Stamp& expected) {
  Draft draft(file);
  if (auto written = writeDraft(draft, file, content, access); !written) return written;
  const std::optional<FileState> now = stateOf(file);
  if (!now || now->stamp != expected) return changedMeanwhile(file);
  if (auto placed = putInPlace(draft, file, Draft::Present::Replace); !placed) return placed;
  return syncFolderOf(file);
}

Result<void> removeFile(const fs::path& file, const file::Stamp& expected) {
  const std::optional<FileState> now = stateOf(file);
  if (!now || now->stamp != expected) return changedMeanwhile(file);
  if (::unlink(file.c_str()) != 0) return notWritten(file, errno);
  return syncFolderOf(file);
}

Result<void> prepareFolder(const fs::path& folder) {
  if (const int cause = file::makeFolder(folder); cause != 0) return notWritten(folder, cause);
  const fs::path probe = folder / "probe";
  Draft draft(probe);
  if (auto written = writeDraft(draft, probe, "", {}); !written) {
    return fail(Reason::StoreUnwritable, fmt::format("The folder {} cannot take manifests. {}",
                                                     folder.string(), written.error().message));
  }
  return {};
}

void removeLeftovers(const fs::path& folder) {
  std::error_code error;
  constexpr auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const bool directory = entry->is_directory(ignored);
    if (directory && isHidden(entry->path())) entry.disable_recursion_pending();
    if (!directory && file::isDraft(entry->path())) fs::remove(entry->path(), ignored);
  }
}

}  // namespace rookery::source
