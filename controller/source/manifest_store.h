#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "api/document_cache.h"
#include "api/object.h"
#include "error.h"

namespace rookery::source {

/// A folder of manifests that a program writes and people may edit. It is read as any other manifest root is
/// (DirectorySource); what stands in the files is all that there is. Every file changes as a whole, so that
/// who reads at the same time finds the old content or the new. The caller lets one at a time write.
///
/// Objects that have a file keep it, with its comments and all that a change does not concern (yaml_edit.h).
/// New ones get a file of their own directly in the folder, so that relative paths in it are relative to the
/// folder: unikernel.shop.web.yaml, or albatrossinstance.eu-1.yaml for what has no namespace. Secrets are
/// readable for the owner of the file alone.
///
/// Errors, after which nothing has changed: Conflict (a file is not what the caller has seen of it),
/// InvalidManifest (what is to be written is not what the source would take, or the file does not parse),
/// OutsideStore, SourceUnreadable, StoreUnwritable (a full disk, for one; put() leaves a reserve on it free,
/// see disk.h). Never throws.
class ManifestStore {
 public:
  /// Makes the folder, for its owner alone, if it is missing, and removes what a killed process left half
  /// written in it. `documents` may be shared with who reads the files. Error: StoreUnwritable.
  static Result<ManifestStore> open(
      const std::filesystem::path& folder,
      std::shared_ptr<api::DocumentCache> documents = std::make_shared<api::DocumentCache>());

  const std::filesystem::path& folder() const { return folder_; }

  /// Whether the file of an object lies in the folder, symbolic links resolved: put() and erase() may change
  /// it.
  bool holds(const api::Origin& origin) const;

  /// Writes an object, which the caller has validated: a new one (`existing` is null), or another version of
  /// `existing`, which must be what its file says now. Status and what a server sets in the metadata are left
  /// out; so are members that equal their default, unless the file has them. Returns the file.
  Result<std::filesystem::path> put(const nlohmann::json& manifest, const api::Object* existing);

  /// Removes the document of an object that its file must still declare in this way, and the file when
  /// nothing but comments remains.
  Result<void> erase(const api::Object& existing);

 private:
  struct Located;
  ManifestStore(std::filesystem::path folder, std::shared_ptr<api::DocumentCache> documents);
  Result<Located> locate(const api::Object& object) const;
  static Result<void> replace(const Located& located, std::string_view text);
  Result<void> checkTakes(std::string_view text, const api::Origin& origin, const api::ObjectKey& key) const;
  Result<std::filesystem::path> create(const api::ObjectKey& key, const nlohmann::json& manifest);
  Result<std::filesystem::path> update(const api::Object& existing, nlohmann::json manifest);

  std::filesystem::path folder_;
  std::shared_ptr<api::DocumentCache> documents_;
};

}  // namespace rookery::source
