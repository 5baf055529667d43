#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <vector>

#include "api/object.h"
#include "source/source.h"

namespace rookery::source {

class Watcher;

/// What tells one state of a file from another without reading it.
struct Stamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::chrono::nanoseconds modified{0}, changed{0};  // mtime, ctime: since the epoch

  explicit Stamp(const struct stat& status);
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

/// A manifest file that a walk met.
struct ManifestFile {
  std::filesystem::path root;
  std::filesystem::path path;
  std::vector<std::filesystem::path> aliases;  // other ways to the same file, below any root
  Stamp stamp;
};

/// What lies below the roots. Nothing of it has been read.
struct Tree {
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::vector<Root> roots;             // without the number of objects
  std::vector<ManifestFile> files;     // each real file once, in the order of the roots and of the paths
  std::vector<api::Problem> problems;  // what could not be looked at
  std::set<std::filesystem::path> unreadable;  // manifest files among that
};

/// Looks through the roots and names all that matters to `watcher`, where there is one, before looking at it.
Tree walk(const std::vector<std::filesystem::path>& roots, Watcher* watcher);

}  // namespace rookery::source
