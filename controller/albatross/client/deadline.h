#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "clock/clock.h"

namespace rookery::albatross {

/// The result of `work`, or nothing when it took longer than `limit`: it was cancelled then, and has ended.
template <class T>
boost::asio::awaitable<std::optional<T>> within(std::chrono::milliseconds limit,
                                                boost::asio::awaitable<T> work) {
  using boost::asio::experimental::awaitable_operators::operator||;
  clock::Timer timer(co_await boost::asio::this_coro::executor, limit);
  auto first = co_await (std::move(work) || timer.async_wait(boost::asio::use_awaitable));
  if (first.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(first));
}

}  // namespace rookery::albatross
