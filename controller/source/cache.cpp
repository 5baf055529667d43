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
    const Held& held) {
  ++round_;
  std::vector<std::shared_ptr<const api::Manifest>> manifests;
  manifests.reserve(files.size());
  for (const ManifestFile& file : files) manifests.push_back(load(file, walkedAt, held));
  forgetUnmet();
  return manifests;
}

std::shared_ptr<const api::Manifest> ManifestCache::load(const ManifestFile& file,
                                                         std::chrono::system_clock::time_point walkedAt,
                                                         const Held& held) {
  const auto known = entries_.find(file.path.native());
  if (known != entries_.end() && known->second.trusted && known->second.stamp == file.stamp &&
      known->second.root.native() == file.root.native() &&
      (known->second.manifest->declares() || known->second.held == held(file.path))) {
    known->second.round = round_;
    return known->second.manifest;
  }
  const bool isHeld = held(file.path);
  auto manifest = std::make_shared<const api::Manifest>(
      api::readManifest(file.root, file.path, *settling_, isHeld, documents_.get()));
  std::error_code ignored;
  if (!manifest->parsed && fs::symlink_status(file.path, ignored).type() == fs::file_type::not_found)
    return nullptr;
  const file::FileTime settledBefore = file::toFileTime(walkedAt - coarsestTick);
  const bool trusted = !manifest->lookAgainIn && file.stamp.modified < settledBefore;
  entries_.insert_or_assign(file.path.native(),
                            Entry{file.root, file.stamp, isHeld, trusted, manifest, round_});
  return manifest;
}

void ManifestCache::forgetUnmet() {
  std::erase_if(entries_, [&](const auto& item) { return item.second.round != round_; });
  documents_->keepOnly([&](const fs::path& file) { return entries_.contains(file.native()); });
}

}  // namespace rookery::source
