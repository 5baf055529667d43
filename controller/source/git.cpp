#include "source/git.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "api/path.h"
#include "file/content.h"
#include "file/stamp.h"
#include "text.h"

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

constexpr std::string_view symbolic = "ref: ", refs = "refs/", heads = "refs/heads/";
constexpr std::size_t longestRef = 1 << 10;
constexpr std::size_t mostPackedRefs = std::size_t{16} << 20;
constexpr int mostSymbolicRefs = 5;  // as git follows them
constexpr std::size_t longestBranch = 255;

/// SHA-1 or SHA-256, as git writes them.
bool isDigest(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// As git-check-ref-format(1) has it: a path that stays below the folder that it is looked for in.
bool isRefName(std::string_view name) {
  const auto isOdd = [](unsigned char c) {
    return c <= ' ' || c == 0x7f || std::string_view("~^:?*[\\").contains(static_cast<char>(c));
  };
  return name.starts_with(refs) && name.size() <= longestRef && !name.ends_with('/') &&
         !name.contains("//") && !name.contains("/.") && !name.contains("..") && !name.contains("@{") &&
         std::ranges::none_of(name, isOdd);
}

/// What a file of one line says. A symbolic link of former days names a ref; another is not followed.
std::string lineIn(const fs::path& file) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(file, error).type();
  if (type == fs::file_type::symlink) {
    const std::string target = fs::read_symlink(file, error).string();
    return target.starts_with(refs) ? std::string(symbolic) + target : "";
  }
  if (type != fs::file_type::regular) return {};
  const auto content = file::read(file, symbolic.size() + longestRef + 1);
  return content ? std::string(trimmed(content->bytes)) : "";
}

/// The folder of the refs that all work trees of a repository share.
fs::path commonFolder(const fs::path& folder) {
  const std::string line = lineIn(folder / "commondir");
  return line.empty() || findInvalidByte(line) ? folder : (folder / line).lexically_normal();
}

/// Of a ref that packed-refs has; empty: it does not.
std::string packedDigest(const fs::path& packedRefs, const std::string& ref) {
  std::error_code error;
  if (fs::symlink_status(packedRefs, error).type() != fs::file_type::regular) return {};
  const auto content = file::read(packedRefs, mostPackedRefs);
  if (!content) return {};
  const std::string_view text = content->bytes;
  const std::string needle = fmt::format(" {}\n", ref);
  for (std::size_t at = text.find(needle); at != std::string_view::npos; at = text.find(needle, at + 1)) {
    const std::size_t before = text.rfind('\n', at);
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    const std::string_view digest = text.substr(start, at - start);
    if (isDigest(digest)) return std::string(digest);
  }
  return {};
}

std::string branchOf(std::string_view ref) {
  ref.remove_prefix(ref.starts_with(heads) ? heads.size() : refs.size());
  return visible(ref, longestBranch);
}

}  // namespace

std::string Revision::toString() const {
  return fmt::format("{}{}{}:{}", branch, branch.empty() ? "" : "@", commit.size() == 40 ? "sha1" : "sha256",
                     commit);
}

Head readHead(const fs::path& folder) {
  const fs::path common = commonFolder(folder);
  Head head{.revision = std::nullopt, .files = {folder / "HEAD", common / "packed-refs"}};
  std::string line = lineIn(folder / "HEAD"), ref;
  for (int followed = 0; line.starts_with(symbolic) && followed < mostSymbolicRefs; ++followed) {
    ref = line.substr(symbolic.size());
    if (!isRefName(ref)) return head;
    head.files.push_back(common / ref);
    line = lineIn(head.files.back());
    if (line.empty()) line = packedDigest(common / "packed-refs", ref);
  }
  if (!isDigest(line)) return head;
  head.revision = Revision{.branch = ref.empty() ? "" : branchOf(ref), .commit = std::move(line)};
  return head;
}

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
