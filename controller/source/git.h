#pragma once

#include <filesystem>
#include <optional>

namespace rookery::source {

/// The folder that holds the index of a work tree: `entry` itself, which is the tree's `.git`, or, where that
/// is a file (a linked work tree, a submodule), the folder that its `gitdir:` line names
/// (gitrepository-layout(5)). Empty when it is neither.
std::optional<std::filesystem::path> gitFolder(const std::filesystem::path& entry);

/// The `.git` of the work tree that `folder` lies in: its own or the nearest above it.
std::optional<std::filesystem::path> enclosingGit(const std::filesystem::path& folder);

}  // namespace rookery::source
