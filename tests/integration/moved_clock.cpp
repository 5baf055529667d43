// In place of the C library's, in a program that this is preloaded into: the wall clock is as many seconds
// ahead as the file says that ROOKERY_TEST_CLOCK names, which may change at any time. Clocks that nobody sets
// stay as they are.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

const volatile std::int64_t* openClock() {
  static const std::int64_t right = 0;
  const char* path = std::getenv("ROOKERY_TEST_CLOCK");
  const int file = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return &right;
  const void* seconds = ::mmap(nullptr, sizeof right, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  return seconds == MAP_FAILED ? &right : static_cast<const volatile std::int64_t*>(seconds);
}

std::int64_t secondsAhead() {
  static const volatile std::int64_t* const seconds = openClock();
  return *seconds;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (::syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += secondsAhead();
  return 0;
}

extern "C" time_t time(time_t* seconds) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != nullptr) *seconds = now.tv_sec;
  return now.tv_sec;
}

extern "C" int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1'000};
  return 0;
}
