#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "api/manifest.h"
#include "file/settling.h"
#include "source/tree.h"

namespace rookery::source {

/// Parsed manifests, so that files which did not change are not parsed again.
class ManifestCache {
 public:
  /// `settling` tells which files are still being written.
  explicit ManifestCache(std::shared_ptr<file::Settling> settling) : settling_(std::move(settling)) {}

  /// The manifests of `files`, in their order; forgets all others. Null: the file has vanished meanwhile.
  /// `walkedAt` is a time before the files' stamps were taken; `held` are files that objects came from
  /// before. One that is being written is read each time.
  std::vector<std::shared_ptr<const api::Manifest>> load(const std::vector<ManifestFile>& files,
                                                         std::chrono::system_clock::time_point walkedAt,
                                                         const std::set<std::filesystem::path>& held = {});

  /// Somebody closed a file after writing to it, or renamed it to this name: it is whole as it is now.
  void closed(const std::filesystem::path& file) { settling_->closed(file); }

 private:
  struct Entry {
    std::filesystem::path root;
    file::Stamp stamp;
    bool held;
    bool trusted;  // a later change cannot have left the stamp as it is
    std::shared_ptr<const api::Manifest> manifest;
  };
  std::map<std::filesystem::path, Entry> entries_;
  std::shared_ptr<file::Settling> settling_;
};

}  // namespace rookery::source
