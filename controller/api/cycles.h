#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/object.h"

namespace rookery::api {

/// What each object waits for.
using WaitsFor = std::map<ObjectKey, std::vector<ObjectKey>>;

/// The objects that wait for themselves by way of others, each with one way round, as people read it:
/// "web → db → web". Takes time as there are objects and what they wait for.
std::map<ObjectKey, std::string> cyclesOf(const WaitsFor& waitsFor);

}  // namespace rookery::api
