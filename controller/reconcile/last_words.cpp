#include "reconcile/last_words.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "clock/clock.h"

namespace rookery::reconcile {

namespace {

constexpr std::chrono::milliseconds betweenReads{50};
constexpr std::chrono::seconds longestReading{5};

}  // namespace

void LastWords::ask(const std::string& instance, const api::ObjectKey& unikernel) {
  if (environment_.consoles == nullptr) return;
  asio::co_spawn(strand_, tell(environment_, instance, unikernel), asio::detached);
}

asio::awaitable<void> LastWords::tell(const Environment& environment, std::string instance,
                                      api::ObjectKey unikernel) {
  const auto console = environment.consoles->open(unikernel, instance);
  if (!console) co_return;
  clock::Timer pause(co_await asio::this_coro::executor);
  const auto deadline = clock::Steady::now() + longestReading;
  std::string last;
  for (;;) {
    const Consoles::Lines read = (*console)->read({});  // what is there: a moment long ago is not waited for
    for (const ConsoleLine& line : read.lines) {
      if (line.text.find_first_not_of(' ') != std::string::npos) last = line.text;
    }
    if (read.replayed || read.ended || clock::Steady::now() > deadline) break;
    pause.expires_after(betweenReads);
    (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (!last.empty()) environment.listener.ended(instance, unikernel, last);
}

}  // namespace rookery::reconcile
