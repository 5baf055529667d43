#include "source/names.h"

#include <algorithm>

#include "api/path.h"

namespace rookery::source {

namespace fs = std::filesystem;

bool isManifestName(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool isHidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool leadsTo(const fs::path& root, const fs::path& folder) {
  if (!api::liesBelow(folder, root)) return false;
  const fs::path below = folder.lexically_relative(root);
  return below == "." || std::ranges::none_of(below, isHidden);
}

}  // namespace rookery::source
