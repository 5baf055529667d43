#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
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

  explicit Watcher(AddWatch addWatch);
  Watcher();
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Starts a round. After an overflow all watches are made anew.
  void begin();
  /// Every change in `folder` counts.
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
  /// Takes all waiting events; true when one of them counts.
  bool drain();

 private:
  struct Interest {
    bool everything = false;
    std::set<std::string> names;
  };

  void open();
  void close();
  Interest* watch(const std::filesystem::path& folder);
  void noteLimit(const std::filesystem::path& folder, int error);
  bool concerns(int watch, std::uint32_t mask, const std::string& name);

  AddWatch addWatch_;
  int descriptor_ = -1;
  bool overflowed_ = false;
  std::map<int, Interest> interests_;             // by watch descriptor
  std::set<int> previous_;                        // watch descriptors of the round before
  std::map<std::filesystem::path, int> watched_;  // in this round
  std::optional<api::Problem> problem_;
};

}  // namespace rookery::source
