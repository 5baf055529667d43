#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "file/settling.h"
#include "file/stamp.h"

namespace rookery::file {

/// The whole of a small file of credentials. `settling` tells whether it is still being written; null: it is
/// read for the first time, when no other content is in use (see read). `what` names it in the Errors:
/// BeingWritten; CredentialInvalid, which says why it cannot be read, or that it is larger than 1 MiB.
Result<std::string> readCredentialFile(const std::filesystem::path& file, std::string_view what,
                                       Settling* settling);

/// Files that are read again when they change, through symbolic links (as Kubernetes mounts Secrets). They
/// are looked at once a second at most. Begins with what there is when it is made, which is to be read after
/// that: what changes meanwhile is read again.
class WatchedFiles {
 public:
  using Clock = std::chrono::steady_clock;

  WatchedFiles(std::vector<std::filesystem::path> files, Clock::time_point now)
      : files_(std::move(files)), checked_(now), seen_(look()), inForce_(seen_) {}

  /// Whether they are to be read: they are not as they were when they were of use last.
  bool due(Clock::time_point now);
  /// What was read since is of use.
  void settled();
  /// What was read since is of no use, and is tried again. Whether that is to be told: of each change once,
  /// and once that somebody is writing, however often that changes them.
  bool isNews(const Error& error);

  Settling& settling() { return settling_; }

 private:
  using Stamps = std::vector<std::optional<Stamp>>;
  Stamps look() const;

  std::vector<std::filesystem::path> files_;
  Clock::time_point checked_;
  Stamps seen_, inForce_, told_;
  bool writing_ = false;
  Settling settling_;
};

}  // namespace rookery::file
