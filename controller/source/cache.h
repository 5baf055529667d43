#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/document_cache.h"
#include "api/manifest.h"
#include "file/settling.h"
#include "source/tree.h"

namespace rookery::source {

/// Parsed manifests, so that files which did not change are not parsed again.
class ManifestCache {
 public:
  /// `settling` tells which files are still being written. `documents` may be shared with who writes the
  /// files.
  explicit ManifestCache(
      std::shared_ptr<file::Settling> settling,
      std::shared_ptr<api::DocumentCache> documents = std::make_shared<api::DocumentCache>())
      : settling_(std::move(settling)), documents_(std::move(documents)) {}

  /// Whether objects came from a file before.
  using Held = std::function<bool(const std::filesystem::path& file)>;

  /// The manifests of `files`, in their order; forgets all others. Null: the file has vanished meanwhile.
  /// `walkedAt` is a time before the files' stamps were taken. One that is being written is read each time.
  std::vector<std::shared_ptr<const api::Manifest>> load(const std::vector<ManifestFile>& files,
                                                         std::chrono::system_clock::time_point walkedAt,
                                                         const Held& held);

  /// The manifest of one file, which is read again if it has changed; the others stay.
  std::shared_ptr<const api::Manifest> load(const ManifestFile& file,
                                            std::chrono::system_clock::time_point walkedAt, const Held& held);

  /// Somebody closed a file after writing to it, or renamed it to this name: it is whole as it is now.
  void closed(const std::filesystem::path& file) { settling_->closed(file); }

 private:
  struct Entry {
    std::filesystem::path root;
    file::Stamp stamp;
    bool held;
    bool trusted;  // a later change cannot have left the stamp as it is
    std::shared_ptr<const api::Manifest> manifest;
    std::size_t round;  // in which it was met last
  };
  void forgetUnmet();

  std::unordered_map<std::string, Entry> entries_;  // by path
  std::size_t round_ = 0;
  std::shared_ptr<file::Settling> settling_;
  std::shared_ptr<api::DocumentCache> documents_;
};

}  // namespace rookery::source
