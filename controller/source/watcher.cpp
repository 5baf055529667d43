#include "source/watcher.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <deque>
#include <system_error>
#include <utility>

#include "source/ignore.h"
#include "source/names.h"

namespace rookery::source {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t selfGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
// Not IN_MODIFY: who writes has not finished.
constexpr std::uint32_t watchedEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE |
                                        IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int maxLinks = 40;  // as the kernel: path_resolution(7)

/// Whether what happened to that entry of a folder can change what the folder declares. A link can lead to a
/// folder; those that were there are watched by name.
bool canMatter(const fs::path& folder, const std::string& name, std::uint32_t mask) {
  if (name == ignoreFileName || name == ".git") return true;
  if (isHidden(name)) return false;
  if ((mask & IN_ISDIR) != 0 || isManifestName(name)) return true;
  std::error_code unknown;
  const bool appeared = (mask & (IN_CREATE | IN_MOVED_TO)) != 0;
  return appeared && fs::symlink_status(folder / name, unknown).type() == fs::file_type::symlink;
}

}  // namespace

Watcher::Watcher(AddWatch addWatch, std::string scan) : addWatch_(addWatch), scan_(std::move(scan)) {}
Watcher::Watcher(std::string scan) : Watcher(::inotify_add_watch, std::move(scan)) {}
Watcher::~Watcher() { close(); }

void Watcher::open() {
  descriptor_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  overflowed_ = false;
}

void Watcher::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  interests_.clear();
}

void Watcher::begin() {
  problem_.reset();
  watched_.clear();
  if (overflowed_) close();
  if (descriptor_ < 0) open();
  previous_.clear();
  for (const auto& [watch, interest] : interests_) previous_.insert(watch);
  interests_.clear();
}

void Watcher::end() {
  for (const int watch : previous_) {
    if (!interests_.contains(watch)) ::inotify_rm_watch(descriptor_, watch);
  }
  previous_.clear();
  watched_.clear();
}

void Watcher::noteLimit(const fs::path& folder, int error) {
  if (problem_) return;
  std::string remedy;
  if (descriptor_ < 0) {
    remedy =
        "raise fs.inotify.max_user_instances, for example with `sysctl fs.inotify.max_user_instances=1024`";
  } else if (error == ENOSPC) {
    remedy =
        "raise fs.inotify.max_user_watches, for example with `sysctl fs.inotify.max_user_watches=524288`";
  } else {
    remedy = "give the machine more memory";
  }
  problem_ =
      api::Problem{.reason = Reason::SystemError,
                   .origin = {.root = folder, .file = folder, .line = 0, .column = 0},
                   .object = std::nullopt,
                   .field = {},
                   .message = fmt::format("The kernel cannot watch this folder ({}): changes in it and in "
                                          "others are only seen by {}; {}.",
                                          std::generic_category().message(error), scan_, remedy)};
}

Watcher::Interest* Watcher::watch(const fs::path& folder) {
  if (const auto known = watched_.find(folder); known != watched_.end()) return &interests_[known->second];
  // The errno of inotify_init1 for want of instances: EMFILE.
  errno = EMFILE;
  const int watch = descriptor_ < 0 ? -1 : addWatch_(descriptor_, folder.c_str(), watchedEvents);
  if (watch < 0) {
    // That a folder is not there or not readable is for the scan to say.
    const bool limited = errno == ENOSPC || errno == ENOMEM || errno == EMFILE;
    if (limited) noteLimit(folder, errno);
    return nullptr;
  }
  watched_.emplace(folder, watch);
  Interest& interest = interests_[watch];
  interest.folder = folder;
  return &interest;
}

void Watcher::watchFolder(const fs::path& folder) {
  if (Interest* interest = watch(folder)) interest->manifests = true;
}

void Watcher::watchEntry(const fs::path& folder, const std::string& name) {
  if (Interest* interest = watch(folder)) interest->names.insert(name);
}

void Watcher::follow(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  std::deque<fs::path> ahead(absolute.begin(), absolute.end());
  fs::path reached;
  for (int links = 0; !ahead.empty();) {
    const fs::path name = std::move(ahead.front());
    ahead.pop_front();
    if (name.empty() || name == ".") continue;
    if (name.is_absolute()) {
      reached = name;
      continue;
    }
    if (name == "..") {
      reached = reached.parent_path();
      continue;
    }
    watchEntry(reached, name.string());
    const fs::file_type type = fs::symlink_status(reached / name, error).type();
    if (type == fs::file_type::symlink) {
      const fs::path target = fs::read_symlink(reached / name, error);
      if (error || ++links > maxLinks) return;
      ahead.insert(ahead.begin(), target.begin(), target.end());
    } else if (type == fs::file_type::directory) {
      reached /= name;
    } else {
      return;
    }
  }
}

Watcher::News Watcher::newsIn(int watch, std::uint32_t mask, const std::string& name) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    overflowed_ = other_ = true;
    return News::Certain;
  }
  const auto found = interests_.find(watch);
  if (found == interests_.end()) return News::None;
  if ((mask & (IN_IGNORED | selfGone)) != 0) {
    if ((mask & IN_IGNORED) != 0) interests_.erase(found);
    other_ = true;
    return News::Certain;
  }
  const Interest& interest = found->second;
  const bool named = interest.names.contains(name);
  if (!named && !(interest.manifests && canMatter(interest.folder, name, mask))) return News::None;
  const bool isWhole = (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0;
  if (isWhole) closed_.insert(interest.folder / name);
  if (isWhole && !named && (mask & IN_ISDIR) == 0 && isManifestName(name)) return News::Possible;
  other_ = true;
  return named ? News::Certain : News::Possible;
}

Watcher::News Watcher::drain() {
  News news = News::None;
  alignas(inotify_event) std::array<char, 64 << 10> buffer;
  while (descriptor_ >= 0) {
    const ssize_t length = ::read(descriptor_, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      news = std::max(news, newsIn(event.wd, event.mask, std::string(name, ::strnlen(name, event.len))));
      at += sizeof event + event.len;
    }
  }
  return news;
}

}  // namespace rookery::source
