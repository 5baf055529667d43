#pragma once

#include "http/message.h"
#include "image/store.h"
#include "reconcile/object_store.h"
#include "reconcile/volume_dumps.h"
#include "reconcile/volume_loads.h"

namespace rookery::serve {

/// GET …/unikernelvolumes/NAME/content: what is on the block device, all of it, as it comes from the server.
http::Response volumeContent(const reconcile::ObjectView& volume, reconcile::VolumeDumps& dumps);

/// PUT …/unikernelvolumes/NAME/content: writes the request's body to the block device, from its beginning. It
/// is put into `images` first, in constant memory. `stopsUser`: a unikernel that uses the volume is stopped
/// for it, and started again. Null: nothing is written, and the answer says what would be in the way.
http::Response loadVolume(http::Body* body, const reconcile::ObjectView& volume, bool stopsUser,
                          reconcile::VolumeLoads& loads, image::ImageStore& images);

}  // namespace rookery::serve
