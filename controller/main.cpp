#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <fstream>
#include <mutex>
#include <stop_token>
#include <thread>

#include "cli/cli.h"

namespace {

/// How much of the memory of this process is in the machine's.
std::size_t residentBytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Gives the system back what bursts of work have left free: glibc does that by itself at the end of its heap
/// only, and something that lives on is always near it.
void trimFreeMemory(const std::stop_token& stop) {
  constexpr std::chrono::seconds period{10};
  constexpr std::size_t worthwhile = std::size_t{32} << 20;
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  std::size_t least = 0;  // since the last time
  while (!stopped.wait_for(lock, stop, period, [&] { return stop.stop_requested(); })) {
    least = std::min(least, residentBytes());
    if (residentBytes() < least + worthwhile) continue;
    ::malloc_trim(0);
    least = residentBytes();
  }
}

}  // namespace

int main(int argc, char** argv) {
  // By default glibc keeps an arena per thread, and what one thread frees is lost to the others: with many
  // objects that takes several times what is in use.
  ::mallopt(M_ARENA_MAX, 2);
  const std::jthread trimmer(trimFreeMemory);
  return rookery::cli::run(argc, argv);
}
