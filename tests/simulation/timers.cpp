#include <sys/eventfd.h>
#include <sys/timerfd.h>

/// In place of the C library's, in this program: Asio asks the kernel for a timer and sets it anew at each
/// wait, which is most of the time that a simulation takes. As in a simulated time (clock::Simulation) nobody
/// sleeps, it is always time to look at the timers.
extern "C" int timerfd_create(int /*clock*/, int /*flags*/) noexcept {
  return ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
}

extern "C" int timerfd_settime(int /*timer*/, int /*flags*/, const itimerspec* /*value*/,
                               itimerspec* /*old*/) noexcept {
  return 0;
}
