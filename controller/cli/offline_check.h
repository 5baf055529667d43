#pragma once

#include <chrono>
#include <filesystem>
#include <vector>

#include "api/object.h"
#include "image/image.h"
#include "image/inspector.h"
#include "source/source.h"

namespace rookery::cli {

/// What is wrong with manifests and with the files that they name.
struct Findings {
  std::vector<api::Problem> errors;
  std::vector<api::Problem> warnings;
};

/// Everything that can be known to be wrong without a server, as the controller would find it: the scan's own
/// problems, references, what arguments hardly mean (a warning), images (below the manifest roots or
/// `imageRoots`), credentials (valid at `now`), the mode of private keys. In the order of their places.
Findings checkOffline(const source::Snapshot& snapshot, image::Inspector& inspector,
                      const std::vector<std::filesystem::path>& imageRoots,
                      std::chrono::system_clock::time_point now);

/// Puts the warnings among the errors.
void makeErrors(Findings& findings);

}  // namespace rookery::cli
