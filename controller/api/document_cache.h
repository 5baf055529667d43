#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "api/manifest.h"
#include "yaml/yaml.h"

namespace rookery::api {

/// What files of many documents held when they were parsed last, document by document: one that stands in its
/// file as it stood before is not parsed again, and its object stays the same one. Takes the room of the
/// files' texts. Thread-safe.
class DocumentCache {
 public:
  DocumentCache();
  ~DocumentCache();
  DocumentCache(const DocumentCache&) = delete;
  DocumentCache& operator=(const DocumentCache&) = delete;

  /// Makes a manifest of documents that follow each other in a file.
  using Read = std::function<Manifest(std::vector<yaml::Document> documents)>;

  /// The manifest that `read` would make of all documents of a text of YAML, as the file holds it now.
  /// Nothing: the text has to be read as a whole, as it is a single document, or something is wrong with it.
  /// `namesGroup`: the documents are read as those of a text that names our API group.
  std::optional<Manifest> parse(std::string_view text, const Origin& file, bool namesGroup, const Read& read);

  /// Forgets the files of which `wanted` does not hold.
  void keepOnly(const std::function<bool(const std::filesystem::path& file)>& wanted);

 private:
  struct File;
  std::shared_ptr<const File> known(const Origin& file, bool namesGroup) const;

  mutable std::mutex mutex_;
  std::map<std::filesystem::path, std::shared_ptr<const File>> files_;
};

}  // namespace rookery::api
