#include "http/client_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

namespace rookery::http {
namespace {

using namespace std::chrono_literals;

const StreamLimits impatience{.idle = 20ms, .linger = 20ms};

ClientStream::Clock::time_point soon() { return ClientStream::Clock::now() + 20ms; }

class ClientStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets_.data()), 0);
  }
  void TearDown() override {
    hangUp();
    ::close(sockets_[0]);
  }

  void sendFromClient(std::string_view text) const {
    ASSERT_EQ(::send(sockets_[1], text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void hangUp() {
    if (sockets_[1] >= 0) ::close(sockets_[1]);
    sockets_[1] = -1;
  }
  std::array<int, 2> sockets_ = {-1, -1};
};

TEST_F(ClientStreamTest, ReadsWhatWasSentUntilTheEnd) {
  ClientStream stream(sockets_[0], impatience);
  sendFromClient("GET / ");
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_EQ(stream.pending(), "GET / ");
  stream.consume(4);
  sendFromClient("HTTP");
  EXPECT_EQ(stream.receive(soon()), ClientStream::Received::Bytes);
  EXPECT_EQ(stream.pending(), "/ HTTP");
  EXPECT_FALSE(stream.gone());
  hangUp();
  EXPECT_EQ(stream.receive(soon()), ClientStream::Received::End);
  EXPECT_TRUE(stream.gone());
}

TEST_F(ClientStreamTest, NothingComesInTime) {
  ClientStream stream(sockets_[0], impatience);
  EXPECT_FALSE(stream.awaitRequest());
  EXPECT_EQ(stream.receive(soon()), ClientStream::Received::TimedOut);
  EXPECT_FALSE(stream.gone());
  hangUp();
  EXPECT_FALSE(stream.awaitRequest());
}

TEST_F(ClientStreamTest, AClientThatDoesNotReadIsGivenUp) {
  ClientStream stream(sockets_[0], impatience);
  const std::string block(64 << 20, 'x');
  EXPECT_FALSE(stream.send(block, soon()));
}

TEST(Pace, ATransferMayNeitherStopNorCrawl) {
  const StreamLimits paced{.bodyIdle = 1s, .grace = 3s, .bytesPerSecond = 1000};
  const Pace::Clock::time_point start{};
  Pace pace(paced, paced.bodyIdle, start);
  EXPECT_EQ(pace.deadline(start), start + 1s);
  EXPECT_EQ(pace.deadline(start + 2500ms), start + 3s);
  pace.moved(2000);
  EXPECT_EQ(pace.deadline(start + 2500ms), start + 3500ms);
  EXPECT_EQ(pace.deadline(start + 4500ms), start + 5s);
}

TEST_F(ClientStreamTest, FinishingTakesInWhatNobodyReads) {
  ClientStream stream(sockets_[0], impatience);
  sendFromClient(std::string(10'000, 'x'));
  ::shutdown(sockets_[1], SHUT_WR);
  stream.finish();
  char byte = 0;
  EXPECT_EQ(::recv(sockets_[0], &byte, 1, MSG_DONTWAIT), 0);  // nothing is left unread
  EXPECT_EQ(::recv(sockets_[1], &byte, 1, 0), 0);             // the client sees the end
}

}  // namespace
}  // namespace rookery::http
