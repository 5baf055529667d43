#pragma once

#include <string>

#include "reconcile/object_store.h"

namespace rookery::serve {

/// The status page: instances, unikernels and policies with their condition Ready, as HTML that needs nothing
/// else.
std::string statusPage(const reconcile::ObjectStore& store);

}  // namespace rookery::serve
