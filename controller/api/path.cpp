#include "api/path.h"

#include <algorithm>
#include <cstddef>

namespace rookery::api {

/// What path::lexically_relative() begins with, without making it.
bool liesBelow(const std::filesystem::path& path, const std::filesystem::path& folder) {
  if (path.is_absolute() != folder.is_absolute()) return false;
  auto [ahead, above] = std::mismatch(path.begin(), path.end(), folder.begin(), folder.end());
  std::ptrdiff_t up = 0;
  for (; above != folder.end(); ++above) {
    if (*above == "..") {
      --up;
    } else if (!above->empty() && *above != ".") {
      ++up;
    }
  }
  return up == 0 && (ahead == path.end() || *ahead != "..");
}

}  // namespace rookery::api
