#pragma once

#include <set>

#include "image/pull/puller.h"
#include "reconcile/environment.h"
#include "reconcile/instance_loops.h"

namespace rookery::reconcile {

/// The images that `instances` name by URL, where they are this process's to command: for
/// image::Puller::want. Those of what runs already, too: when it has to be created again, the server that has
/// its image may be down.
std::set<image::Remote> wantedImages(const Environment& environment, const Instances& instances);

}  // namespace rookery::reconcile
