#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "albatross/client/client.h"
#include "albatross/client/connection.h"

namespace rookery::albatross {

/// A subscription over TLS. What it says of its server stays true when the client is gone.
class TlsDataStream final : public DataStream {
 public:
  /// `client` carries the command.
  TlsDataStream(const asio::any_io_executor& executor, SslPtr client, const ClientOptions& options);

  /// Connects, and waits for the reply, each for as long as the timeouts allow. Errors: as Client::call.
  asio::awaitable<Result<void>> open(const std::optional<std::string>& serverName, SystemTime now);

  const Reply& reply() const override { return *reply_; }
  asio::awaitable<Result<Message>> next() override;
  std::uint64_t skipped() const override { return skipped_; }

 private:
  const std::string server_;  // host:port
  const Timeouts timeouts_;
  Connection connection_;
  std::optional<Reply> reply_;
  std::uint64_t skipped_ = 0;
};

}  // namespace rookery::albatross
