#include "file/stamp.h"

#include <sys/stat.h>

namespace rookery::file {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

}  // namespace

FileTime toFileTime(const timespec& time) { return {.seconds = time.tv_sec, .nanoseconds = time.tv_nsec}; }

FileTime toFileTime(system_clock::time_point time) {
  constexpr std::int64_t perSecond = nanoseconds(seconds(1)).count();
  const std::int64_t count = nanoseconds(time.time_since_epoch()).count();
  const std::int64_t rest = count % perSecond;  // of a time before the epoch, negative
  if (rest < 0) return {.seconds = count / perSecond - 1, .nanoseconds = rest + perSecond};
  return {.seconds = count / perSecond, .nanoseconds = rest};
}

system_clock::time_point toSystemTime(const FileTime& time) {
  if (time >= toFileTime(system_clock::time_point::max())) return system_clock::time_point::max();
  if (time <= toFileTime(system_clock::time_point::min())) return system_clock::time_point::min();
  const auto rest = std::chrono::duration_cast<system_clock::duration>(nanoseconds(time.nanoseconds));
  // The sum from its larger end: a part alone may lie beyond what the clock can have.
  if (time.seconds < 0)
    return system_clock::time_point(seconds(time.seconds + 1) + (rest - system_clock::duration(seconds(1))));
  return system_clock::time_point(seconds(time.seconds) + rest);
}

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
