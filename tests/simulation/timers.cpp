#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <map>
#include <set>

// In place of the C library's, in this program: Asio asks the kernel for a timer, sets it anew at each wait,
// and asks at each turn whether it has expired, which is most of the time that a simulation takes. As in a
// simulated time (clock::Simulation) nobody sleeps, it is always time to look at the timers, and nothing else
// is waited for.

namespace {

/// The timers that are there.
std::set<int>& timers() {
  static std::set<int> all;
  return all;
}

/// What each context calls its timer.
std::map<int, epoll_data_t>& names() {
  static std::map<int, epoll_data_t> all;
  return all;
}

}  // namespace

extern "C" int timerfd_create(int /*clock*/, int /*flags*/) noexcept {
  return *timers().insert(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)).first;
}

extern "C" int timerfd_settime(int /*timer*/, int /*flags*/, const itimerspec* /*value*/,
                               itimerspec* /*old*/) noexcept {
  return 0;
}

extern "C" int epoll_ctl(int epoll, int operation, int file, epoll_event* event) noexcept {
  if (operation == EPOLL_CTL_ADD && timers().erase(file) > 0) names()[epoll] = event->data;
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, file, event));
}

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  const auto timer = names().find(epoll);
  if (timer == names().end() || timeout != 0)
    return static_cast<int>(::syscall(SYS_epoll_pwait, epoll, events, most, timeout, nullptr, 0));
  events[0] = {.events = EPOLLIN, .data = timer->second};
  return 1;
}
