#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "error.h"

namespace rookery::state {

/// Tells how what somebody waits for ended; once, from any thread.
using Tell = std::move_only_function<void(Result<void> ended)>;

/// Calls `begin`, and goes on with what is told, on the coroutine's own executor, to which it belongs from
/// then on: nothing is touched of a context that has been destroyed when it is told.
boost::asio::awaitable<Result<void>> toldOf(std::move_only_function<void(Tell tell)> begin);

/// The same for who is no coroutine: the thread waits, once it has done `meanwhile`.
Result<void> waitFor(const std::function<void(Tell tell)>& begin, const std::function<void()>& meanwhile);

}  // namespace rookery::state
