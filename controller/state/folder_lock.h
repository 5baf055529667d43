#pragma once

#include <filesystem>
#include <utility>

#include "error.h"

namespace rookery::state {

/// That a state directory is this process's: a lock on a file in it, which says whose it is. Given back with
/// the object.
class FolderLock {
 public:
  /// Errors: StateDirLocked (says the process that has it), StateUnwritable, StateUnreadable.
  static Result<FolderLock> take(const std::filesystem::path& folder);
  /// Whether a process has it now, as far as that can be told.
  static bool isHeld(const std::filesystem::path& folder);
  /// The PID of the process that took it last, whether that still has it or not. Empty: not known.
  static std::string holder(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, none)), file_(std::move(other.file_)) {}
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock& operator=(FolderLock&&) = delete;

  /// Whether the folder still is the one that was taken: it can be removed or replaced. Error:
  /// StateUnreadable. From any thread.
  Result<bool> stands() const;

 private:
  static constexpr int none = -1;
  FolderLock(int descriptor, std::filesystem::path file) : descriptor_(descriptor), file_(std::move(file)) {}

  int descriptor_;
  std::filesystem::path file_;
};

}  // namespace rookery::state
