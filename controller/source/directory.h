#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "api/document_cache.h"
#include "file/settling.h"
#include "source/source.h"

namespace rookery::source {

struct DirectoryOptions {
  std::vector<std::filesystem::path> roots;  // folders, or single manifest files
  /// Quiet time after the last event before a scan: an eighth of it after the first that comes, twice as
  /// much after each that follows. Who saves one file does not wait for those who check out many.
  std::chrono::milliseconds debounce{200};
  std::chrono::milliseconds debounceLimit{
      2'000};                                   // after the first event; changes without end do not starve it
  std::chrono::milliseconds rescan{60'000};     // full rescan, whatever inotify said
  std::chrono::milliseconds unwatched{30'000};  // the same where the kernel grants no watches
  std::chrono::milliseconds unreadable{5'000};  // the same where a root cannot be read, which may pass by
  bool watch = true;  // false, for who scans just once: next() knows the period only
  bool alone = true;  // what these roots do not declare, no other source does
  /// Tells which files are still being written, and is told which were seen to be closed; to be shared with
  /// who reads the files that manifests name.
  std::shared_ptr<file::Settling> settling = std::make_shared<file::Settling>();
  /// What was parsed of the files; to be shared with who writes them.
  std::shared_ptr<api::DocumentCache> documents = std::make_shared<api::DocumentCache>();
};

/// Manifests (*.yaml, *.yml, *.json; no dot-files) below the roots, recursively; watched with inotify on the
/// folders. Symbolic links are followed, and each real folder is entered, each real file read once. Files
/// that did not change (size, mtime, inode) are not read again. What a .rookeryignore in any of the folders
/// names is left out (ignore.h). One coroutine at a time may use it.
///
/// What a scan cannot tell stays as the scans before it found it: objects that are missing while
/// silenceAbout() has something to say, and the last valid version of an object that is invalid or duplicate;
/// but for what removed() was told of.
class DirectorySource : public Source {
 public:
  explicit DirectorySource(DirectoryOptions options);
  ~DirectorySource() override;
  DirectorySource(const DirectorySource&) = delete;
  DirectorySource& operator=(const DirectorySource&) = delete;

  /// Scans now. An unreadable root or folder is a problem (SourceUnreadable) in the snapshot, never a throw.
  SnapshotPtr scan() override;

  /// Waits for a change of what the roots declare, of a file that a manifest names (an image, a credential),
  /// or for the rescan period, then scans. Debounced. Overflow of the kernel's queue, roots that are swapped
  /// (symlinks), vanish and come back are handled by looking again; where the kernel grants no watches (a
  /// problem in the snapshot), the period remains. The first call scans at once when scan() was not called
  /// before. Runs on the awaiting coroutine's executor, which must be a strand if several threads run it;
  /// ends with an empty pointer when cancelled.
  asio::awaitable<SnapshotPtr> next() override;

  /// Lets next() scan at once: something below the roots has changed for sure. From any thread.
  void wake();
  /// The same, as somebody has removed an object from its file: from then on, only a file declares it,
  /// however little of its root can be read. From any thread.
  void removed(const api::ObjectKey& key);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::source
