#pragma once

#include <stop_token>

namespace rookery::cli {

/// Gives the system back what bursts of work have left free, until it is told to stop: glibc does that by
/// itself at the end of its heap only, and something that lives on is always near it. For a thread of its
/// own.
void trimFreeMemory(const std::stop_token& stop);

}  // namespace rookery::cli
