#pragma once

#include <chrono>
#include <functional>

#include "api/object.h"

namespace rookery::reconcile {

/// What has passed since the machine started, sleep included.
std::chrono::nanoseconds uptime();

/// A clock for waiting, which nobody sets: `system` as it is now, and from then on what has passed by
/// `passed`. A step of the system's clock neither shortens nor lengthens what waits by it; who writes a time
/// down, which is read after the next start, must not trust it to lie in the past. Thread-safe where both
/// are.
std::function<api::SystemTime()> steadyClock(
    const std::function<api::SystemTime()>& system = std::chrono::system_clock::now,
    std::function<std::chrono::nanoseconds()> passed = uptime);

}  // namespace rookery::reconcile
