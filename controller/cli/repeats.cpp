#include "cli/repeats.h"

#include <algorithm>
#include <bit>

namespace rookery::cli {

std::optional<std::uint64_t> Repeats::occurred(const std::string& what, Clock::time_point now) {
  if (!known_.contains(what)) makeRoom();
  Known& known = known_[what];
  if (known.times > 0 && now - known.last > lifetime) known.times = 0;
  known.last = now;
  return std::has_single_bit(++known.times) ? std::optional(known.times) : std::nullopt;
}

void Repeats::makeRoom() {
  if (known_.size() < most) return;
  known_.erase(std::ranges::min_element(known_, {}, [](const auto& entry) { return entry.second.last; }));
}

}  // namespace rookery::cli
