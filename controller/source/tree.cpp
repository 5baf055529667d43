#include "source/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "api/status.h"
#include "source/git.h"
#include "source/ignore.h"
#include "source/names.h"
#include "source/watcher.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

using FileId = std::pair<dev_t, ino_t>;

/// What mkfs makes, for its own use.
constexpr std::string_view lostAndFound = "lost+found";

bool isGone(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() == fs::file_type::not_found;
}

/// When something of that name was last changed; the latest time there is where that cannot be known.
SystemTime changedAt(const fs::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? file::toSystemTime(file::stampOf(status).changed)
                                             : SystemTime::max();
}

/// The rules of the folders on the way to where a walk is.
class IgnoreStack {
 public:
  void push(const fs::path& folder, IgnoreRules rules) { levels_.push_back({folder, std::move(rules)}); }
  void pop() { levels_.pop_back(); }

  /// The rule that has `path` ignored, as "FILE:LINE".
  std::optional<std::string> ruleFor(const fs::path& path, bool isFolder) const {
    for (const Level& level : std::views::reverse(levels_)) {
      const std::string& folder = level.folder.native();
      const std::size_t skipped = folder.size() + (folder.ends_with('/') ? 0 : 1);
      const auto verdict = level.rules.match(std::string_view(path.native()).substr(skipped), isFolder);
      if (!verdict) continue;
      if (!verdict->ignored) return std::nullopt;
      return fmt::format("{}:{}", (level.folder / ignoreFileName).string(), verdict->line);
    }
    return std::nullopt;
  }

 private:
  struct Level {
    fs::path folder;
    IgnoreRules rules;
  };
  std::vector<Level> levels_;
};

/// One walk through one root.
class Walk {
 public:
  Walk(const fs::path& root, Watcher* watcher, SystemTime now, Tree& tree,
       std::map<FileId, std::size_t>& known)
      : watcher_(watcher), now_(now), tree_(tree), known_(known) {
    root_.path = root;
    root_.complete = true;
  }

  Root run() && {
    const fs::path& path = root_.path;
    if (watcher_ != nullptr) watcher_->follow(path);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      complainOfRoot(causeOf(errno));
    } else if (S_ISDIR(status.st_mode)) {
      checkEnclosingGit(path);
      enterFolder(path, status);
    } else {
      root_.single = true;
      const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
      if (watcher_ != nullptr) watcher_->watchFolder(folder);
      checkEnclosingGit(folder);
      addFile(path, status);
    }
    if (!root_.revision && checkoutsBelow_ == 1) root_.revision = std::move(revisionBelow_);
    return std::move(root_);
  }

 private:
  static std::string causeOf(int error) {
    return fmt::format("It cannot be read ({}); what it declared stays as it was.",
                       std::generic_category().message(error));
  }

  void addProblem(const fs::path& path, std::string message, std::vector<api::Problem>& list) {
    list.push_back({.reason = Reason::SourceUnreadable,
                    .origin = {.root = root_.path, .file = path, .line = 0, .column = 0},
                    .object = std::nullopt,
                    .field = {},
                    .message = std::move(message)});
  }

  void complainOfRoot(const std::string& message) {
    root_.complete = false;
    root_.hidden =
        api::Silence{.path = root_.path, .cause = fmt::format("{}: {}", root_.path.string(), message)};
    addProblem(root_.path, message, tree_.problems);
  }

  /// Of what may be a folder, and hides an unknown number of manifests.
  void complainOfFolder(const fs::path& folder, const std::string& message) {
    if (folder == root_.path) return complainOfRoot(message);
    root_.obstacles.push_back(
        {.silence = {.path = folder, .cause = fmt::format("{}: {}", folder.string(), message)},
         .changed = changedAt(folder)});
    addProblem(folder, message, tree_.problems);
  }

  /// Of what is named as a manifest.
  void complainOfFile(const fs::path& file, const std::string& message) {
    if (file == root_.path) return complainOfRoot(message);
    const api::Silence silence{.path = file, .cause = fmt::format("{}: {}", file.string(), message)};
    tree_.unreadable.emplace(file, silence);
    root_.obstacles.push_back({.silence = silence, .changed = changedAt(file)});
    addProblem(file, message, tree_.problems);
  }

  /// Of a link that leads nowhere: what was below it may come back, and nothing else is there.
  void noteDangling(const fs::path& link) {
    const std::string cause =
        fmt::format("{} is a link that leads nowhere; make what it leads to, or remove it.", link.string());
    root_.obstacles.push_back(
        {.silence = {.path = link, .cause = cause}, .changed = changedAt(link), .unseen = false});
    tree_.passedOver.push_back({link, "it is a link that leads nowhere"});
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
    if (error) return missFolder(folder, error);
    // As by their paths, which differ in the last name only.
    std::ranges::sort(entries, {}, [](const fs::directory_entry& entry) -> const std::string& {
      return entry.path().native();
    });
    if (folder == root_.path)
      root_.bare = std::ranges::all_of(
          entries, [](const fs::directory_entry& entry) { return entry.path().filename() == lostAndFound; });
    const bool hasRules = std::ranges::any_of(
        entries, [](const fs::directory_entry& entry) { return entry.path().filename() == ignoreFileName; });
    if (hasRules && !readRules(folder)) return;
    for (const fs::directory_entry& entry : entries) visit(entry);
    if (hasRules) ignores_.pop();
  }

  void missFolder(const fs::path& folder, const std::error_code& error) {
    if (folder != root_.path && isGone(folder)) return;
    if (folder.filename() == lostAndFound) {
      tree_.passedOver.push_back({folder, "it is the file system's, and cannot be read"});
    } else {
      complainOfFolder(folder, causeOf(error.value()));
    }
  }

  /// False: they cannot be read. Without them, more would be declared here than is meant.
  bool readRules(const fs::path& folder) {
    const fs::path file = folder / ignoreFileName;
    auto rules = IgnoreRules::read(file);
    if (!rules) {
      if (isGone(file)) rules = IgnoreRules();
    }
    if (rules) {
      ignores_.push(folder, *std::move(rules));
      return true;
    }
    complainOfFolder(folder, fmt::format("Its {} says what is ignored in it, and cannot be used: {}. What "
                                         "it declared stays as it was.",
                                         ignoreFileName, rules.error().message));
    return false;
  }

  void visit(const fs::directory_entry& entry) {
    const fs::path& path = entry.path();
    // That of the root itself was met on the way up.
    if (path.filename() == ".git" && path.parent_path() != root_.path) {
      if (std::optional<Revision> revision = checkGit(path); revision && checkoutsBelow_++ == 0)
        revisionBelow_ = std::move(revision);
    }
    if (isHidden(path)) return;
    std::error_code unknown;
    const bool isLink = entry.is_symlink(unknown);
    if (watcher_ != nullptr && isLink) watcher_->follow(path);
    struct stat status{};
    const int error = ::stat(path.c_str(), &status) == 0 ? 0 : errno;
    const bool isFolder = error == 0 && S_ISDIR(status.st_mode);
    if (!isFolder && error == 0 && !isManifestName(path)) return;
    if (const auto rule = ignores_.ruleFor(path, isFolder)) {
      tree_.ignored.emplace(path, *rule);
      tree_.passedOver.push_back({path, fmt::format("it is ignored by {}", *rule)});
    } else if (error != 0) {
      missEntry(path, isLink, error);
    } else if (isFolder) {
      enterFolder(path, status);
    } else {
      addFile(path, status);
    }
  }

  void missEntry(const fs::path& path, bool isLink, int error) {
    if (isGone(path)) return;
    if (isManifestName(path)) return complainOfFile(path, causeOf(error));
    if (isLink && error == ENOENT) return noteDangling(path);
    complainOfFolder(path, causeOf(error));
  }

  void addFile(const fs::path& path, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) {
      complainOfFile(path, "It is not a regular file; replace it by one or give it another name.");
      return;
    }
    const auto [known, isNew] = known_.emplace(FileId{status.st_dev, status.st_ino}, tree_.files.size());
    if (isNew) {
      tree_.files.push_back(
          {.root = root_.path, .path = path, .aliases = {}, .stamp = file::stampOf(status)});
    } else {
      tree_.files[known->second].aliases.push_back(path);
    }
  }

  void checkEnclosingGit(const fs::path& folder) {
    if (const std::optional<fs::path> git = enclosingGit(folder)) root_.revision = checkGit(*git);
  }

  /// Heeds what git is doing there; the commit that is checked out.
  std::optional<Revision> checkGit(const fs::path& entry) {
    const std::optional<fs::path> folder = gitFolder(entry);
    if (!folder) return std::nullopt;
    if (watcher_ != nullptr) watcher_->watchEntry(*folder, "index.lock");
    const std::optional<GitLock> lock = findGitLock(entry, *folder, now_);
    if (lock) heed(*lock);
    Head head = readHead(*folder);
    if (watcher_ != nullptr) {
      for (const fs::path& file : head.files) watcher_->follow(file);
    }
    return std::move(head.revision);
  }

  /// A checkout takes seconds; one that takes longer is worth a word.
  void heed(const GitLock& lock) {
    constexpr std::chrono::minutes usual{1};
    const std::string since = api::toRfc3339(lock.since);
    if (lock.stale) {
      return addProblem(lock.path,
                        fmt::format("It stands there since {}, and no git is at work: it is taken for one "
                                    "that was left behind, and does not count. Remove it.",
                                    since),
                        tree_.warnings);
    }
    const bool isLong = lock.since < now_ - usual;
    if (isLong) {
      addProblem(lock.path,
                 fmt::format("It stands there since {}: while a checkout is under way, nothing that is "
                             "missing is destroyed. Remove it if no git is at work.",
                             since),
                 tree_.warnings);
    }
    root_.gitLocked = true;
    if (root_.lockedSince && *root_.lockedSince <= lock.since) return;
    root_.lockedSince = lock.since;
    if (!root_.complete) return;
    root_.hidden = api::Silence{
        .reason = Reason::SourceLocked,
        .path = lock.path,
        .cause = fmt::format("A checkout is under way, as {} stands there since {}. Remove that if no git "
                             "is at work.",
                             lock.path.string(), since),
        .passing = !isLong};
  }

  Root root_;
  Watcher* watcher_;
  const SystemTime now_;
  Tree& tree_;
  std::map<FileId, std::size_t>& known_;  // index in Tree::files
  std::set<FileId> entered_;
  IgnoreStack ignores_;
  std::size_t checkoutsBelow_ = 0;         // that have a commit
  std::optional<Revision> revisionBelow_;  // of the first of them
};

}  // namespace

Tree walk(const std::vector<fs::path>& roots, Watcher* watcher, SystemTime now) {
  Tree tree;
  std::map<FileId, std::size_t> known;
  for (const fs::path& root : roots) tree.roots.push_back(Walk(root, watcher, now, tree, known).run());
  return tree;
}

}  // namespace rookery::source
