#pragma once

#include "cli/verbs.h"
#include "error.h"

namespace rookery::cli {

/// Says on standard error why a verb that talks to a controller failed; what the server says stands as it is.
/// Returns the exit status for it.
int failed(const Console& console, const Error& error);

}  // namespace rookery::cli
