#pragma once

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

/// Whether somebody does not want to wait for what is left of a deleted object.
inline bool isReleased(const std::map<std::string, std::string>& annotations) {
  const auto release = annotations.find(std::string(releaseAnnotation));
  return release != annotations.end() && release->second == "true";
}

}  // namespace rookery::api
