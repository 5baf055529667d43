#include "serve/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <nlohmann/json.hpp>
#include <thread>

#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A client that speaks bytes, not HTTP.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// False when the server has ended the connection.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// All that comes until the server closes; "reset" at the end when it did not close orderly.
  std::string receiveAll() const {
    std::string text;
    char buffer[4096];
    ssize_t received = 0;
    while ((received = ::recv(socket_, buffer, sizeof buffer, 0)) > 0) {
      text.append(buffer, static_cast<std::size_t>(received));
    }
    return received == 0 ? text : text + "reset";
  }

 private:
  int socket_;
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    store_.publish(unikernelView("shop", "web", true, Reason::Running, "It runs."));
    auto started = Server::start("127.0.0.1:0", store_, metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }

  httplib::Client client() const { return httplib::Client("127.0.0.1", server_->port()); }

  std::string exchange(const std::string& request) const {
    const RawClient raw(server_->port());
    raw.send(request);
    return raw.receiveAll();
  }

  reconcile::StatusStore store_;
  Metrics metrics_{BuildInfo{"1", "r"}};
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, ServesOnAFreePort) {
  ASSERT_NE(server_->port(), 0);
  const auto health = client().Get("/healthz");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);
  EXPECT_EQ(health->body, "ok\n");
  const auto missing = client().Get("/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/x");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(missing->get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(json::parse(missing->body)["reason"], "NotFound");
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  const std::string answer = exchange("HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 3\r\n"),
                            Not(HasSubstr("ok\n"))));
}

TEST_F(ServerTest, AConnectionTakesSeveralRequests) {
  const std::string answer = exchange(
      "GET /healthz HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n\r\nGET /readyz HTTP/1.1\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_THAT(answer,
              AllOf(HasSubstr("200 OK"), HasSubstr("404 Not Found"), HasSubstr("503 Service Unavailable")));
}

TEST_F(ServerTest, ItListensOnIPv6Loopback) {
  const auto server = Server::start("[::1]:0", store_, metrics_);
  if (!server) GTEST_SKIP() << server.error().message;
  const auto health = httplib::Client("::1", (*server)->port()).Get("/healthz");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = Server::start(address, store_, metrics_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::SystemError);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr(address), HasSubstr("another program listens there already")));
}

TEST_F(ServerTest, APortIsFreeAgainAfterItStopped) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const RawClient open(server_->port());
  ASSERT_TRUE(client().Get("/healthz"));
  server_->stop();
  server_->stop();
  EXPECT_EQ(open.receiveAll(), "");
  EXPECT_FALSE(client().Get("/healthz"));
  const auto again = Server::start(address, store_, metrics_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(client().Get("/healthz"));
}

TEST_F(ServerTest, OtherAddressesAreAUsageError) {
  const auto server = Server::start("0.0.0.0:0", store_, metrics_);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().reason, Reason::UsageError);
}

TEST_F(ServerTest, SlowClientsDoNotKeepOthersOut) {
  std::list<RawClient> slow;
  for (int i = 0; i < 100; ++i) {
    slow.emplace_back(server_->port());
    ASSERT_TRUE(slow.back().send("GET /metrics HTTP/1.1\r\nX-Slow: "));
    if (i % 10 != 0) continue;
    const auto health = client().Get("/healthz");
    ASSERT_TRUE(health);
    EXPECT_EQ(health->status, 200);
  }
}

TEST_F(ServerTest, ABodyIsRefusedAndTheAnswerArrives) {
  const std::string body(200'000, 'x');
  const std::string answer = exchange(
      "POST /apis/rookery.dev/v1alpha1/namespaces/shop/unikernels HTTP/1.1\r\nExpect: 100-continue\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(answer,
              AllOf(StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"), HasSubstr("Connection: close\r\n"),
                    HasSubstr("\"MethodNotAllowed\""), HasSubstr("Allow: GET, HEAD")));
}

TEST_F(ServerTest, ABodyIsNotTakenForTheNextRequest) {
  for (const char* framing : {"Content-Length: 28", "Transfer-Encoding: chunked"}) {
    const std::string answer = exchange(std::string("GET /healthz HTTP/1.1\r\n") + framing +
                                        "\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK"), Not(HasSubstr("rookery_build_info"))))
        << framing;
  }
}

TEST_F(ServerTest, MalformedAndOversizedRequestsAreBadRequests) {
  std::string manyHeaders = "GET /healthz HTTP/1.1\r\n";
  for (int i = 0; i < 20'000; ++i) manyHeaders += "X-Header: value\r\n";
  const std::string requests[] = {
      "nonsense\r\n\r\n",
      "GET /healthz\r\n\r\n",
      "GET /healthz HTTP/9.9\r\n\r\n",
      "BREW /healthz HTTP/1.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nX-Long: " + std::string(10'000, 'x') + "\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nX-Endless: " + std::string(200'000, 'x'),
      manyHeaders,
  };
  for (const std::string& request : requests) {
    const std::string answer = exchange(request);
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"),
                              HasSubstr("\"reason\":\"BadRequest\""), Not(HasSubstr("reset"))))
        << request.substr(0, 60);
  }
  EXPECT_THAT(exchange("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 414"));
}

TEST_F(ServerTest, RangesAndBrotliAreNotDoneOnAClientsWord) {
  const auto plain = client().Get("/metrics", {{"Range", "bytes=0-,0-,0-,0-"}, {"Accept-Encoding", "br"}});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 200);
  EXPECT_FALSE(plain->has_header("Content-Encoding"));
  EXPECT_THAT(plain->body, HasSubstr("rookery_build_info"));
  const auto gzip = client().Get("/metrics", {{"Accept-Encoding", "br, gzip"}});
  ASSERT_TRUE(gzip);
  EXPECT_EQ(gzip->get_header_value("Content-Encoding"), "gzip");
  EXPECT_THAT(gzip->body, HasSubstr("rookery_build_info"));
}

TEST_F(ServerTest, AForeignHostIsRefused) {
  const auto answer = client().Get("/", {{"Host", "attacker.example"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
}

TEST_F(ServerTest, ReadersAndTheReconcilerMeet) {
  std::vector<std::jthread> threads;
  threads.emplace_back([&](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      store_.publish(
          unikernelView("shop", "web" + std::to_string(i % 100), i % 2 == 0, Reason::Running, "It runs."));
      metrics_.roundEnded("eu-1", {});
    }
  });
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        for (const char* path : {"/", "/metrics", "/apis/rookery.dev/v1alpha1/unikernels"}) {
          const auto answer = client().Get(path);
          ASSERT_TRUE(answer) << path << ": " << to_string(answer.error());
          EXPECT_EQ(answer->status, 200);
        }
      }
    });
  }
  for (std::size_t i = 1; i < threads.size(); ++i) threads[i].join();
  EXPECT_EQ(client().Get("/healthz")->status, 200);
}

}  // namespace
}  // namespace rookery::serve
