#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "albatross/client/client.h"
#include "error.h"

namespace rookery::albatross {

/// The addresses of an endpoint. One given as a number is not looked up. A look-up (getaddrinfo) cannot be
/// interrupted: when the coroutine is cancelled it is left to end by itself, and the look-ups of other hosts
/// on the same context wait for it. Error: ConnectionFailed.
asio::awaitable<Result<std::vector<asio::ip::tcp::endpoint>>> resolve(Endpoint endpoint);

}  // namespace rookery::albatross
