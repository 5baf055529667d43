#pragma once

#include <filesystem>
#include <string>

#include "api/object.h"
#include "error.h"

namespace rookery::api {

/// Why what is missing somewhere is not taken for removed.
struct Silence {
  Reason reason = Reason::SourceUnreadable;
  std::filesystem::path path = {};  // what is in the way
  std::string cause = {};           // whole sentences, which name it and say what to do
  bool passing = false;             // it is likely to end by itself, and soon
  friend bool operator==(const Silence&, const Silence&) = default;
};

/// An object that a snapshot holds although the sources do not declare it in this way now.
struct Outdated {
  bool gone = false;  // it is not declared any more, as far as can be seen; otherwise its file has a mistake
  SystemTime seen = {};  // when it was last declared as it is held
  Silence silence = {};  // why it is held
  friend bool operator==(const Outdated&, const Outdated&) = default;
};

}  // namespace rookery::api
