#pragma once

#include <stop_token>

namespace rookery::cli {

/// Gives the system back what bursts of work have left free, until it is told to stop: glibc does that by
/// itself at the end of its heap only, and something that lives on is always near it. For a thread of its
/// own.
void trimFreeMemory(const std::stop_token& stop);

/// All is about to be given back: from here on glibc does not set small pieces aside for soon, only to sweep
/// them together again and again, which takes half of the time.
void expectNoMoreUse();

}  // namespace rookery::cli
