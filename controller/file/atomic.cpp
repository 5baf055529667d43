#include "file/atomic.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <tuple>
#include <utility>

namespace rookery::file {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view draftPrefix = ".rookery-";
constexpr std::string_view draftSuffix = ".tmp";

bool isThere(const fs::path& file) {
  struct stat status{};
  return ::lstat(file.c_str(), &status) == 0;
}

}  // namespace

Draft::Draft(fs::path target)
    : target_(std::move(target)),
      path_((target_.parent_path() / fmt::format("{}XXXXXX{}", draftPrefix, draftSuffix)).string()) {}

Draft::~Draft() {
  if (exists_) ::unlink(path_.c_str());
}

int Draft::write(std::string_view content, const Access& access) {
  const int descriptor = ::mkostemps(path_.data(), static_cast<int>(draftSuffix.size()), O_CLOEXEC);
  if (descriptor < 0) return errno;
  exists_ = true;
  // Before the mode, which a change of the owner may reduce. Only root can keep another user's.
  std::ignore = ::fchown(descriptor, access.owner, access.group);
  int cause = ::fchmod(descriptor, access.mode) == 0 ? 0 : errno;
  if (cause == 0) cause = writeAll(descriptor, content);
  if (cause == 0 && ::fsync(descriptor) != 0) cause = errno;
  if (::close(descriptor) != 0 && cause == 0) cause = errno;
  return cause;
}

int Draft::takePlace(Present present) {
  const unsigned int flags = present == Present::Keep ? RENAME_NOREPLACE : 0;
  int cause = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), flags) == 0 ? 0 : errno;
  // Some file systems know no flags.
  if (cause == EINVAL && flags != 0 && !isThere(target_))
    cause = std::rename(path_.c_str(), target_.c_str()) == 0 ? 0 : errno;
  if (cause == 0) exists_ = false;
  return cause;
}

int writeWhole(const fs::path& file, std::string_view content, const Access& access) {
  Draft draft(file);
  int cause = draft.write(content, access);
  if (cause == 0) cause = draft.takePlace();
  return cause == 0 ? syncFolder(file.parent_path()) : cause;
}

bool isDraft(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with(draftPrefix) && name.ends_with(draftSuffix);
}

int writeAll(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int makeFolder(const fs::path& folder) {
  std::error_code error;
  const fs::path parent = (folder / "").parent_path().parent_path();  // "a/b/" lies in "a"
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) return error.value();
  return ::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

int syncFolder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int cause = descriptor < 0 || ::fsync(descriptor) != 0 ? errno : 0;
  if (descriptor >= 0) ::close(descriptor);
  return cause == EINVAL ? 0 : cause;  // a file system without fsync on folders
}

std::string remedyFor(int cause, const fs::path& folder) {
  switch (cause) {
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

}  // namespace rookery::file
