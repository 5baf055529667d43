#pragma once

#include <functional>

#include "simulation/history.h"

namespace rookery::simulation {

/// The few happenings of a history that it takes to go wrong: without any one of them it does not.
/// `goesWrong` lets it happen, and must hold of `replay`.
Replay minimised(Replay replay, const std::function<bool(const Replay&)>& goesWrong);

/// Whether it goes wrong, found out in a process of its own: also where that ends by a signal, or does not
/// end within a minute. What is wrong is printed.
bool goesWrong(const Replay& replay);

}  // namespace rookery::simulation
