#include "http/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <httplib.h>
#include <sys/resource.h>

#include <atomic>
#include <latch>
#include <list>
#include <nlohmann/json.hpp>

#include "unit/http/raw_client.h"
#include "unit/http/service.h"

namespace rookery::http {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Pieces of an answer as a handler makes them.
std::function<std::optional<std::string>()> pieces(std::vector<std::string> all) {
  return [all = std::move(all), i = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (i == all.size()) return std::nullopt;
    return all[i++];
  };
}

/// Nothing new, for ever.
std::optional<std::string> silence() {
  std::this_thread::sleep_for(1ms);
  return "";
}

constexpr std::size_t mostBytes = std::size_t{3} << 20;

class HttpListenerTest : public testing::Test {
 protected:
  void serve(Handler handler, ListenerLimits limits = {}) {
    auto opened = Listener::open({boost::asio::ip::address_v4::loopback(), 0}, nullptr, limits,
                                 service(std::move(handler), counts_));
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = *std::move(opened);
  }
  /// Answers with the length of the body, or with what was wrong with it.
  void serveBodies(std::size_t limit = mostBytes, ListenerLimits limits = {}) {
    serve(
        [limit](const Request& request) -> Response {
          if (request.method == "GET") return {.contentType = "text/plain", .body = "got"};
          if (request.body == nullptr) return {.contentType = "text/plain", .body = "none"};
          const auto body = readAll(*request.body, limit);
          if (!body) return failure(body.error());
          return {.contentType = "text/plain",
                  .body = "body=" + (body->size() < 100 ? *body : std::to_string(body->size()))};
        },
        limits);
  }
  std::string exchange(const std::string& request) const {
    const RawClient raw(listener_->port());
    raw.send(request);
    return raw.receiveAll();
  }
  httplib::Client client() const { return httplib::Client("127.0.0.1", listener_->port()); }

  Counts counts_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(HttpListenerTest, HeadersReachTheHandler) {
  serve([](const Request& request) -> Response {
    return {.contentType = "text/plain",
            .body = request.method + "|" + request.target + "|" + request.accept + "|" + request.contentType +
                    "|" + request.authorization + "|" + request.ifNoneMatch + "|" + request.host + "|" +
                    request.peer.address};
  });
  EXPECT_THAT(
      exchange("PATCH /a%2f?b=c+d HTTP/1.1\r\nhost: h\r\nAccept: */*\r\nContent-Type: "
               "application/merge-patch+json\r\nauthorization: Bearer a%41\r\nIf-None-Match: \"x\"\r\n"
               "Connection: close\r\n\r\n"),
      EndsWith("\r\n\r\nPATCH|/a%2f?b=c+d|*/*|application/merge-patch+json|Bearer a%41|\"x\"|h|127.0.0.1"));
}

TEST_F(HttpListenerTest, BodiesAreReadWhateverTheirFraming) {
  serveBodies();
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: "
                       "h\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("body=hello"), EndsWith("got")));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("body=hello"), EndsWith("got")));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), EndsWith("none"));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
              EndsWith("none"));
}

TEST_F(HttpListenerTest, AClientThatWaitsIsToldToGoOn) {
  serveBodies();
  const RawClient raw(listener_->port());
  raw.send(
      "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(raw.receiveUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("hello");
  EXPECT_THAT(raw.receiveAll(), AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith("body=hello")));
}

TEST_F(HttpListenerTest, AClientThatWaitsIsNotToldToSendWhatNobodyWants) {
  serveBodies(10);
  EXPECT_THAT(
      exchange("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Connection: close"), Not(HasSubstr("100 Continue"))));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("is larger than 10 bytes"),
                    Not(HasSubstr("100 Continue"))));
}

TEST_F(HttpListenerTest, ALargeBodyPassesThroughWithoutBeingHeld) {
  serve([](const Request& request) -> Response {
    std::size_t total = 0, longest = 0;
    while (true) {
      const auto piece = request.body->next();
      if (!piece) return failure(piece.error());
      if (piece->empty()) break;
      total += piece->size();
      longest = std::max(longest, piece->size());
    }
    return {.contentType = "text/plain",
            .body = std::to_string(total) + (longest <= 1 << 16 ? " streamed" : " held")};
  });
  const RawClient raw(listener_->port());
  const std::string block(1 << 20, 'x');
  raw.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(64 * block.size()) + "\r\n\r\n");
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(raw.send(block));
  EXPECT_THAT(raw.receiveAll(), AllOf(HasSubstr("Connection: close"), EndsWith("67108864 streamed")));
}

TEST_F(HttpListenerTest, ABodyIsCutAtItsLimit) {
  serveBodies(10);
  for (const std::string& framing :
       {std::string("Content-Length: 11\r\n\r\nhello world"),
        std::string("Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n")}) {
    EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\n" + framing),
                AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("is larger than 10 bytes")));
  }
  EXPECT_THAT(
      exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello worl"),
      StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpListenerTest, ASlowBodyIsGivenUp) {
  ListenerLimits limits;
  limits.stream.bodyIdle = 50ms;
  serveBodies(mostBytes, limits);
  // A bare line feed ends no line: the rest of this is waited for.
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n"),
              StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello"),
              AllOf(StartsWith("HTTP/1.1 408 Request Timeout"), HasSubstr("came too slowly")));
}

TEST_F(HttpListenerTest, ABodyThatEndsTooEarlyIsABadRequest) {
  serveBodies();
  const RawClient raw(listener_->port());
  raw.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello");
  ::shutdown(raw.socket(), SHUT_WR);
  EXPECT_THAT(raw.receiveAll(), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpListenerTest, MalformedChunksAreABadRequest) {
  serveBodies();
  for (const char* body :
       {"x\r\n", "-1\r\n", "5\r\nhelloX\r\n", "11111111111111111\r\n", "2\r\nhe\r\n0\r\nno colon\r\n\r\n"}) {
    EXPECT_THAT(exchange(std::string("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") +
                         body + std::string(200, '\n')),
                AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("is malformed")))
        << body;
  }
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;" +
                       std::string(200'000, 'x')),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("too large")));
}

TEST_F(HttpListenerTest, WhatAnotherServerCouldReadDifferentlyIsRefused) {
  serveBodies();
  const std::pair<std::string, int> heads[] = {
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
      {"Content-Length: 5, 6\r\n", 400},
      {"Content-Length: +5\r\n", 400},
      {"Content-Length: -5\r\n", 400},
      {"Content-Length: 0x5\r\n", 400},
      {"Content-Length: 99999999999999999999\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked, identity\r\n", 501},
      {"Transfer-Encoding: gzip\r\n", 501},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Host: a\r\nHost: b\r\n", 400},
      {"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 400},
      {"Content-Length : 5\r\n", 400},
      {"No colon\r\n", 400},
      {": no name\r\n", 400},
      {"X: a\rb\r\n", 400},
      {std::string("X: a\0b\r\n", 8), 400},
      {"X: a\nContent-Length: 5\r\n", 400},
      {"Expect: 200-ok\r\n", 417},
  };
  for (const auto& [head, code] : heads) {
    EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\n" + head + "\r\n"),
                AllOf(StartsWith("HTTP/1.1 " + std::to_string(code)), HasSubstr("failure: "),
                      HasSubstr("Connection: close"), Not(EndsWith("reset"))))
        << head;
  }
  EXPECT_THAT(exchange("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpListenerTest, ARequestNamesOneHost) {
  serveBodies();
  const std::pair<std::string, int> requests[] = {
      {"GET / HTTP/1.1\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n", 400},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: user@a\r\n", 400},
      {"GET / HTTP/1.0\r\n", 200},
      {"GET / HTTP/1.1\r\nHost:\r\n", 200},
      {"GET / HTTP/1.1\r\nHost: [::1]:8443\r\n", 200},
      {"GET / HTTP/1.1\r\nHost: rookery.example:8443\r\n", 200},
  };
  for (const auto& [head, code] : requests) {
    EXPECT_THAT(exchange(head + "Connection: close\r\n\r\n"), StartsWith("HTTP/1.1 " + std::to_string(code)))
        << head;
  }
}

TEST_F(HttpListenerTest, AHeaderThatGoesOnInTheNextLineIsRefused) {
  serveBodies();
  for (const char* head :
       {"X: y\r\n z\r\n", "X: y\r\n\tz\r\n", "X: y\r\n \r\n", " X: y\r\n", "Content-Length: 5\r\n ,5\r\n",
        "Transfer-Encoding:\r\n chunked\r\n", "X: y\r\n GET / HTTP/1.1\r\n"}) {
    EXPECT_THAT(exchange(std::string("PUT / HTTP/1.1\r\n") + head + "Host: h\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("Connection: close")))
        << head;
  }
  // Within a body it is nobody's business.
  EXPECT_THAT(exchange("PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\n\r\n x"),
              EndsWith("body=\r\n x"));
  const RawClient slow(listener_->port());
  for (const char byte : std::string("PUT / HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n"))
    slow.send(std::string_view(&byte, 1));
  EXPECT_THAT(slow.receiveAll(), StartsWith("HTTP/1.1 400"));
}

TEST(ListenerLimits, LeaveHalfOfTheDescriptorsToOthers) {
  for (const std::size_t descriptors : {std::size_t{64}, std::size_t{256}, std::size_t{1024}}) {
    const auto limits = within({}, descriptors).connections;
    EXPECT_LE(limits.connections + limits.newcomers + limits.longRunning, descriptors / 2) << descriptors;
    EXPECT_GE(limits.connections, 4) << descriptors;
    EXPECT_GE(limits.longRunning, descriptors / 4) << descriptors;
  }
  const ConnectionPool::Limits usual;
  const auto many = within({}, 1 << 20).connections;
  EXPECT_EQ(many.connections, usual.connections);
  EXPECT_EQ(many.newcomers, usual.newcomers);
  EXPECT_EQ(many.longRunning, usual.longRunning);
  EXPECT_EQ(within({.connections = {.longRunning = 0}}, 1024).connections.longRunning, 0);
  EXPECT_EQ(within({}, 3).connections.connections, 1) << "there is always one";
}

TEST_F(HttpListenerTest, MalformedAndOversizedHeadsAreRefused) {
  serveBodies();
  std::string manyHeaders;
  for (int i = 0; i < 20'000; ++i) manyHeaders += "X-Header: value\r\n";
  std::string quiteManyHeaders;
  for (int i = 0; i < 200; ++i) quiteManyHeaders += "X: y\r\n";
  const std::pair<std::string, int> requests[] = {
      {"nonsense\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", 400},  // a TLS client
      {"GET /healthz\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1\n\n\n\n", 400},
      {"GET / HTTP/9.9\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"GET /" + std::string(200'000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: h\r\nX-Endless: " + std::string(200'000, 'x'), 431},
      {"GET / HTTP/1.1\r\nHost: h\r\n" + manyHeaders, 431},
      {"GET / HTTP/1.1\r\nHost: h\r\n" + quiteManyHeaders + "\r\n", 431},
  };
  for (const auto& [request, code] : requests) {
    EXPECT_THAT(exchange(request), AllOf(StartsWith("HTTP/1.1 " + std::to_string(code)),
                                         HasSubstr("failure: "), Not(EndsWith("reset"))))
        << request.substr(0, 60);
  }
}

TEST_F(HttpListenerTest, AHeadThatDoesNotEndIsGivenUp) {
  ListenerLimits limits;
  limits.stream.request = 50ms;
  serveBodies(mostBytes, limits);
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "), StartsWith("HTTP/1.1 408 Request Timeout"));
}

TEST_F(HttpListenerTest, AStreamedAnswerComesPieceByPiece) {
  serve([](const Request&) -> Response {
    return {.contentType = "text/plain", .next = pieces({"a", "", "bc"})};
  });
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"), Not(HasSubstr("Content-Length")),
                    EndsWith("\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")));
  EXPECT_THAT(exchange("GET / HTTP/1.0\r\n\r\n"), AllOf(Not(HasSubstr("chunked")), EndsWith("\r\n\r\nabc")));
  EXPECT_THAT(exchange("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), EndsWith("\r\n\r\n"));
  const auto twice =
      exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(twice.find("0\r\n\r\nHTTP/1.1 200"), twice.rfind("0\r\n\r\nHTTP/1.1 200"));
  EXPECT_THAT(twice, EndsWith("0\r\n\r\n"));
}

TEST_F(HttpListenerTest, AStreamThatBreaksOffIsNotTakenForWhole) {
  serve([](const Request&) -> Response {
    return {.contentType = "text/plain",
            .next = []() -> std::optional<std::string> { throw std::runtime_error("x"); }};
  });
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Not(EndsWith("0\r\n\r\n")));
}

TEST_F(HttpListenerTest, AHandlerThatThrowsIsAnInternalError) {
  serve([](const Request&) -> Response { throw std::runtime_error("secret"); });
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 500"), HasSubstr("failure: the server failed to answer"),
                    Not(HasSubstr("secret"))));
}

TEST_F(HttpListenerTest, AnswersAreCompressedForWhoTakesIt) {
  const std::string text(100'000, 'x');
  serve([&](const Request& request) -> Response {
    if (request.target == "/whole") return {.contentType = "text/plain", .body = text};
    if (request.target == "/small") return {.contentType = "text/plain", .body = "x"};
    return {
        .contentType = "text/plain", .next = pieces({text, text}), .longRunning = request.target == "/watch"};
  });
  const auto get = [&](const char* path, const char* encoding) {
    auto answer = client().Get(path, {{"Accept-Encoding", encoding}});
    EXPECT_TRUE(answer) << path;
    return std::pair(answer->get_header_value("Content-Encoding"), answer->body.size());
  };
  EXPECT_EQ(get("/whole", "br, gzip"), std::pair(std::string("gzip"), text.size()));
  EXPECT_EQ(get("/stream", "gzip;q=0.5"), std::pair(std::string("gzip"), 2 * text.size()));
  EXPECT_EQ(get("/whole", "gzip;q=0"), std::pair(std::string(), text.size()));
  EXPECT_EQ(get("/whole", "br"), std::pair(std::string(), text.size()));
  EXPECT_EQ(get("/small", "gzip"), std::pair(std::string(), std::size_t{1}));
  EXPECT_EQ(get("/watch", "gzip"), std::pair(std::string(), 2 * text.size()));
}

TEST_F(HttpListenerTest, AnswersWithoutContent) {
  serve([](const Request&) -> Response { return {.status = 304, .headers = {{"ETag", "\"x\""}}}; });
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 304 Not Modified"), HasSubstr("ETag: \"x\""),
                    Not(HasSubstr("Content-Length"))));
}

/// Serves watches that never say anything after "watching", and all else at once.
Response watchOrAnswer(const Request& request) {
  if (request.target != "/watch") return {.contentType = "text/plain", .body = "ok"};
  bool first = true;
  return {.contentType = "text/plain",
          .next = [first]() mutable -> std::optional<std::string> {
            return std::exchange(first, false) ? "watching" : silence();
          },
          .longRunning = true};
}

TEST_F(HttpListenerTest, WatchersAndSlowClientsKeepNobodyOut) {
  serve(watchOrAnswer);
  std::list<RawClient> watchers, slow;
  for (int i = 0; i < 100; ++i) {
    watchers.emplace_back(listener_->port());
    watchers.back().send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(watchers.back().receiveUntil("watching\r\n"), HasSubstr("Connection: close"));
    slow.emplace_back(listener_->port()).send("GET /healthz HTTP/1.1\r\nHost: h\r\nX-Slow: ");
  }
  for (int i = 0; i < 20; ++i) {
    const auto health = client().Get("/healthz");
    ASSERT_TRUE(health);
    EXPECT_EQ(health->body, "ok");
  }
  EXPECT_EQ(counts_.longRunning, 100);
  EXPECT_EQ(counts_.answered("GET", 200), 120);
  EXPECT_GT(counts_.longest().count(), 0);
  for (const RawClient& watcher : watchers) {
    char byte = 0;
    EXPECT_EQ(::recv(watcher.socket(), &byte, 1, MSG_DONTWAIT), -1);  // open, and silent
  }
  listener_->stop();
  EXPECT_EQ(watchers.back().receiveAll(), "");
  EXPECT_EQ(counts_.longRunning, 0);
  EXPECT_EQ(counts_.inFlight, 0);
}

TEST_F(HttpListenerTest, ThereAreOnlySoManyWatches) {
  serve(watchOrAnswer, {.connections = {.connections = 4, .longRunning = 2}});
  std::list<RawClient> watchers;
  for (int i = 0; i < 2; ++i) {
    watchers.emplace_back(listener_->port()).send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(watchers.back().receiveUntil("watching"), EndsWith("watching"));
  }
  EXPECT_THAT(
      exchange("GET /watch HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 429"), HasSubstr("Retry-After: "), HasSubstr("too many watches are open")));
  EXPECT_EQ(client().Get("/healthz")->body, "ok");
}

/// While this lives, this process can open no descriptor more.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int last = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(last) + 1;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
    for (int filling = last; filling >= 0; filling = ::dup(last)) fillings_.push_back(filling);
  }
  ~NoDescriptors() {
    for (const int filling : fillings_) ::close(filling);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> fillings_;
};

TEST_F(HttpListenerTest, AProbeIsAnsweredWhereNoDescriptorIsLeft) {
  serve(watchOrAnswer);
  const RawClient watcher(listener_->port());
  watcher.send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(watcher.receiveUntil("watching"), EndsWith("watching"));
  const RawClient idle, probe;
  const NoDescriptors none;
  idle.connect(listener_->port());
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(idle.receiveUntil("ok"), EndsWith("ok"));
  probe.connect(listener_->port());
  probe.send("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(probe.receiveUntil("ok"), EndsWith("ok"));
}

TEST_F(HttpListenerTest, AWatcherThatLeftIsNoticed) {
  std::latch ended(1);
  serve([&ended](const Request&) -> Response {
    const std::shared_ptr<void> watch(nullptr, [&ended](void*) { ended.count_down(); });
    return {.contentType = "text/plain",
            .next = [watch]() -> std::optional<std::string> { return silence(); },
            .longRunning = true};
  });
  {
    const RawClient watcher(listener_->port());
    watcher.send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(watcher.receiveUntil("\r\n\r\n"), HasSubstr("200 OK"));
  }
  ended.wait();
}

TEST_F(HttpListenerTest, TellsOfWhatItAnsweredItself) {
  serveBodies();
  exchange("BREW / HTTP/1.1\r\nHost: h\r\n\r\n");
  exchange("M-SEARCH / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(counts_.answered("", 501), 1) << "no method could be made out";
  EXPECT_EQ(counts_.answered("M-SEARCH", 200), 1);
}

}  // namespace
}  // namespace rookery::http
