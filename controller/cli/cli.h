#pragma once

#include <span>
#include <string>

#include "cli/verbs.h"

namespace rookery::cli {

/// The program: runs the verb that `arguments` (without the program's name) choose. Returns the exit status:
/// 0 done, 1 failed, or used wrongly, 2 (only of plan) there are changes. Never throws.
int run(std::span<const std::string> arguments, const Console& console);

/// The same on this process's own streams. Writing to a closed pipe is an error of the stream from here on,
/// not a signal.
int run(int argc, char** argv);

}  // namespace rookery::cli
