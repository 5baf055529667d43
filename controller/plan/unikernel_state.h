#pragma once

#include <string_view>

#include "error.h"

namespace rookery::plan {

/// State of a unikernel as the metrics count it.
enum class UnikernelState { Ready, Progressing, Failed, Suspended, Unmanaged };
std::string_view toString(UnikernelState state);  // "ready", …

/// Whether an object whose condition Ready has this reason is on its way, rather than in trouble.
bool isProgress(Reason reason);

}  // namespace rookery::plan
