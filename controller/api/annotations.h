#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

/// What people write on objects to tell the controller, beside their spec.
namespace rookery::api {

/// On a Unikernel, "true": when it is deleted, let it go, whatever still runs. On an AlbatrossInstance the
/// same of all that runs there.
inline constexpr std::string_view releaseAnnotation = "rookery.dev/release";

/// On an AlbatrossInstance: the IDs of sets of its unikernels that may be destroyed, apart by commas or
/// blanks.
inline constexpr std::string_view confirmPruneAnnotation = "rookery.dev/confirm-prune";

/// On a Unikernel: another value than before restarts it, as it is declared; `rookery restart` writes the
/// time. What begins a new life anyway is as good.
inline constexpr std::string_view restartedAtAnnotation = "rookery.dev/restartedAt";

/// On any object: another value than before has it looked at at once, and what waits for another attempt is
/// tried now.
inline constexpr std::string_view reconcileAnnotation = "rookery.dev/reconcile";

/// On a Unikernel, or an AlbatrossInstance for all that runs there: a time (RFC 3339) until which what runs
/// may be stopped outside of maintenance windows.
inline constexpr std::string_view overrideWindowAnnotation = "rookery.dev/override-window";

/// On a Unikernel, "true": nothing more of it is stopped to change it, until this is taken away.
inline constexpr std::string_view rolloutPauseAnnotation = "rookery.dev/rollout-pause";

/// On a Unikernel: the revision (status.rollout.revision) whose roll-out does not wait any more
/// (update.pauseAfter). It says nothing of another revision.
inline constexpr std::string_view rolloutResumeAnnotation = "rookery.dev/rollout-resume";

/// More of a value than this tells no two of them apart.
inline constexpr std::size_t longestRequest = 128;

/// The value of one of these two, as far as it counts; empty: there is none.
inline std::string requestOf(const std::map<std::string, std::string>& annotations, std::string_view name) {
  const auto found = annotations.find(std::string(name));
  if (found == annotations.end()) return {};
  const std::string& value = found->second;
  std::size_t end = value.size() > longestRequest ? longestRequest : value.size();
  while (end < value.size() && end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0U) == 0x80U)
    --end;  // not through a character
  return value.substr(0, end);
}

/// Whether somebody wants nothing that runs to be stopped to change it.
inline bool isPaused(const std::map<std::string, std::string>& annotations) {
  const auto pause = annotations.find(std::string(rolloutPauseAnnotation));
  return pause != annotations.end() && pause->second == "true";
}

/// Whether somebody does not want to wait for what is left of a deleted object.
inline bool isReleased(const std::map<std::string, std::string>& annotations) {
  const auto release = annotations.find(std::string(releaseAnnotation));
  return release != annotations.end() && release->second == "true";
}

}  // namespace rookery::api
