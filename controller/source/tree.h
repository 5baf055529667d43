#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "api/object.h"
#include "api/outdated.h"
#include "file/stamp.h"
#include "source/source.h"

namespace rookery::source {

class Watcher;

/// A manifest file that a walk met.
struct ManifestFile {
  std::filesystem::path root;
  std::filesystem::path path;
  std::vector<std::filesystem::path> aliases;  // other ways to the same file, below any root
  file::Stamp stamp;
};

/// What lies below the roots. Nothing of it has been read but rules of what to ignore.
struct Tree {
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::vector<Root> roots;             // without the number of objects
  std::vector<ManifestFile> files;     // each real file once, in the order of the roots and of the paths
  std::vector<api::Problem> problems;  // what could not be looked at
  std::vector<api::Problem> warnings;  // see Snapshot
  std::map<std::filesystem::path, api::Silence> unreadable;  // manifest files among that
  std::map<std::filesystem::path, std::string> ignored;      // see Snapshot
  std::vector<PassedOver> passedOver;
};

/// Looks through the roots and names all that matters to `watcher`, where there is one, before looking at it.
/// `now` is a time before that.
Tree walk(const std::vector<std::filesystem::path>& roots, Watcher* watcher, SystemTime now);

}  // namespace rookery::source
