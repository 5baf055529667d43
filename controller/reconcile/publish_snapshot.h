#pragma once

#include "reconcile/environment.h"
#include "reconcile/instance_loops.h"
#include "reconcile/leftovers.h"
#include "reconcile/resolve.h"

namespace rookery::reconcile {

/// Shows the objects of a snapshot as they are declared now, before anybody has worked on them, and what is
/// left of those that it does not declare. What other controllers tell of theirs is for them to tell; why no
/// instance can have an object, for who speaks for the objects on none. `resolution`: of the snapshot;
/// `before`: what it declared when this was called last. On the controller's strand.
void publishSnapshot(const Environment& environment, const source::Snapshot& snapshot,
                     const Instances& desired, const Resolution& resolution, const Declarations& before,
                     Leftovers& leftovers);

}  // namespace rookery::reconcile
