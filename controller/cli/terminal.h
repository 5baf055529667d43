#pragma once

#include "cli/verbs.h"

namespace rookery::cli {

/// This process's standard streams. Colour where standard output is a terminal that can show it (TERM is not
/// "dumb") and the user does not mind (NO_COLOR is unset or empty: no-color.org).
Console standardConsole();

/// The decision about colour, apart from where its facts come from; null: not in the environment.
bool wantsColour(bool isTerminal, const char* noColor, const char* term);

}  // namespace rookery::cli
