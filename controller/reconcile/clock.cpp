#include "reconcile/clock.h"

#include <ctime>
#include <utility>

#include "error.h"

namespace rookery::reconcile {

std::chrono::nanoseconds uptime() {
  timespec time{};
  check(::clock_gettime(CLOCK_BOOTTIME, &time) == 0, "Linux counts the time since it started");
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::function<api::SystemTime()> steadyClock(const std::function<api::SystemTime()>& system,
                                             std::function<std::chrono::nanoseconds()> passed) {
  const api::SystemTime began = system();
  const std::chrono::nanoseconds before = passed();
  return [began, before, passed = std::move(passed)] {
    return began + std::chrono::duration_cast<api::SystemTime::duration>(passed() - before);
  };
}

}  // namespace rookery::reconcile
