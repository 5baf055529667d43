#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

namespace rookery::kubernetes {

namespace asio = boost::asio;

/// Whether the coroutine has been cancelled. To be asked before each wait that may be long: a cancellation
/// that comes when an operation has just ended breaks off neither that one nor the next. Name the
/// answer where more than a jump depends on it, and the arguments of a co_await: of coroutines that did
/// otherwise, g++ 12 has compiled a trap at their first step.
asio::awaitable<bool> cancelled();

/// A pause of a coroutine; cut short when it is cancelled, and none when it has been.
asio::awaitable<void> pause(std::chrono::milliseconds time);

}  // namespace rookery::kubernetes
