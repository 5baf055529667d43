#include "schedule/window.h"

#include <algorithm>

namespace rookery::schedule {

using std::chrono::minutes;

std::chrono::system_clock::time_point Window::openFrom(std::chrono::system_clock::time_point time) const {
  // What opened before that is closed again. Two hours more: clocks may have been put back meanwhile.
  LocalMinute local = zone.toLocal(std::chrono::floor<minutes>(time - duration)) - std::chrono::hours(2);
  for (;; local += minutes(1)) {
    local = opens.next(local);
    const auto opening = zone.toSystem(local);
    if (opening + duration > time) return std::max<std::chrono::system_clock::time_point>(opening, time);
  }
}

}  // namespace rookery::schedule
