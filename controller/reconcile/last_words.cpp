#include "reconcile/last_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <utility>

#include "clock/clock.h"
#include "text.h"

namespace rookery::reconcile {

namespace {

constexpr std::chrono::milliseconds betweenReads{50};
constexpr std::chrono::seconds longestReading{5};
constexpr std::chrono::seconds longestTail{2};  // somebody waits for it
constexpr std::size_t longestLine = 160;

/// The last lines that are not blank, oldest first.
asio::awaitable<std::deque<std::string>> readLast(const Environment& environment, std::string instance,
                                                  api::ObjectKey unikernel, std::size_t count,
                                                  std::chrono::seconds longest) {
  std::deque<std::string> last;
  const auto console = environment.consoles->open(unikernel, instance);
  if (!console) co_return last;
  clock::Timer pause(co_await asio::this_coro::executor);
  const auto deadline = clock::Steady::now() + longest;
  for (;;) {
    const Consoles::Lines read = (*console)->read({});  // what is there: a moment long ago is not waited for
    for (const ConsoleLine& line : read.lines) {
      if (line.text.find_first_not_of(' ') == std::string::npos) continue;
      last.push_back(line.text);
      if (last.size() > count) last.pop_front();
    }
    if (read.replayed || read.ended || clock::Steady::now() > deadline) break;
    pause.expires_after(betweenReads);
    (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return last;
}

}  // namespace

void LastWords::ask(const std::string& instance, const api::ObjectKey& unikernel) {
  if (environment_.consoles == nullptr) return;
  asio::co_spawn(strand_, tell(environment_, instance, unikernel, lines_), asio::detached);
}

asio::awaitable<void> LastWords::tell(const Environment& environment, std::string instance,
                                      api::ObjectKey unikernel, Lines lines) {
  const std::deque<std::string> last = co_await readLast(environment, instance, unikernel, 1, longestReading);
  if (last.empty()) co_return;
  (*lines)[unikernel] = last.front();
  environment.listener.ended(instance, unikernel, last.front());
}

asio::awaitable<std::string> LastWords::tail(std::string instance, api::ObjectKey unikernel,
                                             std::size_t count) const {
  if (environment_.consoles == nullptr) co_return "";
  std::deque<std::string> lines =
      co_await readLast(environment_, std::move(instance), std::move(unikernel), count, longestTail);
  for (std::string& line : lines) line = shorten(line, longestLine);
  co_return fmt::format("{}", fmt::join(lines, " | "));
}

}  // namespace rookery::reconcile
