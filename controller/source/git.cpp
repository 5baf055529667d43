#include "source/git.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "api/path.h"
#include "file/stamp.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

/// Whether a process may be a git that works on that tree: by its name (proc_pid_comm(5)), and by its working
/// directory, which git makes that of the tree; where that cannot be told, it may be.
bool worksOn(const fs::path& process, const fs::path& tree) {
  std::string name;
  std::ifstream(process / "comm") >> name;
  if (!name.starts_with("git")) return false;
  std::error_code error;
  const fs::path at = fs::read_symlink(process / "cwd", error);
  return error || api::liesBelow(at, tree);
}

bool gitWorksOn(const fs::path& tree, const fs::path& processes) {
  std::error_code error;
  const fs::path real = fs::canonical(tree, error);
  for (fs::directory_iterator at(processes, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }) && worksOn(at->path(), real))
      return true;
  }
  return false;
}

}  // namespace

std::optional<fs::path> gitFolder(const fs::path& entry) {
  std::error_code error;
  const fs::file_type type = fs::status(entry, error).type();
  if (type == fs::file_type::directory) return entry;
  if (type != fs::file_type::regular) return std::nullopt;
  constexpr std::string_view label = "gitdir: ";
  std::string line;
  std::ifstream file(entry);
  if (!std::getline(file, line) || !line.starts_with(label)) return std::nullopt;
  return entry.parent_path() / line.substr(label.size());
}

std::optional<fs::path> enclosingGit(const fs::path& folder) {
  std::error_code error;
  for (fs::path at = fs::canonical(folder, error); !at.empty(); at = at.parent_path()) {
    if (fs::exists(at / ".git", error)) return at / ".git";
    if (at == at.root_path()) break;
  }
  return std::nullopt;
}

std::optional<GitLock> findGitLock(const fs::path& entry, const fs::path& folder,
                                   std::chrono::system_clock::time_point now, const fs::path& processes) {
  GitLock lock{.path = folder / "index.lock", .since = now};
  struct stat status{};
  if (::lstat(lock.path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return lock;  // one may be there
  }
  lock.since = file::toSystemTime(file::stampOf(status).modified);
  lock.stale = lock.since < now - staleLock && !gitWorksOn(entry.parent_path(), processes);
  return lock;
}

}  // namespace rookery::source
