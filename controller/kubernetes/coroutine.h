#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

namespace rookery::kubernetes {

namespace asio = boost::asio;

/// Whether the coroutine has been cancelled. To be asked before each wait that may be long: a cancellation
/// that comes when an operation has just ended breaks off neither that one nor the next. Name the
/// answer, or leave the loop or the coroutine at once: of an `if (co_await cancelled())` that goes on after
/// it, g++ 12 has compiled a trap.
asio::awaitable<bool> cancelled();

/// A pause of a coroutine; cut short when it is cancelled, and none when it has been.
asio::awaitable<void> pause(std::chrono::milliseconds time);

}  // namespace rookery::kubernetes
