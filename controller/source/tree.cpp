#include "source/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "source/git.h"
#include "source/watcher.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

using FileId = std::pair<dev_t, ino_t>;

std::chrono::nanoseconds toNanoseconds(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

bool isManifestName(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool isGone(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() == fs::file_type::not_found;
}

/// One walk through one root.
class Walk {
 public:
  Walk(const fs::path& root, Watcher* watcher, Tree& tree, std::map<FileId, std::size_t>& known)
      : watcher_(watcher), tree_(tree), known_(known) {
    root_.path = root;
    root_.complete = true;
  }

  Root run() && {
    const fs::path& path = root_.path;
    if (watcher_ != nullptr) watcher_->follow(path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      complain(path, errno);
    } else if (S_ISDIR(status.st_mode)) {
      checkEnclosingGit(path);
      enterFolder(path, status);
    } else {
      const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
      if (watcher_ != nullptr) watcher_->watchFolder(folder);
      checkEnclosingGit(folder);
      addFile(path, status);
    }
    return std::move(root_);
  }

 private:
  void complain(const fs::path& path, int error) {
    const std::string cause = std::generic_category().message(error);
    complain(path, fmt::format("It cannot be read ({}); what it declared stays as it was.", cause));
  }

  /// What could be a manifest is unreadable for itself; what could be a folder hides an unknown number of
  /// them.
  void complain(const fs::path& path, std::string message) {
    const bool manifest = path != root_.path && isManifestName(path);
    if (manifest) tree_.unreadable.insert(path);
    if (!manifest) root_.complete = false;
    tree_.problems.push_back({.reason = Reason::SourceUnreadable,
                              .origin = {.root = root_.path, .file = path, .line = 0, .column = 0},
                              .object = std::nullopt,
                              .field = {},
                              .message = std::move(message)});
  }

  void enterFolder(const fs::path& folder, const struct stat& status) {
    if (!entered_.emplace(status.st_dev, status.st_ino).second) return;
    if (watcher_ != nullptr) watcher_->watchFolder(folder);
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator();
         at.increment(error)) {
      entries.push_back(*at);
    }
    if (error && !(folder != root_.path && isGone(folder))) complain(folder, error.value());
    std::ranges::sort(entries);
    for (const fs::directory_entry& entry : entries) visit(entry);
  }

  void visit(const fs::directory_entry& entry) {
    const fs::path& path = entry.path();
    if (path.filename() == ".git") checkGit(path);
    if (path.filename().string().starts_with('.')) return;
    std::error_code ignored;
    if (watcher_ != nullptr && entry.is_symlink(ignored)) watcher_->follow(path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      const int error = errno;
      if (!isGone(path)) complain(path, error);
    } else if (S_ISDIR(status.st_mode)) {
      enterFolder(path, status);
    } else if (isManifestName(path)) {
      addFile(path, status);
    }
  }

  void addFile(const fs::path& path, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
      complain(path, "It is not a regular file; replace it by one or give it another name.");
      return;
    }
    const auto [known, isNew] = known_.emplace(FileId{status.st_dev, status.st_ino}, tree_.files.size());
    if (isNew) {
      tree_.files.push_back({.root = root_.path, .path = path, .aliases = {}, .stamp = Stamp(status)});
    } else {
      tree_.files[known->second].aliases.push_back(path);
    }
  }

  void checkEnclosingGit(const fs::path& folder) {
    if (const std::optional<fs::path> git = enclosingGit(folder)) checkGit(*git);
  }

  void checkGit(const fs::path& entry) {
    const std::optional<fs::path> folder = gitFolder(entry);
    if (!folder) return;
    if (watcher_ != nullptr) watcher_->watchEntry(*folder, "index.lock");
    if (!isGone(*folder / "index.lock")) root_.gitLocked = true;
  }

  Root root_;
  Watcher* watcher_;
  Tree& tree_;
  std::map<FileId, std::size_t>& known_;  // index in Tree::files
  std::set<FileId> entered_;
};

}  // namespace

Stamp::Stamp(const struct stat& status)
    : device(status.st_dev),
      inode(status.st_ino),
      size(static_cast<std::uint64_t>(status.st_size)),
      modified(toNanoseconds(status.st_mtim)),
      changed(toNanoseconds(status.st_ctim)) {}

Tree walk(const std::vector<fs::path>& roots, Watcher* watcher) {
  Tree tree;
  std::map<FileId, std::size_t> known;
  for (const fs::path& root : roots) tree.roots.push_back(Walk(root, watcher, tree, known).run());
  return tree;
}

}  // namespace rookery::source
