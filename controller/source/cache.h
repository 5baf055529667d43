#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "api/manifest.h"
#include "source/tree.h"

namespace rookery::source {

/// Parsed manifests, so that files which did not change are not parsed again.
class ManifestCache {
 public:
  /// The manifests of `files`, in their order; forgets all others. Null: the file has vanished meanwhile.
  /// `walkedAt` is a time before the files' stamps were taken.
  std::vector<std::shared_ptr<const api::Manifest>> load(const std::vector<ManifestFile>& files,
                                                         std::chrono::system_clock::time_point walkedAt);

 private:
  struct Entry {
    std::filesystem::path root;
    Stamp stamp;
    bool trusted;  // a later change cannot have left the stamp as it is
    std::shared_ptr<const api::Manifest> manifest;
  };
  std::map<std::filesystem::path, Entry> entries_;
};

}  // namespace rookery::source
