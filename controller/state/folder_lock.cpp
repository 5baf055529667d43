#include "state/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "state/state_error.h"

namespace rookery::state {

namespace fs = std::filesystem;

namespace {

constexpr int mostAttempts = 5;  // somebody may ask just now whether it is held
constexpr std::chrono::milliseconds attemptInterval{10};

fs::path lockIn(const fs::path& folder) { return folder / "lock"; }

/// Empty: there is none in it.
std::string readPid(int lock) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size() - 1, 0);
  return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : "";
}

std::string holderOf(int lock) {
  const std::string pid = readPid(lock);
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

Result<FolderLock> FolderLock::take(const fs::path& folder) {
  const fs::path file = lockIn(folder);
  for (int attempt = 1;; ++attempt) {
    FolderLock lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), file);
    if (lock.descriptor_ < 0) return stateUnwritable(file, errno);
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (attempt < mostAttempts) {
        std::this_thread::sleep_for(attemptInterval);
        continue;
      }
      return fail(
          Reason::StateDirLocked,
          fmt::format(
              "The state directory {} is in use by the rookery process {}. Stop that one first. Another "
              "--state-dir is for other servers: it does not know what this one has created.",
              folder.string(), holderOf(lock.descriptor_)));
    }
    const Result<bool> stands = lock.stands();
    if (!stands) return std::unexpected(stands.error());
    if (!*stands) continue;
    const std::string self = std::to_string(::getpid());
    if (::ftruncate(lock.descriptor_, 0) != 0 || ::pwrite(lock.descriptor_, self.data(), self.size(), 0) < 0)
      return stateUnwritable(file, errno);
    return lock;
  }
}

bool FolderLock::isHeld(const fs::path& folder) {
  const int lock = ::open(lockIn(folder).c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return errno != ENOENT && errno != ENOTDIR;  // one that may not be read says nothing
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0;
  ::close(lock);
  return held;
}

std::string FolderLock::holder(const fs::path& folder) {
  const int lock = ::open(lockIn(folder).c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return {};
  std::string pid = readPid(lock);
  ::close(lock);
  return pid;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<bool> FolderLock::stands() const {
  struct stat ours{}, there{};
  if (::fstat(descriptor_, &ours) != 0) return stateUnreadable(file_, errno);
  if (::stat(file_.c_str(), &there) == 0) return ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return stateUnreadable(file_, errno);
}

}  // namespace rookery::state
