#include "unit/source/overflow.h"

#include <cstddef>
#include <fstream>

#include "error.h"

namespace rookery::source {

namespace fs = std::filesystem;

void overflow(const std::filesystem::path& folder) {
  std::size_t capacity = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> capacity;
  check(capacity > 0, "the kernel says how many events it queues");
  const fs::path left = folder / "left", right = folder / "right";
  for (const fs::path& file : {left, right}) std::ofstream(file) << "";
  // Two in turn: the kernel merges an event with an equal one before it.
  for (std::size_t events = 0; events <= capacity; events += 2) {
    for (const fs::path& file : {left, right}) fs::permissions(file, fs::perms::owner_all);
  }
}

}  // namespace rookery::source
