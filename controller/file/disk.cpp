#include "file/disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

namespace rookery::file {

DiskRoom diskRoom(const std::filesystem::path& folder) {
  constexpr std::uint64_t largestReserve = std::uint64_t{256} << 20;
  constexpr std::uint64_t part = 20;  // 5 %
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error || space.capacity == 0) return {.left = std::numeric_limits<std::uint64_t>::max(), .reserve = 0};
  const std::uint64_t reserve = std::min(largestReserve, space.capacity / part);
  return {.left = space.available - std::min(space.available, reserve), .reserve = reserve};
}

std::string noRoomBut(std::uint64_t reserve) {
  return fmt::format("{}, but for {} that stay free so that state can be written",
                     std::generic_category().message(ENOSPC), inUnits(reserve));
}

std::string inUnits(std::uint64_t bytes) {
  constexpr std::uint64_t mebi = std::uint64_t{1} << 20;
  return bytes < mebi ? fmt::format("{} bytes", bytes) : fmt::format("{} MiB", (bytes + mebi - 1) / mebi);
}

}  // namespace rookery::file
