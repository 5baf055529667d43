#pragma once

#include <filesystem>

/// What is looked at below a root, as far as names say.
namespace rookery::source {

/// Whether a file of that name can be a manifest.
bool isManifestName(const std::filesystem::path& path);

/// Whether a file or folder of that name is passed over: it begins with a dot.
bool isHidden(const std::filesystem::path& path);

/// Whether `folder` is `root` or lies below it, with no hidden folder on the way: then what it declares is
/// found under the root. Paths as they are written: symbolic links are the caller's concern.
bool leadsTo(const std::filesystem::path& root, const std::filesystem::path& folder);

}  // namespace rookery::source
