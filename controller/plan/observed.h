#pragma once

#include <map>
#include <optional>
#include <string>

#include "albatross/name.h"
#include "albatross/wire.h"
#include "image/image.h"

namespace rookery::plan {

/// What came of a unikernel's health check in its present life.
struct Health {
  enum class State {
    Unknown,   // neither of them yet
    Healthy,   // it was, and has not failed too often in a row since
    Unhealthy  // it has
  };
  State state = State::Unknown;
  bool wasHealthy = false;
  std::string failure = {};  // what the check that failed last saw, a sentence; empty: none has
  friend bool operator==(const Health&, const Health&) = default;
};

/// What one server said of itself in one round: everything below the credential's own domain, by full name.
struct Observed {
  std::string serverKey;
  albatross::Name base;                          // the credential's own domain
  albatross::Era era = albatross::Era::Current;  // whose forms it understands
  std::map<albatross::Name, albatross::UnikernelInfo> unikernels;
  std::map<albatross::Name, albatross::Policy> policies;                          // by domain
  std::optional<std::map<albatross::Name, albatross::BlockDevice>> blockDevices;  // absent: not asked for
  // What we found out of its unikernels besides
  std::map<albatross::Name, Health> health = {};          // of those that run and have a health check
  std::map<albatross::Name, std::string> lastLines = {};  // that they printed before they ended last
  /// The images that are kept here to be put back, by their digest, raw.
  std::map<std::string, image::Image> kept = {};
  friend bool operator==(const Observed&, const Observed&) = default;
};

}  // namespace rookery::plan
