#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/manifest.h"
#include "api/object.h"
#include "api/status.h"

namespace rookery::source {

namespace asio = boost::asio;

/// A manifest root as a scan found it; or a Kubernetes cluster.
struct Root {
  std::filesystem::path path;  // how entries of the inventory name it
  bool complete = false;       // it and every folder in it could be read
  bool gitLocked = false;      // a .git/index.lock stood in the tree: somebody is in the middle of a checkout
  std::size_t objects = 0;
  bool opaque = false;         // it holds a file that cannot be read or parsed and has no last good objects
  bool deletesByName = false;  // an object is absent only because somebody deleted just it
  std::optional<std::string> doomed =
      {};  // a sentence: why all of it goes at once, which nobody may have meant
};

/// Everything that a source declares, at one time. Immutable once published.
struct Snapshot {
  std::vector<api::ObjectPtr> objects;  // valid, no key twice; a broken file's last good ones included
  /// Not declared any more, but kept by the source until nothing of them is left.
  std::vector<api::ObjectPtr> deleted;
  std::vector<api::Problem> problems;
  std::set<api::ObjectKey> declared;           // also those that are invalid or duplicate: not gone
  std::set<std::filesystem::path> unreliable;  // files that could not be read or parsed
  std::vector<Root> roots;
  std::map<api::ObjectKey, api::Status> statuses;    // as other controllers have reported them to the source
  std::map<api::ObjectKey, std::string> unreadable;  // what the source may not or cannot read: sentences
  /// Not declared any more, and to be let go without being destroyed, whatever runs: somebody said so.
  std::set<api::ObjectKey> released;
  bool synced = true;     // false: a source has not been heard of yet, and may declare more
  std::size_t files = 0;  // manifest files seen
  std::chrono::system_clock::time_point scannedAt;
  /// The same by a clock that nobody sets.
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  /// True when absence from this snapshot says that an object which came from `origin` was removed by
  /// somebody: its root is one of ours, was read completely, is not git-locked, holds no file of which nobody
  /// knows what it declares (the object's own may have been renamed), and the file is gone or parses.
  bool tellsAbsence(const api::Origin& origin) const;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// Where desired state comes from. One coroutine at a time may use it.
class Source {
 public:
  virtual ~Source() = default;

  /// What is declared now, as far as it can be told without waiting.
  virtual SnapshotPtr scan() = 0;
  /// Waits until something may have changed, then scans. Runs on the awaiting coroutine's executor, which
  /// must be a strand if several threads run it; ends with an empty pointer when cancelled.
  virtual asio::awaitable<SnapshotPtr> next() = 0;
};

}  // namespace rookery::source
