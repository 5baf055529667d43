#include "file/settling.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace rookery::file {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds shortestQuiet{2'000};
constexpr std::uint64_t bytesPerSecondMore = std::uint64_t{4} << 20;
/// How often somebody is asked whether he is done whose closing may not be seen.
constexpr milliseconds askAgain{1'000};
constexpr std::size_t maxRemembered = 10'000;

/// File systems whose writers are all known to this kernel (statfs(2); those without a name in
/// linux/magic.h by number). On others a lease is granted, or refused, whatever other machines do. An overlay
/// does not know who writes through a mapping alone, with the file closed; that is rare enough.
constexpr std::array<std::uint32_t, 12> ofThisMachine{
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC, TMPFS_MAGIC,       F2FS_SUPER_MAGIC,
    RAMFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC,
    0x2fc12fc1,  // ZFS
    0xca451a4e,  // bcachefs
    0x3153464a,  // JFS
};

bool isOfThisMachine(int descriptor) {
  struct statfs status{};
  if (::fstatfs(descriptor, &status) != 0) return false;
  return std::ranges::find(ofThisMachine, static_cast<std::uint32_t>(status.f_type)) != ofThisMachine.end();
}

/// For how long nothing was written, by the file's times; nothing when they lie in the future.
std::optional<nanoseconds> ageOf(const Stamp& stamp, std::chrono::system_clock::time_point now) {
  const FileTime present = toFileTime(now);
  const FileTime last = std::max(stamp.changed, stamp.modified);
  if (last > present) return std::nullopt;
  // More than that is of no interest, and might overflow.
  const std::int64_t seconds = std::min<std::int64_t>(present.seconds - last.seconds, 3'600);
  return std::chrono::seconds(seconds) + nanoseconds(present.nanoseconds - last.nanoseconds);
}

}  // namespace

Writers writersOf(int descriptor) {
  if (!isOfThisMachine(descriptor)) return Writers::Unknown;
  // Who opens the file while the lease is held has us told by a signal: one that is ignored unless somebody
  // asked for it. SIGIO, the default, would end the process.
  if (::fcntl(descriptor, F_SETSIG, SIGURG) != 0) return Writers::Unknown;
  if (::fcntl(descriptor, F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(descriptor, F_SETLEASE, F_UNLCK);
    return Writers::None;
  }
  return errno == EAGAIN ? Writers::Some : Writers::Unknown;
}

milliseconds quietTime(std::uint64_t size) {
  const std::uint64_t more = std::min<std::uint64_t>(size / bytesPerSecondMore, 60);
  return std::min(longestQuiet, shortestQuiet + milliseconds(1'000 * more));
}

std::string BeingWritten::why() const {
  return open ? "somebody has it open for writing" : "it has just been changed, and was not left alone since";
}

std::optional<BeingWritten> beingWritten(Writers writers, const Stamp& stamp, bool closed,
                                         nanoseconds unchangedFor,
                                         std::chrono::system_clock::time_point now) {
  if (writers == Writers::None) return std::nullopt;
  if (writers == Writers::Some) return BeingWritten{.open = true, .lookAgainIn = askAgain};
  if (closed) return std::nullopt;
  const nanoseconds quiet = std::max(unchangedFor, ageOf(stamp, now).value_or(nanoseconds{0}));
  const nanoseconds needed = quietTime(stamp.size);
  if (quiet >= needed) return std::nullopt;
  return BeingWritten{.open = false, .lookAgainIn = std::chrono::ceil<milliseconds>(needed - quiet)};
}

std::optional<BeingWritten> Settling::beingWritten(int descriptor, const Stamp& stamp) {
  const Writers writers = writersOf(descriptor);
  const nanoseconds unchanged = writers == Writers::Unknown ? unchangedFor(stamp) : nanoseconds{0};
  return file::beingWritten(writers, stamp, closedAs(stamp), unchanged, clocks_.wall());
}

void Settling::closed(const std::filesystem::path& path) {
  const std::optional<Stamp> stamp = stampOf(path);
  if (!stamp) return;
  const std::scoped_lock lock(mutex_);
  // Who is forgotten has to wait for the quiet time instead.
  if (closed_.size() >= maxRemembered) closed_.clear();
  closed_[stamp->id()] = *stamp;
}

nanoseconds Settling::unchangedFor(const Stamp& stamp) {
  const std::chrono::steady_clock::time_point now = clocks_.steady();
  const std::scoped_lock lock(mutex_);
  if (seen_.size() >= maxRemembered && !seen_.contains(stamp.id())) seen_.clear();
  Seen& seen = seen_.try_emplace(stamp.id(), Seen{stamp, now}).first->second;
  if (seen.stamp != stamp) seen = {stamp, now};
  return now - seen.since;
}

bool Settling::closedAs(const Stamp& stamp) const {
  const std::scoped_lock lock(mutex_);
  const auto known = closed_.find(stamp.id());
  return known != closed_.end() && known->second == stamp;
}

}  // namespace rookery::file
