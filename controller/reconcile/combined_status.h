#pragma once

#include <set>
#include <string>

#include "api/status.h"
#include "plan/desired.h"

namespace rookery::reconcile {

/// The status of a unikernel with a placement, of which `seen` was seen on one instance, and `before` was
/// told last: of all its instances together. It is Ready where all replicas are that there are to be; else
/// its reason is that of the worst of them.
api::Status combinedStatus(const api::Status& before, const api::Status& seen, const plan::Replicas& replicas,
                           api::SystemTime now);

/// The same where how it stands on other instances is told by `others`, and on `own` by `before`.
api::Status combinedStatus(const api::Status& before, const api::Status& others,
                           const std::set<std::string>& own, api::SystemTime now);

}  // namespace rookery::reconcile
