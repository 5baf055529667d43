#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <thread>

#include "http/listener.h"
#include "unit/http/raw_client.h"
#include "unit/http/service.h"

namespace rookery::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// A server that answers 202, and better when the test lets it.
class HttpLater : public testing::Test {
 protected:
  void serve(const ListenerLimits& allowed = {}) {
    auto listener = Listener::open({boost::asio::ip::make_address("127.0.0.1"), 0}, nullptr, allowed,
                                   service([this](const Request&) { return answer(); }, counts_));
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = *std::move(listener);
  }

  Response answer() {
    Response response{.status = 202, .contentType = std::string(plainTextType), .body = "soon"};
    response.later = [this]() -> std::optional<Response> {
      ++asked_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!done_) return std::nullopt;
      return Response{.status = 200, .contentType = std::string(plainTextType), .body = "done"};
    };
    return response;
  }

  void untilAsked() const {
    while (asked_ == 0) std::this_thread::yield();
  }

  std::atomic<int> asked_ = 0;
  std::atomic<bool> done_ = false;
  Counts counts_;
  std::unique_ptr<Listener> listener_;
};

constexpr std::string_view anyRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(HttpLater, TheBetterAnswerIsSent) {
  serve();
  const RawClient client(listener_->port());
  client.send(anyRequest);
  untilAsked();
  done_ = true;
  const std::string answer = client.receiveAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("done"));
}

TEST_F(HttpLater, WhereNobodyCanWaitTheFirstAnswerIsSent) {
  serve({.connections = {.longRunning = 0}});
  const RawClient client(listener_->port());
  client.send(anyRequest);
  EXPECT_THAT(client.receiveUntil("soon"), StartsWith("HTTP/1.1 202 Accepted\r\n"));
  EXPECT_EQ(asked_, 0);
}

TEST_F(HttpLater, NobodyWaitsForAClientThatIsGone) {
  serve();
  {
    const RawClient client(listener_->port());
    client.send(anyRequest);
    untilAsked();
    EXPECT_EQ(counts_.longRunning, 1);
  }
  while (counts_.longRunning != 0) std::this_thread::yield();
}

TEST_F(HttpLater, TheServerStopsAllTheSame) {
  serve();
  const RawClient client(listener_->port());
  client.send(anyRequest);
  untilAsked();
  listener_->stop();
}

}  // namespace
}  // namespace rookery::http
