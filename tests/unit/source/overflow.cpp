#include "unit/source/overflow.h"

#include <cstddef>
#include <fstream>

#include "error.h"

namespace rookery::source {

void overflow(const std::filesystem::path& folder) {
  std::size_t capacity = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> capacity;
  check(capacity > 0, "the kernel says how many events it queues");
  std::ofstream left(folder / "left");
  std::ofstream right(folder / "right");
  for (std::size_t events = 0; events <= capacity; events += 2) {
    left << 'x' << std::flush;
    right << 'x' << std::flush;
  }
}

}  // namespace rookery::source
