#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "api/manifest.h"
#include "source/source.h"
#include "source/tree.h"

namespace rookery::source {

/// What a walk and the manifests that it met (null: vanished meanwhile), one for each of `tree.files`,
/// declare. Whatever the new state is silent about, because it is broken or could not be seen, stays as it
/// was in `previous` (null: nothing is known).
SnapshotPtr compose(Tree tree, const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                    const Snapshot* previous, std::chrono::system_clock::time_point scannedAt);

}  // namespace rookery::source
