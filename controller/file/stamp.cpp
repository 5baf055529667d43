#include "file/stamp.h"

#include <sys/stat.h>

namespace rookery::file {

namespace {

FileTime toFileTime(const timespec& time) { return {.seconds = time.tv_sec, .nanoseconds = time.tv_nsec}; }

}  // namespace

Stamp stampOf(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = toFileTime(status.st_mtim),
          .changed = toFileTime(status.st_ctim)};
}

std::optional<Stamp> stampOf(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return stampOf(status);
}

std::optional<Stamp> stampOf(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return std::nullopt;
  return stampOf(status);
}

}  // namespace rookery::file
