#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "simulation/tally.h"

namespace rookery::simulation {

/// What the environment says of how much to simulate, and of what.
inline std::string environment(const char* name, const std::string& usual = "") {
  const char* value = std::getenv(name);
  return value == nullptr ? usual : value;
}

/// For people, and for `run`, which adds up what several processes have been through.
inline void report(const Tally& tally) { std::printf("%s\n", tally.toString().c_str()); }

}  // namespace rookery::simulation
