#pragma once

#include <map>
#include <optional>
#include <string>

#include "albatross/name.h"
#include "albatross/wire.h"

namespace rookery::plan {

/// What one server said of itself in one round: everything below the credential's own domain, by full name.
struct Observed {
  std::string serverKey;
  albatross::Name base;                          // the credential's own domain
  albatross::Era era = albatross::Era::Current;  // whose forms it understands
  std::map<albatross::Name, albatross::UnikernelInfo> unikernels;
  std::map<albatross::Name, albatross::Policy> policies;                          // by domain
  std::optional<std::map<albatross::Name, albatross::BlockDevice>> blockDevices;  // absent: not asked for
  friend bool operator==(const Observed&, const Observed&) = default;
};

}  // namespace rookery::plan
