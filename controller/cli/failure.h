#pragma once

#include <string_view>

#include "cli/verbs.h"
#include "error.h"

namespace rookery::cli {

/// Says on standard error why a verb failed; what a controller refused stands as kubectl words it. Returns
/// the exit status for it.
int failed(const Console& console, const Error& error);

/// Writes `what` (ours) and a message, which may quote somebody else, as one line.
void say(std::ostream& out, std::string_view what, std::string_view message);

}  // namespace rookery::cli
