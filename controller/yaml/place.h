#pragma once

#include <compare>
#include <cstddef>

namespace rookery::yaml {

/// A position in a file. Both count from 1, columns in bytes; 0: not known.
struct Place {
  std::size_t line = 0;
  std::size_t column = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

}  // namespace rookery::yaml
