#pragma once

#include <string>
#include <string_view>

#include "reconcile/object_store.h"

namespace rookery::serve {

/// The status page: instances, unikernels and policies with their condition Ready, as HTML that needs nothing
/// else.
std::string statusPage(const reconcile::ObjectStore& store);

/// What a browser shows instead to who may not see that: how it is done.
std::string signInPage(std::string_view refusal);

}  // namespace rookery::serve
