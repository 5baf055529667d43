#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

#include "source/revision.h"

namespace rookery::source {

/// The folder that holds the index of a work tree: `entry` itself, which is the tree's `.git`, or, where that
/// is a file (a linked work tree, a submodule), the folder that its `gitdir:` line names
/// (gitrepository-layout(5)). Empty when it is neither.
std::optional<std::filesystem::path> gitFolder(const std::filesystem::path& entry);

/// The `.git` of the work tree that `folder` lies in: its own or the nearest above it.
std::optional<std::filesystem::path> enclosingGit(const std::filesystem::path& folder);

/// An index.lock: somebody is in the middle of a checkout, or died in it.
struct GitLock {
  std::filesystem::path path;
  std::chrono::system_clock::time_point since;  // its mtime
  bool stale = false;                           // older than staleLock, and no git is about
  friend bool operator==(const GitLock&, const GitLock&) = default;
};

/// How old a lock must be to be taken for one that a git which is gone has left.
inline constexpr std::chrono::minutes staleLock{10};

/// The lock in the folder of an index, if there is one. `entry` is the work tree's `.git`; `processes` is
/// where the kernel lists the processes (proc(5)), which are looked at for an old lock only.
std::optional<GitLock> findGitLock(const std::filesystem::path& entry, const std::filesystem::path& folder,
                                   std::chrono::system_clock::time_point now,
                                   const std::filesystem::path& processes = "/proc");

/// Which commit is checked out, and where that is written.
struct Head {
  std::optional<Revision> revision;          // nothing: no commit yet, or it cannot be told
  std::vector<std::filesystem::path> files;  // a change of one of these may change it; they need not exist
};

/// Reads, without running git, what the HEAD in `folder` (gitFolder()) leads to: through symbolic refs and,
/// of a linked work tree, in the repository that its `commondir` names; loose or packed. Whatever the files
/// hold, no more than a few of them are looked at, each up to a bound, none of which is a FIFO or a device;
/// nothing is told of them but a name of a branch and what is a digest of its form.
Head readHead(const std::filesystem::path& folder);

}  // namespace rookery::source
