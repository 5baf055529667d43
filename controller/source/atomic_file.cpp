#include "source/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view temporaryPrefix = ".rookery-";
constexpr std::string_view temporarySuffix = ".tmp";

/// What to do about a failed system call.
std::string remedyFor(int error, const fs::path& folder) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "Make room on its file system, or raise the quota, and try again.";
    case EROFS:
      return "Mount its file system writable, or choose another folder.";
    case EACCES:
    case EPERM:
      return fmt::format("Let the user that rookery runs as write to {}.", folder.string());
    case EFBIG:
      return "Raise the limit on the size of files (ulimit -f), and try again.";
    case EIO:
      return "Check the disk, and try again.";
    default:
      return fmt::format("Look into {}, and try again.", folder.string());
  }
}

std::unexpected<Error> unwritable(const fs::path& file, int error) {
  return fail(Reason::StoreUnwritable,
              fmt::format("{} cannot be written: {}. It is as it was. {}", file.string(),
                          std::generic_category().message(error), remedyFor(error, file.parent_path())));
}

std::unexpected<Error> changedMeanwhile(const fs::path& file) {
  return fail(Reason::Conflict,
              fmt::format("{} was changed by somebody else in this moment; look at it again, and repeat the "
                          "change if it is still wanted.",
                          file.string()));
}

/// Writes all of `content`; 0 or errno.
int writeAll(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(descriptor) == 0 ? 0 : errno;
}

/// A new file beside its target, with a name of its own; removed again unless it takes the target's place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target)
      : target_(target),
        path_((target.parent_path() / fmt::format("{}XXXXXX{}", temporaryPrefix, temporarySuffix)).string()) {
  }
  ~TemporaryFile() {
    if (exists_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  Result<void> write(std::string_view content, mode_t mode, const Access* keep) {
    const int descriptor = ::mkostemps(path_.data(), static_cast<int>(temporarySuffix.size()), O_CLOEXEC);
    if (descriptor < 0) return unwritable(target_, errno);
    exists_ = true;
    // Before the mode, which a change of the owner may reduce. Only root can keep another user's.
    if (keep != nullptr) std::ignore = ::fchown(descriptor, keep->owner, keep->group);
    int error = ::fchmod(descriptor, mode) == 0 ? 0 : errno;
    if (error == 0) error = writeAll(descriptor, content);
    if (::close(descriptor) != 0 && error == 0) error = errno;
    if (error != 0) return unwritable(target_, error);
    return {};
  }

  /// `flags`: of renameat2(2).
  Result<void> takePlace(unsigned int flags) {
    int error = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), flags) == 0 ? 0 : errno;
    // Some file systems know no flags.
    if (error == EINVAL && flags != 0 && !stateOf(target_)) {
      error = std::rename(path_.c_str(), target_.c_str()) == 0 ? 0 : errno;
    }
    if (error == EEXIST) return changedMeanwhile(target_);
    if (error != 0) return unwritable(target_, error);
    exists_ = false;
    return {};
  }

 private:
  const fs::path& target_;
  std::string path_;
  bool exists_ = false;
};

/// Makes the change of a folder's entries last.
Result<void> syncFolderOf(const fs::path& file) {
  const int descriptor = ::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = descriptor < 0 || ::fsync(descriptor) != 0 ? errno : 0;
  if (descriptor >= 0) ::close(descriptor);
  if (error == EINVAL) error = 0;  // a file system without fsync on folders
  if (error == 0) return {};
  return fail(
      Reason::StoreUnwritable,
      fmt::format("The change of {} was made, but it may be lost when the power fails: {}. {}", file.string(),
                  std::generic_category().message(error), remedyFor(error, file.parent_path())));
}

bool isTemporary(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with(temporaryPrefix) && name.ends_with(temporarySuffix);
}

}  // namespace

std::optional<FileState> stateOf(const fs::path& file) {
  struct stat status{};
  if (::lstat(file.c_str(), &status) != 0) return std::nullopt;
  return FileState{
      .stamp = Stamp(status),
      .access = {.mode = status.st_mode & 07777u, .owner = status.st_uid, .group = status.st_gid}};
}

Result<void> createFile(const fs::path& file, std::string_view content, mode_t mode) {
  TemporaryFile temporary(file);
  if (auto written = temporary.write(content, mode, nullptr); !written) return written;
  if (auto placed = temporary.takePlace(RENAME_NOREPLACE); !placed) return placed;
  return syncFolderOf(file);
}

Result<void> replaceFile(const fs::path& file, std::string_view content, const Access& access,
                         const Stamp& expected) {
  TemporaryFile temporary(file);
  if (auto written = temporary.write(content, access.mode, &access); !written) return written;
  const std::optional<FileState> now = stateOf(file);
  if (!now || now->stamp != expected) return changedMeanwhile(file);
  if (auto placed = temporary.takePlace(0); !placed) return placed;
  return syncFolderOf(file);
}

Result<void> removeFile(const fs::path& file, const Stamp& expected) {
  const std::optional<FileState> now = stateOf(file);
  if (!now || now->stamp != expected) return changedMeanwhile(file);
  if (::unlink(file.c_str()) != 0) return unwritable(file, errno);
  return syncFolderOf(file);
}

Result<void> prepareFolder(const fs::path& folder) {
  std::error_code error;
  const fs::path parent = (folder / "").parent_path().parent_path();  // "a/b/" lies in "a"
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) return unwritable(folder, error.value());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return unwritable(folder, errno);
  const fs::path probe = folder / "probe";
  TemporaryFile temporary(probe);
  auto written = temporary.write("", 0600, nullptr);
  if (!written) {
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
    if (directory && entry->path().filename().string().starts_with('.')) entry.disable_recursion_pending();
    if (!directory && isTemporary(entry->path())) fs::remove(entry->path(), ignored);
  }
}

}  // namespace rookery::source
