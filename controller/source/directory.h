#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "api/manifest.h"
#include "api/object.h"

namespace rookery::source {

namespace asio = boost::asio;

/// A manifest root as a scan found it.
struct Root {
  std::filesystem::path path;
  bool complete = false;   // it and every folder in it could be read
  bool gitLocked = false;  // a .git/index.lock stood in the tree: somebody is in the middle of a checkout
  std::size_t objects = 0;
  bool opaque = false;  // it holds a file that cannot be read or parsed and has no last good objects
};

/// Everything that the manifest roots declare, at one time. Immutable once published.
struct Snapshot {
  std::vector<api::ObjectPtr> objects;  // valid, no key twice; a broken file's last good ones included
  std::vector<api::Problem> problems;
  std::set<api::ObjectKey> declared;           // also those that are invalid or duplicate: not gone
  std::set<std::filesystem::path> unreliable;  // files that could not be read or parsed
  std::vector<Root> roots;
  std::size_t files = 0;  // manifest files seen
  std::chrono::system_clock::time_point scannedAt;

  /// True when absence from this snapshot says that an object which came from `origin` was removed by
  /// somebody: its root is one of ours, was read completely, is not git-locked, holds no file of which nobody
  /// knows what it declares (the object's own may have been renamed), and the file is gone or parses.
  bool tellsAbsence(const api::Origin& origin) const;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

struct DirectoryOptions {
  std::vector<std::filesystem::path> roots;  // folders, or single manifest files
  std::chrono::milliseconds debounce{200};   // quiet time after the last event before a scan
  std::chrono::milliseconds debounceLimit{
      2'000};                                // after the first event; changes without end do not starve it
  std::chrono::milliseconds rescan{60'000};  // full rescan, whatever inotify said
  bool watch = true;                         // false, for who scans just once: next() knows the period only
};

/// Manifests (*.yaml, *.yml, *.json; no dot-files) below the roots, recursively; watched with inotify on the
/// folders. Symbolic links are followed, and each real folder is entered, each real file read once. Files
/// that did not change (size, mtime, inode) are not read again. One coroutine at a time may use it.
///
/// What a scan cannot tell stays as the scans before it found it: the objects of a file that does not parse,
/// or of a root for which tellsAbsence() is false, and the last valid version of an object that is invalid or
/// duplicate.
class DirectorySource {
 public:
  explicit DirectorySource(DirectoryOptions options);
  ~DirectorySource();
  DirectorySource(const DirectorySource&) = delete;
  DirectorySource& operator=(const DirectorySource&) = delete;

  /// Scans now. An unreadable root or folder is a problem (SourceUnreadable) in the snapshot, never a throw.
  SnapshotPtr scan();

  /// Waits for a change below the roots — also of other files, as an image may be one —, or the rescan
  /// period, then scans. Debounced. Overflow of the kernel's queue, roots that are swapped (symlinks), vanish
  /// and come back are handled by looking again; where the kernel grants no watches (a problem in the
  /// snapshot), the period remains. The first call scans at once when scan() was not called before. Runs on
  /// the awaiting coroutine's executor, which must be a strand if several threads run it; ends with an empty
  /// pointer when cancelled.
  asio::awaitable<SnapshotPtr> next();

  /// Lets next() scan at once: something below the roots has changed for sure. From any thread.
  void wake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::source
