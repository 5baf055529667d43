#pragma once

#include <filesystem>

namespace rookery::api {

/// Whether `path` is `folder` or lies below it, as they are written: symbolic links are the caller's concern.
bool liesBelow(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace rookery::api
