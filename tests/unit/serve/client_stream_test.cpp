#include "serve/client_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

namespace rookery::serve {
namespace {

using namespace std::chrono_literals;

const StreamLimits limits{.idle = 20ms,
                          .request = 20ms,
                          .response = 20ms,
                          .linger = 20ms,
                          .requestBytes = 64,
                          .lingerBytes = 1 << 20};

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
  /// Reads byte by byte, as httplib does; the last result (0 or less) ends it.
  std::pair<std::string, ssize_t> readAll(ClientStream& stream) const {
    std::string text;
    char byte = 0;
    ssize_t result = 0;
    while ((result = stream.read(&byte, 1)) > 0) text += byte;
    return {text, result};
  }

  std::array<int, 2> sockets_ = {-1, -1};
};

TEST_F(ClientStreamTest, ReadsWhatWasSentUntilTheEnd) {
  ClientStream stream(sockets_[0], limits);
  sendFromClient("GET / HTTP/1.1\r\n");
  hangUp();
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_TRUE(stream.is_readable());
  EXPECT_EQ(readAll(stream), std::pair(std::string("GET / HTTP/1.1\r\n"), ssize_t{0}));
}

TEST_F(ClientStreamTest, ARequestThatDoesNotEndIsGivenUp) {
  ClientStream stream(sockets_[0], limits);
  sendFromClient("GET /");
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_EQ(readAll(stream), std::pair(std::string("GET /"), ssize_t{-1}));
}

TEST_F(ClientStreamTest, ARequestThatIsTooLongIsGivenUp) {
  ClientStream stream(sockets_[0], limits);
  sendFromClient(std::string(200, 'x'));
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_EQ(readAll(stream), std::pair(std::string(64, 'x'), ssize_t{-1}));
}

TEST_F(ClientStreamTest, TheNextRequestHasItsOwnLimit) {
  ClientStream stream(sockets_[0], limits);
  sendFromClient(std::string(100, 'x'));
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_EQ(readAll(stream).first.size(), 64);
  ASSERT_TRUE(stream.awaitRequest());
  EXPECT_EQ(readAll(stream).first.size(), 36);
}

TEST_F(ClientStreamTest, NoRequestComes) {
  ClientStream silent(sockets_[0], limits);
  EXPECT_FALSE(silent.awaitRequest());
  hangUp();
  EXPECT_FALSE(silent.awaitRequest());
}

TEST_F(ClientStreamTest, AClientThatDoesNotReadIsGivenUp) {
  ClientStream stream(sockets_[0], limits);
  stream.beginResponse();
  const std::string block(64 << 10, 'x');
  ssize_t result = 0;
  while ((result = stream.write(block.data(), block.size())) > 0) {
  }
  EXPECT_EQ(result, -1);
  EXPECT_FALSE(stream.is_writable());
}

TEST_F(ClientStreamTest, FinishingTakesInWhatNobodyReads) {
  ClientStream stream(sockets_[0], limits);
  sendFromClient(std::string(10'000, 'x'));
  ::shutdown(sockets_[1], SHUT_WR);
  stream.finish();
  char byte = 0;
  EXPECT_EQ(::recv(sockets_[0], &byte, 1, MSG_DONTWAIT), 0);  // nothing is left unread
  EXPECT_EQ(::recv(sockets_[1], &byte, 1, 0), 0);             // the client sees the end
}

}  // namespace
}  // namespace rookery::serve
