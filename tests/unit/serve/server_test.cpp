#include "serve/server.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <list>
#include <nlohmann/json.hpp>
#include <thread>

#include "unit/http/raw_client.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    publish(store_, unikernelView("shop", "web", true, Reason::Running, "It runs."));
    store_.setSynced();
    auto started = start({.listen = "127.0.0.1:0"});
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }

  /// With more patience for a single client than is usual.
  Result<std::unique_ptr<Server>> start(Server::Options options) {
    options.requests = {.perSecond = 1e6, .burst = 1e6};
    return Server::start(options, store_, api_, metrics_);
  }

  httplib::Client client() const { return httplib::Client("127.0.0.1", server_->port()); }

  std::string exchange(const std::string& request) const {
    const http::RawClient raw(server_->port());
    raw.send(request);
    return raw.receiveAll();
  }

  reconcile::ObjectStore store_;
  reconcile::EventRecorder events_{store_};
  ResourceApi api_{store_, events_.events(), nullptr};
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
  const std::string answer =
      exchange("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 3\r\n"),
                            Not(HasSubstr("ok\n"))));
}

TEST_F(ServerTest, AConnectionTakesSeveralRequests) {
  const std::string answer = exchange(
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nGET "
      "/readyz HTTP/1.1\r\nHost: localhost\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_THAT(answer,
              AllOf(HasSubstr("200 OK"), HasSubstr("404 Not Found"), HasSubstr("503 Service Unavailable")));
}

TEST_F(ServerTest, ItListensOnIPv6Loopback) {
  const auto server = start({.listen = "[::1]:0"});
  if (!server) GTEST_SKIP() << server.error().message;
  const auto health = httplib::Client("::1", (*server)->port()).Get("/healthz");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = start({.listen = address});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::SystemError);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr(address), HasSubstr("another program listens there already")));
}

TEST_F(ServerTest, APortIsFreeAgainAfterItStopped) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const http::RawClient open(server_->port());
  ASSERT_TRUE(client().Get("/healthz"));
  server_->stop();
  server_->stop();
  EXPECT_EQ(open.receiveAll(), "");
  EXPECT_FALSE(client().Get("/healthz"));
  const auto again = start({.listen = address});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(client().Get("/healthz"));
}

TEST_F(ServerTest, OptionsThatMakeNoSenseAreUsageErrors) {
  const std::pair<Server::Options, const char*> cases[] = {
      {{.listen = "0.0.0.0:0"}, "needs TLS and a bearer token or client certificate"},
      {{.listen = "127.0.0.1:0", .tls = {.certificate = "a", .key = {}, .clientCA = {}}}, "both"},
      {{.listen = "127.0.0.1:0", .tls = {.certificate = {}, .key = "a", .clientCA = {}}}, "both"},
      {{.listen = "127.0.0.1:0", .tls = {.certificate = {}, .key = {}, .clientCA = "a"}},
       "--tls-client-ca needs"},
      {{.listen = "0.0.0.0:0", .tls = {.certificate = "a", .key = "b", .clientCA = {}}}, "--api-token-file"},
  };
  for (const auto& [options, message] : cases) {
    const auto server = start(options);
    ASSERT_FALSE(server) << message;
    EXPECT_EQ(server.error().reason, Reason::UsageError);
    EXPECT_THAT(server.error().message, HasSubstr(message));
  }
  const auto server = start({.listen = "127.0.0.1:0", .tokenFile = "/nowhere/tokens.yaml"});
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, HasSubstr("/nowhere/tokens.yaml"));
}

TEST_F(ServerTest, TooManyRequestsOfOneAddressAreRefused) {
  const auto server = Server::start({.listen = "127.0.0.1:0", .requests = {.perSecond = 0.001, .burst = 3}},
                                    store_, api_, metrics_);
  ASSERT_TRUE(server);
  httplib::Client busy("127.0.0.1", (*server)->port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(busy.Get("/apis")->status, 200);
  const auto refused = busy.Get("/apis");
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(json::parse(refused->body)["reason"], "TooManyRequests");
  EXPECT_EQ(busy.Get("/healthz")->status, 200);
}

TEST_F(ServerTest, SlowClientsDoNotKeepOthersOut) {
  std::list<http::RawClient> slow;
  for (int i = 0; i < 100; ++i) {
    slow.emplace_back(server_->port());
    ASSERT_TRUE(slow.back().send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "));
    if (i % 10 != 0) continue;
    const auto health = client().Get("/healthz");
    ASSERT_TRUE(health);
    EXPECT_EQ(health->status, 200);
  }
}

TEST_F(ServerTest, ABodyIsRefusedAndTheAnswerArrives) {
  const std::string body(200'000, 'x');
  const std::string answer = exchange(
      "POST /apis/rookery.dev/v1alpha1/namespaces/shop/unikernels HTTP/1.1\r\nHost: localhost\r\nExpect: "
      "100-continue\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 403 Forbidden\r\n"), HasSubstr("Connection: close\r\n"),
                            HasSubstr("\"Forbidden\""), HasSubstr("--api-token-file")));
}

TEST_F(ServerTest, ABodyIsNotTakenForTheNextRequest) {
  for (const char* framing : {"Content-Length: 28", "Transfer-Encoding: chunked"}) {
    const std::string answer = exchange(std::string("GET /healthz HTTP/1.1\r\nHost: localhost\r\n") +
                                        framing + "\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK"), Not(HasSubstr("rookery_build_info"))))
        << framing;
  }
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
      publish(store_, unikernelView("shop", "web" + std::to_string(i % 100), i % 2 == 0, Reason::Running,
                                    "It runs."));
      metrics_.roundEnded("eu-1", {});
    }
  });
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        for (const char* path : {"/version", "/metrics", "/apis/rookery.dev/v1alpha1/unikernels"}) {
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
