#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <vector>

#include "api/manifest.h"
#include "source/source.h"
#include "source/tree.h"

namespace rookery::source {

/// What is known from before a scan.
struct Previous {
  const Snapshot* snapshot = nullptr;     // null: nothing
  std::set<api::ObjectKey> removed = {};  // what somebody has taken out of its file since
};

/// What a walk and the manifests that it met (null: vanished meanwhile), one for each of `tree.files`,
/// declare. Whatever the new state is silent about, because it is broken or could not be seen, stays as it
/// was before.
SnapshotPtr compose(Tree tree, const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                    const Previous& previous, std::chrono::system_clock::time_point scannedAt);

}  // namespace rookery::source
