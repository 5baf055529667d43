#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/object.h"

namespace rookery::source {

/// The kernel's watches (inotify) on folders, never on files. A scan renews them: between begin() and end()
/// it names every folder that matters before it looks into it, so that what changes after the look is an
/// event. One thread at a time.
class Watcher {
 public:
  /// inotify_add_watch(2), or a test's stand-in.
  using AddWatch = int (*)(int descriptor, const char* path, std::uint32_t mask);

  /// `scan`: what is left when the kernel cannot watch, as messages name it.
  explicit Watcher(AddWatch addWatch, std::string scan = "the periodic scan");
  explicit Watcher(std::string scan = "the periodic scan");
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Starts a round. After an overflow all watches are made anew.
  void begin();
  /// Changes count in `folder` of what can be a manifest, rules of what to ignore, a folder, a link, or the
  /// .git of a work tree. A file counts when it is complete: closed after somebody wrote to it, or renamed.
  void watchFolder(const std::filesystem::path& folder);
  /// Changes of the entry `name` in `folder` count, be it there now or not.
  void watchEntry(const std::filesystem::path& folder, const std::string& name);
  /// Changes of what `path` leads to count: of each name on the way, through symbolic links, as far as it
  /// exists.
  void follow(const std::filesystem::path& path);
  /// Ends the round: folders that were not named in it are no longer watched.
  void end();

  /// What the kernel would not watch in this round for want of watches, and what to raise. At most one.
  const std::optional<api::Problem>& problem() const { return problem_; }

  /// Readable when there are events; changes with begin(). -1 when the kernel gives no inotify instance.
  int descriptor() const { return descriptor_; }
  /// What an event was about; the greater says more.
  enum class News {
    None,      // nothing that counts
    Possible,  // something in a folder that is watched: a look at it may find nothing new
    Certain,   // an entry that was asked for, or it is not known what
  };
  /// Takes all waiting events; what the greatest of them says.
  News drain();
  /// Files of which the events that were drained say that a writer closed them, or that they were renamed to
  /// this name; once.
  std::set<std::filesystem::path> takeClosed() { return std::exchange(closed_, {}); }
  /// Whether they say that anything else has happened than that such files have the names of manifests; once.
  bool takeOther() { return std::exchange(other_, false); }

 private:
  struct Interest {
    std::filesystem::path folder;
    bool manifests = false;
    std::set<std::string> names;
  };

  void open();
  void close();
  Interest* watch(const std::filesystem::path& folder);
  void noteLimit(const std::filesystem::path& folder, int error);
  News newsIn(int watch, std::uint32_t mask, const std::string& name);

  AddWatch addWatch_;
  std::string scan_;
  int descriptor_ = -1;
  bool overflowed_ = false;
  std::map<int, Interest> interests_;             // by watch descriptor
  std::set<int> previous_;                        // watch descriptors of the round before
  std::map<std::filesystem::path, int> watched_;  // in this round
  std::optional<api::Problem> problem_;
  std::set<std::filesystem::path> closed_;
  bool other_ = false;
};

}  // namespace rookery::source
