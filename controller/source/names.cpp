#include "source/names.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "api/path.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

/// As path::filename(), of which nothing is copied.
std::string_view lastNameOf(const fs::path& path) {
  const std::string_view text = path.native();
  return text.substr(text.rfind('/') + 1);
}

}  // namespace

bool isManifestName(const fs::path& path) {
  const std::string_view name = lastNameOf(path);
  const std::size_t dot = name.rfind('.');
  if (dot == 0 || dot == std::string_view::npos) return false;
  const std::string_view extension = name.substr(dot);
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool isHidden(const fs::path& path) { return lastNameOf(path).starts_with('.'); }

bool leadsTo(const fs::path& root, const fs::path& folder) {
  if (!api::liesBelow(folder, root)) return false;
  const fs::path below = folder.lexically_relative(root);
  return below == "." || std::ranges::none_of(below, isHidden);
}

}  // namespace rookery::source
