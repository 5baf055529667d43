#include "probe/prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "fixtures/pki.h"
#include "fixtures/temp_dir.h"
#include "images/image_server.h"

namespace rookery::probe {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// What comes of one probe.
Result<void> outcomeOf(Prober& prober, Target target, std::chrono::milliseconds patience = 20s) {
  std::promise<Result<void>> promise;
  std::future<Result<void>> future = promise.get_future();
  prober.probe(std::move(target), patience,
               [&](Result<void> result) { promise.set_value(std::move(result)); });
  return future.get();
}

std::string failureOf(const Result<void>& result) { return result ? "none" : result.error().message; }

/// A TCP server that plays a script with each client.
class Peer {
 public:
  using Script = std::function<asio::awaitable<void>(tcp::socket&)>;

  explicit Peer(Script script) : script_(std::move(script)), acceptor_(context_, {loopback(), 0}) {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Peer() {
    context_.stop();
    thread_.join();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  std::size_t accepted() const { return accepted_; }

  static asio::ip::address loopback() { return asio::ip::address_v4::loopback(); }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
      ++accepted_;
      asio::co_spawn(context_, play(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> play(tcp::socket socket) {
    try {
      co_await script_(socket);
    } catch (const boost::system::system_error&) {  // the client has gone
    }
  }

  asio::io_context context_;
  const Script script_;
  tcp::acceptor acceptor_;
  std::atomic<std::size_t> accepted_ = 0;
  std::thread thread_;
};

/// Reads for ever.
asio::awaitable<void> listen(tcp::socket& socket) {
  std::array<char, 512> bytes{};
  for (;;) co_await socket.async_read_some(asio::buffer(bytes), asio::use_awaitable);
}

TEST(Http, ExpectsTheStatusThatKubernetesDoesOrTheOneThatIsNamed) {
  images::ImageServer server;
  server.put("/ok", {.bytes = "well"});
  server.put("/ill", {.bytes = "no", .status = 503});
  server.put("/moved", {.redirect = "http://127.0.0.1:1/"});
  Prober prober;
  struct Case {
    std::string path;
    std::optional<int> expected;
    std::string failure;  // empty: it is well
  };
  const Case cases[] = {{"/ok", {}, ""},
                        {"/moved", {}, ""},  // and is not followed
                        {"/ill", {}, "answers 503, and 200 to 399 is expected."},
                        {"/ill", 503, ""},
                        {"/ok", 204, "answers 200, and 204 is expected."},
                        {"/none", {}, "answers 404"}};
  for (const Case& each : cases) {
    const auto outcome =
        outcomeOf(prober, Http{.url = server.url(each.path), .expectedStatus = each.expected});
    EXPECT_EQ(outcome.has_value(), each.failure.empty()) << each.path << failureOf(outcome);
    if (!each.failure.empty()) EXPECT_THAT(failureOf(outcome), HasSubstr(each.failure));
  }
}

TEST(Http, DoesNotRepeatWhatMayBeAPassword) {
  images::ImageServer server;
  Prober prober;
  const auto outcome = outcomeOf(prober, Http{.url = server.url("/none?token=geheim")});
  EXPECT_THAT(failureOf(outcome), AllOf(HasSubstr("/none answers 404"), Not(HasSubstr("geheim"))));
}

TEST(Http, VerifiesCertificatesUnlessToldNotTo) {
  const fixtures::TempDir folder;
  const fixtures::Identity ca = fixtures::makeIdentity({});
  const fixtures::Identity leaf =
      fixtures::makeIdentity({.commonName = "server", .ca = false, .ipAddress = "127.0.0.1"}, &ca);
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
    return folder.path() / name;
  };
  images::ImageServer server(write("server.pem", leaf.certificate), write("server.key", leaf.privateKey));
  server.put("/ok", {.bytes = "well"});
  Prober prober;
  const auto verified = outcomeOf(prober, Http{.url = server.url("/ok")});
  EXPECT_THAT(failureOf(verified), HasSubstr("certificate"));
  EXPECT_TRUE(outcomeOf(prober, Http{.url = server.url("/ok"), .insecure = true}));
}

TEST(Http, DoesNotReadABodyToItsEnd) {
  const Peer endless([](tcp::socket& socket) -> asio::awaitable<void> {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(head), asio::use_awaitable);
    const std::string more(4096, 'x');
    for (;;) co_await asio::async_write(socket, asio::buffer(more), asio::use_awaitable);
  });
  Prober prober;
  EXPECT_TRUE(outcomeOf(prober, Http{.url = "http://" + endless.address()}));
}

TEST(Http, TellsWhatKeepsItFromAnAnswer) {
  const Peer hangs(listen);
  const Peer closes([](tcp::socket& socket) -> asio::awaitable<void> {
    std::array<char, 512> bytes{};
    co_await socket.async_read_some(asio::buffer(bytes), asio::use_awaitable);
  });
  const Peer endlessHead([](tcp::socket& socket) -> asio::awaitable<void> {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    co_await asio::async_write(socket, asio::buffer(head), asio::use_awaitable);
    const std::string more = "X-More: " + std::string(4096, 'x') + "\r\n";
    for (;;) co_await asio::async_write(socket, asio::buffer(more), asio::use_awaitable);
  });
  Prober prober;
  EXPECT_THAT(failureOf(outcomeOf(prober, Http{.url = "http://" + hangs.address()}, 50ms)),
              HasSubstr("no whole answer within 50 ms."));
  EXPECT_THAT(failureOf(outcomeOf(prober, Http{.url = "http://" + closes.address()})),
              HasSubstr("closed without an answer."));
  EXPECT_FALSE(outcomeOf(prober, Http{.url = "http://" + endlessHead.address()}));
  EXPECT_THAT(failureOf(outcomeOf(prober, Http{.url = "http://no.such.host.invalid/"})),
              HasSubstr("cannot be resolved."));
}

TEST(TcpCheck, IsWellOnceAConnectionIsAccepted) {
  std::string address;
  Prober prober;
  {
    const Peer peer(listen);
    address = peer.address();
    EXPECT_TRUE(outcomeOf(prober, Tcp{address}));
    const std::string port = address.substr(address.find(':'));
    EXPECT_TRUE(outcomeOf(prober, Tcp{"localhost" + port})) << "names are resolved";
  }
  const auto outcome = outcomeOf(prober, Tcp{address});
  EXPECT_EQ(failureOf(outcome), address + ": Connection refused.");
  EXPECT_EQ(outcome.error().reason, Reason::Unhealthy);
}

/// A name server that has one address and one alias.
class NameServer {
 public:
  NameServer() : socket_(context_, {Peer::loopback(), 0}) {
    asio::co_spawn(context_, serve(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~NameServer() {
    context_.stop();
    thread_.join();
  }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port()); }

 private:
  asio::awaitable<void> serve() {
    for (;;) {
      std::string packet(512, '\0');
      udp::endpoint from;
      packet.resize(co_await socket_.async_receive_from(asio::buffer(packet), from, asio::use_awaitable));
      const std::string reply = answer(packet);
      if (reply.empty()) continue;
      co_await socket_.async_send_to(asio::buffer(reply), from, asio::use_awaitable);
    }
  }

  /// To the question "…": by the first letter of the name.
  static std::string answer(std::string packet) {
    const std::string questions = packet.substr(12);
    const char first = packet.at(13);
    if (first == 's') return {};  // says nothing
    packet.resize(12);
    packet[2] = static_cast<char>(0x81);  // an answer
    packet[3] = static_cast<char>(0x80 | (first == 'n' ? 3 : first == 'r' ? 5 : 0));
    packet.replace(8, 4, 4, '\0');
    std::string records;
    using namespace std::string_literals;
    if (first == 'a') records = "\xC0\x0C\0\x01\0\x01\0\0\0\x3C\0\x04\x0A\0\0\x01"s;
    if (first == 'c') records = "\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x02\xC0\x0C"s;
    packet[7] = records.empty() ? '\0' : '\1';
    const std::size_t question = questions.find('\0') + 5;
    return packet + questions.substr(0, question) + records;
  }

  asio::io_context context_;
  udp::socket socket_;
  std::thread thread_;
};

TEST(DnsCheck, IsWellWithARecordOfTheType) {
  const NameServer server;
  Prober prober;
  struct Case {
    std::string name, type, failure;
    std::chrono::milliseconds patience = 20s;
  };
  const Case cases[] = {{"address.example", "A", ""},
                        {"address.example", "AAAA", "there is no record of type AAAA."},
                        {"chain.example", "A", "there is no record of type A."},
                        {"empty.example", "A", "there is no record of type A."},
                        {"none.example", "A", "there is no such name."},
                        {"refused.example", "A", "refused"},
                        {"silent.example", "A", "no answer within 60 ms.", 60ms}};
  for (const Case& each : cases) {
    const auto outcome = outcomeOf(
        prober, Dns{.server = server.address(), .name = each.name, .type = each.type}, each.patience);
    EXPECT_EQ(outcome.has_value(), each.failure.empty()) << each.name << failureOf(outcome);
    if (!each.failure.empty()) EXPECT_THAT(failureOf(outcome), HasSubstr(each.failure)) << each.name;
  }
}

/// How many descriptors this process has open.
std::size_t descriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

TEST(Prober, TakesNoMoreDescriptorsThanItMayAndAsksAll) {
  constexpr std::size_t count = 300, parallel = 20;
  const Peer hangs(listen);
  const std::size_t before = descriptors();
  std::mutex mutex;
  std::condition_variable news;
  std::size_t failed = 0, most = 0;
  Prober prober({.parallel = parallel});
  for (std::size_t i = 0; i < count; ++i) {
    prober.probe(Http{.url = "http://" + hangs.address()}, 20ms, [&](const Result<void>& result) {
      const std::lock_guard lock(mutex);
      failed += result ? 0 : 1;
      most = std::max(most, descriptors());
      news.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  news.wait(lock, [&] { return failed == count; });
  // Each connection has an end in this process on the peer's side as well.
  EXPECT_LE(most, before + 3 * parallel + 20);
  EXPECT_GE(hangs.accepted(), parallel);
}

TEST(Prober, GivesUpWhatIsUnderWayWhenItIsStopped) {
  const Peer hangs(listen);
  std::atomic<int> calls = 0;
  Prober prober;
  for (const Target& target : {Target(Http{.url = "http://" + hangs.address()}), Target(Tcp{"192.0.2.1:9"}),
                               Target(Dns{.server = "192.0.2.1", .name = "example.org"})})
    prober.probe(target, 1h, [&](const Result<void>&) { ++calls; });
  while (hangs.accepted() == 0) std::this_thread::yield();
  prober.stop();
  const int before = calls;
  prober.probe(Tcp{hangs.address()}, 1h, [&](const Result<void>&) { ++calls; });
  EXPECT_EQ(calls, before);
}

}  // namespace
}  // namespace rookery::probe
