#include "cli/free_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <fstream>
#include <mutex>

namespace rookery::cli {

namespace {

/// How much of the memory of this process is in the machine's.
std::size_t residentBytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

void trimFreeMemory(const std::stop_token& stop) {
  constexpr std::chrono::seconds period{10};
  constexpr std::size_t worthwhile = std::size_t{32} << 20;
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  std::size_t least = residentBytes();  // since it was trimmed last
  while (!stopped.wait_for(lock, stop, period, [&] { return stop.stop_requested(); })) {
    const std::size_t resident = residentBytes();
    least = std::min(least, resident);
    if (resident < least + worthwhile) continue;
    ::malloc_trim(0);
    least = residentBytes();
  }
}

void expectNoMoreUse() { ::mallopt(M_MXFAST, 0); }

}  // namespace rookery::cli
