#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "error.h"

namespace rookery::cli {

/// What `run` says of itself, in its state directory, to those who find that taken.
struct RunningController {
  pid_t pid = 0;
  std::string url;                               // where it answers, from this machine
  std::vector<std::filesystem::path> manifests;  // the roots that it follows, absolute
  bool prunes = true;                            // destroys what is not declared there any more

  /// Whether all of `paths`, which are absolute, are among what it follows.
  bool follows(const std::vector<std::filesystem::path>& paths) const;
};

/// Errors: StateUnwritable.
Result<void> announce(const std::filesystem::path& stateDir, const RunningController& controller);
/// It is about to end.
void withdraw(const std::filesystem::path& stateDir);
/// The one that has the state directory now; nothing where none has it, or it says nothing of itself.
std::optional<RunningController> findRunning(const std::filesystem::path& stateDir);

}  // namespace rookery::cli
