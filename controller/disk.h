#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <system_error>

namespace rookery {

/// Room on a file system, in bytes.
struct DiskRoom {
  std::uint64_t left;     // may be written
  std::uint64_t reserve;  // is left free beyond that, unless others take it
};

/// What may be written to the file system of `folder`: all but a reserve of 256 MiB, or 5 % of a small one. A
/// process that can no longer write its state stops reconciling for everybody: what others send must not
/// bring that about. Where the file system does not tell, anything may be written. Thread-safe.
inline DiskRoom diskRoom(const std::filesystem::path& folder) {
  constexpr std::uint64_t largestReserve = std::uint64_t{256} << 20;
  constexpr std::uint64_t part = 20;  // 5 %
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error || space.capacity == 0) return {.left = std::numeric_limits<std::uint64_t>::max(), .reserve = 0};
  const std::uint64_t reserve = std::min(largestReserve, space.capacity / part);
  return {.left = space.available - std::min(space.available, reserve), .reserve = reserve};
}

}  // namespace rookery
