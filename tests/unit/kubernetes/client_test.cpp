#include "kubernetes/client.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>

#include "kubernetes/coroutine.h"
#include "unit/kubernetes/scripted_api.h"

namespace rookery::kubernetes {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

constexpr std::string_view hangingName = "hangs.test";

/// The name servers of hangingName, which do not answer while one of these lives.
class HangingDns {
 public:
  HangingDns() {
    const std::lock_guard lock(mutex_);
    hanging_ = true;
  }
  ~HangingDns() {
    const std::lock_guard lock(mutex_);
    hanging_ = false;
    change_.notify_all();
  }
  HangingDns(const HangingDns&) = delete;
  HangingDns& operator=(const HangingDns&) = delete;

  bool asked() const {
    const std::lock_guard lock(mutex_);
    return waiting_ > 0;
  }

  static void ask() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    change_.wait(lock, [] { return !hanging_; });
    --waiting_;
  }

 private:
  static inline std::mutex mutex_;
  static inline std::condition_variable change_;
  static inline bool hanging_ = false;
  static inline int waiting_ = 0;
};

}  // namespace

/// Instead of the C library's, to make one name hang.
int lookUp(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  if (name != nullptr && name == hangingName) {
    HangingDns::ask();
    return EAI_AGAIN;
  }
  static const auto others = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return others(name, service, hints, found);
}

}  // namespace rookery::kubernetes

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  return rookery::kubernetes::lookUp(name, service, hints, found);
}

namespace rookery::kubernetes {
namespace {

class ClientTest : public testing::Test {
 protected:
  asio::awaitable<ScriptedApi::Answer> answer() {
    ++requests_;
    co_return next_;
  }

  /// Asks once the timer has run out or was cancelled.
  asio::awaitable<void> ask(Client& client, std::chrono::milliseconds after) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await pause(after);
    answer_ = co_await client.get("/api/v1/answers/one");
  }

  void start(Client& client, std::chrono::milliseconds after = 0ms) {
    asio::co_spawn(io_, ask(client, after), asio::bind_cancellation_slot(cancel_.slot(), asio::detached));
  }

  /// As the API server's, but for a name that cannot be looked up.
  Config unresolvable() const {
    Config config = api_.config();
    config.host = hangingName;
    return config;
  }

  bool answered() {
    return runUntil(io_, [&] { return answer_.has_value(); });
  }

  asio::io_context io_;
  int requests_ = 0;
  ScriptedApi::Answer next_{200, {{"kind", "Answer"}}};
  ScriptedApi api_{io_, [this](const ScriptedApi::Request&) { return answer(); }};
  asio::cancellation_signal cancel_;
  std::optional<Answer<json>> answer_;
};

TEST_F(ClientTest, AsksAnAddressWhileNamesCannotBeLookedUp) {
  Client client(api_.config(), {.timeout = 60s});
  const HangingDns dns;
  asio::ip::tcp::resolver fleet(io_);
  fleet.async_resolve(std::string(hangingName), "1025", [](const auto&, const auto&) {});
  ASSERT_TRUE(runUntil(io_, [&] { return dns.asked(); }));
  start(client);
  ASSERT_TRUE(answered());
  ASSERT_TRUE(*answer_) << answer_->error().message;
  EXPECT_EQ((**answer_)["kind"], "Answer");
  client.close();
}

TEST_F(ClientTest, WaitsForNoNameLongerThanItsTimeout) {
  Client client(unresolvable(), {.timeout = 200ms});
  const HangingDns dns;
  start(client);
  ASSERT_TRUE(answered());
  ASSERT_FALSE(*answer_);
  EXPECT_THAT(answer_->error().message, HasSubstr("looking up hangs.test took too long"));
}

TEST_F(ClientTest, EndsALookUpWhenItIsCancelled) {
  Client client(unresolvable(), {.timeout = 600s});
  const HangingDns dns;
  start(client);
  ASSERT_TRUE(runUntil(io_, [&] { return dns.asked(); }));
  cancel_.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(answered());
  EXPECT_FALSE(*answer_);
}

TEST_F(ClientTest, SendsNothingOnceItIsCancelled) {
  Client client(api_.config(), {.timeout = 60s});
  start(client);
  ASSERT_TRUE(answered());
  ASSERT_EQ(requests_, 1);
  answer_.reset();
  start(client, 600s);
  io_.poll();
  cancel_.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(answered());
  EXPECT_FALSE(*answer_);
  EXPECT_EQ(requests_, 1) << "not on a connection that was kept either";
  client.close();
}

TEST_F(ClientTest, SaysWhyItIsRefused) {
  using testing::AllOf;
  using testing::Not;
  Config config = api_.config();
  config.token.file = "/var/run/token";
  Client client(config, {.timeout = 60s});
  const json terminating = {
      {"reason", "Forbidden"},
      {"message", "events is forbidden: namespace shop is being terminated"},
      {"details",
       {{"causes", json::array({{{"reason", "NamespaceTerminating"}, {"field", "metadata.namespace"}}})}}}};
  struct Case {
    ScriptedApi::Answer answer;
    testing::Matcher<std::string> message;
    bool terminating;
  };
  const std::vector<Case> cases = {
      {{401, {{"message", "Unauthorized"}}},
       AllOf(HasSubstr(config.url()), HasSubstr("does not accept the token in /var/run/token"),
             HasSubstr("Unauthorized")),
       false},
      {{403,
        {{"message",
          "unikernels.rookery.dev is forbidden: User \"x\" cannot list resource \"unikernels\" in API group "
          "\"rookery.dev\" at the cluster scope"}}},
       HasSubstr(
           "at the cluster scope. Grant it with a rule {apiGroups: [rookery.dev], resources: [unikernels], "
           "verbs: [list]} in a ClusterRole"),
       false},
      {{403, {{"message", "pods \"a\" is forbidden: exceeded quota"}}}, Not(HasSubstr("Grant it")), false},
      {{403, terminating}, Not(HasSubstr("Grant it")), true},
      {{500, {{"message", "webhook\nsaid: " + std::string(100'000, 'x')}}},
       AllOf(HasSubstr("webhook said: x"), testing::SizeIs(testing::Le(1'030u))),
       false},
      {{500, {{"details", {{"causes", 7}}}}}, HasSubstr("answered 500"), false}};
  for (const Case& given : cases) {
    next_ = given.answer;
    answer_.reset();
    start(client);
    ASSERT_TRUE(answered());
    ASSERT_FALSE(*answer_);
    EXPECT_THAT(answer_->error().message, given.message);
    EXPECT_EQ(answer_->error().terminating, given.terminating);
  }
  client.close();
}

TEST_F(ClientTest, SaysWhatIsNoPort) {
  for (const std::string port : {"http", "99999", "443x", ""}) {
    Config config = api_.config();
    config.port = port;
    Client client(config, {});
    answer_.reset();
    start(client);
    ASSERT_TRUE(answered());
    ASSERT_FALSE(*answer_) << port;
    EXPECT_THAT(answer_->error().message, HasSubstr("\"" + port + "\" is no port"));
  }
}

/// Answers one request with a body of no chunk but the last, whose bytes come one by one.
asio::awaitable<void> answerSlowly(asio::ip::tcp::acceptor& acceptor) {
  auto socket = co_await acceptor.async_accept(asio::use_awaitable);
  std::string asked;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(asked), "\r\n\r\n", asio::use_awaitable);
  for (const std::string piece :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n", "\r", "\n"}) {
    co_await asio::async_write(socket, asio::buffer(piece), asio::use_awaitable);
    co_await pause(20ms);
  }
}

TEST_F(ClientTest, ReadsALastChunkHoweverItIsCut) {
  asio::ip::tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
  Config config = api_.config();
  config.port = std::to_string(acceptor.local_endpoint().port());
  Client client(config, {});
  asio::co_spawn(io_, answerSlowly(acceptor), asio::detached);
  std::optional<Answer<void>> watched;
  const auto watch = [&]() -> asio::awaitable<void> {
    watched = co_await client.watch("/api/v1/answers?watch=1", [](const json&) { return true; });
  };
  asio::co_spawn(io_, watch, asio::detached);
  ASSERT_TRUE(runUntil(io_, [&] { return watched.has_value(); }));
  EXPECT_TRUE(*watched) << "it ended as watches do";

  asio::co_spawn(io_, answerSlowly(acceptor), asio::detached);
  start(client);
  ASSERT_TRUE(answered());
  EXPECT_FALSE(*answer_) << "nothing is no JSON";
  client.close();
}

}  // namespace
}  // namespace rookery::kubernetes
