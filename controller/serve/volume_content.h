#pragma once

#include "http/message.h"
#include "reconcile/object_store.h"
#include "reconcile/volume_dumps.h"

namespace rookery::serve {

/// GET …/unikernelvolumes/NAME/content: what is on the block device, all of it, as it comes from the server.
http::Response volumeContent(const reconcile::ObjectView& volume, reconcile::VolumeDumps& dumps);

}  // namespace rookery::serve
