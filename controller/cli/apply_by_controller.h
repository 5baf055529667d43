#pragma once

#include <chrono>

#include "cli/fleet_options.h"
#include "cli/verbs.h"
#include "error.h"

namespace rookery::cli {

/// `apply` beside a controller that has the state directory (`locked` says so): what that follows itself, it
/// brings about itself, and is waited for. What is not declared any more it destroys, too, if it prunes: that
/// is waited for with --prune, and else told. Returns the exit status.
int applyByController(const FleetOptions& options, std::chrono::milliseconds timeout, Error locked,
                      const Console& console);

}  // namespace rookery::cli
