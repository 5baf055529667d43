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
std::shared_ptr<Snapshot> compose(const Tree& tree,
                                  const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                                  const Previous& previous, SystemTime scannedAt);

/// Marks the files that name objects which are not there, once all that can be named is in the snapshot: what
/// is missing from such a file can be the rest of a change that is not finished. `before`: of the same
/// source, marked, or null; what it was found to say is not looked for again.
void silenceDanglingReferences(Snapshot& snapshot, const Snapshot* before);

/// Whether two snapshots declare the same, and have the same to say about it.
bool saysTheSame(const Snapshot& one, const Snapshot& other);

}  // namespace rookery::source
