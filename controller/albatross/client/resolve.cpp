#include "albatross/client/resolve.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "clock/clock.h"

namespace rookery::albatross {

using asio::ip::tcp;

namespace {

/// Shared by the coroutine that waits and the look-up, which may outlive it.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor)
      : resolver(executor), finished(executor, clock::Timer::time_point::max()) {}

  tcp::resolver resolver;
  clock::Timer finished;  // never expires: its cancellation is the signal
  boost::system::error_code error = asio::error::operation_aborted;
  std::vector<tcp::endpoint> addresses;
};

}  // namespace

asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve(Endpoint endpoint) {
  boost::system::error_code notNumeric;
  const asio::ip::address address = asio::ip::make_address(endpoint.host, notNumeric);
  if (!notNumeric) co_return std::vector{tcp::endpoint(address, endpoint.port)};

  const auto lookup = std::make_shared<Lookup>(co_await asio::this_coro::executor);
  lookup->resolver.async_resolve(
      endpoint.host, std::to_string(endpoint.port),
      [lookup](const boost::system::error_code& error, const tcp::resolver::results_type& results) {
        lookup->error = error;
        lookup->addresses.assign(results.begin(), results.end());
        lookup->finished.cancel();
      });
  co_await lookup->finished.async_wait(asio::as_tuple(asio::use_awaitable));
  if (lookup->error) {
    co_return fail(Reason::ConnectionFailed, fmt::format("The host of {} cannot be resolved: {}.",
                                                         endpoint.toString(), lookup->error.message()));
  }
  co_return std::move(lookup->addresses);
}

}  // namespace rookery::albatross
