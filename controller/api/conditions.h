#pragma once

#include <vector>

#include "api/status.h"
#include "error.h"

namespace rookery::api {

/// Ready=False and Stalled=True: nothing can become of the object until somebody changes something.
std::vector<Condition> stalledConditions(const Error& error, SystemTime now);

/// A condition whose status is as it was in `before` keeps the time of its last transition.
void keepTransitions(const Status& before, std::vector<Condition>& conditions);

}  // namespace rookery::api
