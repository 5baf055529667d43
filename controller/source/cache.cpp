#include "source/cache.h"

#include <system_error>
#include <utility>

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

/// File systems count time in ticks of up to 2 s (FAT): a file that was written since may be written once
/// more without a trace in its stamp. What git calls racily clean (git's Documentation/technical/racy-git).
constexpr std::chrono::seconds coarsestTick{2};

}  // namespace

std::vector<std::shared_ptr<const api::Manifest>> ManifestCache::load(
    const std::vector<ManifestFile>& files, std::chrono::system_clock::time_point walkedAt,
    const std::set<fs::path>& held) {
  std::map<fs::path, Entry> entries;
  std::vector<std::shared_ptr<const api::Manifest>> manifests;
  const file::FileTime settledBefore = file::toFileTime(walkedAt - coarsestTick);
  for (const ManifestFile& file : files) {
    const bool isHeld = held.contains(file.path);
    const auto known = entries_.find(file.path);
    if (known != entries_.end() && known->second.trusted && known->second.stamp == file.stamp &&
        known->second.root == file.root &&
        (known->second.held == isHeld || known->second.manifest->declares())) {
      manifests.push_back(known->second.manifest);
      entries.insert(std::move(*known));
      continue;
    }
    auto manifest =
        std::make_shared<const api::Manifest>(api::readManifest(file.root, file.path, *settling_, isHeld));
    std::error_code ignored;
    if (!manifest->parsed && fs::symlink_status(file.path, ignored).type() == fs::file_type::not_found) {
      manifests.push_back(nullptr);
      continue;
    }
    const bool trusted = !manifest->lookAgainIn && file.stamp.modified < settledBefore;
    manifests.push_back(manifest);
    entries.emplace(file.path, Entry{file.root, file.stamp, isHeld, trusted, std::move(manifest)});
  }
  entries_ = std::move(entries);
  return manifests;
}

}  // namespace rookery::source
