#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "albatross/client/client.h"
#include "clock/clock.h"
#include "simulation/server.h"

namespace rookery::simulation {

/// What a simulated server says message by message: its statistics, as often as Albatross tells them, what a
/// guest prints, or what is on a volume. Ends with the connection, and when a newer reader takes its place.
class Stream : public albatross::DataStream {
 public:
  /// Errors: ConnectionFailed, DeadlineExceeded. `server` must outlive what comes of it.
  static boost::asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> open(
      Server& server, albatross::Request request, albatross::Timeouts timeouts);
  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const albatross::Reply& reply() const override { return reply_; }
  std::uint64_t skipped() const override { return 0; }
  boost::asio::awaitable<Result<Message>> next() override;

 private:
  Stream(Server& server, boost::asio::any_io_executor executor, albatross::Reply reply);
  void read(const albatross::console::Subscribe& wanted);
  Result<void> dump();
  bool speaks() const;
  void tellMore();

  Server& server_;
  const albatross::Reply reply_;
  const std::uint64_t life_;  // of the connections to the server
  clock::Timer news_;
  std::optional<std::uint64_t> reader_;  // of a console
  bool displaced_ = false;
  std::optional<std::string> content_;  // of a volume
  std::size_t told_ = 0;                // bytes of it
  std::deque<Message> messages_;
  /// The server may keep its reader for longer than this is there: what was exchanged comes back.
  const std::shared_ptr<const bool> open_ = std::make_shared<const bool>(true);
};

}  // namespace rookery::simulation
