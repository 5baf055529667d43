#include "serve/unikernel_log.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "fixtures/temp_dir.h"
#include "serve/server.h"
#include "unit/http/raw_client.h"
#include "unit/reconcile/console_server.h"
#include "unit/serve/views.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// The log of shop/web, which was started at 1,000 s, over a real listener.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    publishWeb(albatross::Time(1'000s));
    store_.setSynced();
  }
  void publishWeb(std::optional<albatross::Time> startedAt, std::optional<std::string> instance = "eu-1") {
    auto view = std::make_shared<reconcile::ObjectView>(
        *unikernelView("shop", "web", true, Reason::Running, "It runs."));
    view->status.instance = std::move(instance);
    view->status.startedAt = startedAt;
    publish(store_, view);
  }
  void startServer(Server::Options options = {.listen = "127.0.0.1:0"}) {
    api_.emplace(store_, events_.events(), nullptr, Streams{.consoles = &console_.consoles()});
    options.requests = {.perSecond = 1e6, .burst = 1e6};
    auto started = Server::start(options, store_, *api_, metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = *std::move(started);
  }
  /// Two lines of the life before, three of this one.
  void printLives() {
    int second = 998;
    for (const char* line : {"old 1", "old 2", "new 1", "new 2", "new 3"})
      console_.print(line, "web", albatross::Time(std::chrono::seconds(second++)));
  }

  static std::string path(const std::string& query, const std::string& name = "web") {
    return "/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/" + name + "/log" +
           (query.empty() ? "" : "?" + query);
  }
  struct Answer {
    int status = 0;
    std::string body;
  };
  Answer get(const std::string& query, const std::string& name = "web") {
    if (!server_) startServer();
    httplib::Client client("127.0.0.1", server_->port());
    client.set_read_timeout(30);
    const auto result = client.Get(path(query, name));
    if (!result) return {0, httplib::to_string(result.error())};
    return {result->status, result->body};
  }

  reconcile::ConsoleServer console_;
  reconcile::ObjectStore store_;
  reconcile::EventRecorder events_{store_};
  std::optional<ResourceApi> api_;
  Metrics metrics_{BuildInfo{"1", "r"}};
  std::unique_ptr<Server> server_;
};

struct LogQuery {
  std::string query;
  std::string body;
  friend std::ostream& operator<<(std::ostream& out, const LogQuery& item) { return out << item.query; }
};

class LogQueries : public LogTest, public testing::WithParamInterface<LogQuery> {};

TEST_P(LogQueries, SayWhatIsShown) {
  printLives();
  const Answer answer = get(GetParam().query);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Table, LogQueries,
    testing::Values(LogQuery{"", "new 1\nnew 2\nnew 3\n"}, LogQuery{"previous=true", "old 1\nold 2\n"},
                    LogQuery{"tailLines=2", "new 2\nnew 3\n"}, LogQuery{"tailLines=0", ""},
                    LogQuery{"tailLines=18446744073709551615", "new 1\nnew 2\nnew 3\n"},
                    LogQuery{"previous=true&tailLines=1", "old 2\n"},
                    LogQuery{"sinceTime=1970-01-01T00:16:41Z", "new 2\nnew 3\n"},
                    LogQuery{"sinceTime=0001-01-01T00:00:00Z", "new 1\nnew 2\nnew 3\n"},
                    LogQuery{"sinceTime=9999-01-01T00:00:00Z", ""}, LogQuery{"sinceSeconds=60", ""},
                    LogQuery{"sinceSeconds=18446744073709551615", "new 1\nnew 2\nnew 3\n"},
                    LogQuery{"limitBytes=8", "new 1\nne"}, LogQuery{"limitBytes=0", ""},
                    LogQuery{"tailLines=2&limitBytes=8", "new 2\nne"},
                    LogQuery{"follow=false&container=web&pretty", "new 1\nnew 2\nnew 3\n"},
                    LogQuery{"tailLines=1&timestamps=true", "1970-01-01T00:16:42.000Z new 3\n"}));

class LogMistakes : public LogTest, public testing::WithParamInterface<LogQuery> {};

TEST_P(LogMistakes, AreNamed) {
  const Answer answer = get(GetParam().query);
  EXPECT_EQ(answer.status, 400);
  const json status = json::parse(answer.body);
  EXPECT_EQ(status["kind"], "Status");
  EXPECT_THAT(status["message"].get<std::string>(), HasSubstr(GetParam().body));
}

INSTANTIATE_TEST_SUITE_P(
    Table, LogMistakes,
    testing::Values(LogQuery{"tailLines=-1", "tailLines"}, LogQuery{"tailLines=1e3", "tailLines"},
                    LogQuery{"tailLines=18446744073709551616", "tailLines"},
                    LogQuery{"limitBytes=x%C3%A9", "limitBytes"},
                    LogQuery{"sinceSeconds=%2B1", "sinceSeconds"}, LogQuery{"follow=yes", "follow"},
                    LogQuery{"timestamps=2", "timestamps"}, LogQuery{"sinceTime=yesterday", "RFC 3339"},
                    LogQuery{"sinceTime=2027-01-31T12:00:00Z&sinceSeconds=1", "at most one"},
                    LogQuery{"follow=1&previous=1", "only one of follow and previous"}));

TEST_F(LogTest, OfWhatDoesNotRunIsAllThatWasKept) {
  printLives();
  publishWeb(std::nullopt);
  EXPECT_EQ(get("").body, "old 1\nold 2\nnew 1\nnew 2\nnew 3\n");
}

TEST_F(LogTest, IsEmptyBeforeAnythingWasPrinted) {
  console_.options.quiet = console_.options.longestReplay = 1h;
  const Answer answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
}

/// What prints all the time has a log that comes to an end nonetheless.
TEST_F(LogTest, DoesNotWaitForSilence) {
  console_.options.quiet = 1h;
  console_.options.longestReplay = 20ms;
  printLives();
  EXPECT_EQ(get("").body, "new 1\nnew 2\nnew 3\n");
}

TEST_F(LogTest, TakesTimesThatNoClockHas) {
  console_.print("long ago", "web", albatross::Time(std::chrono::sys_days(std::chrono::year(1) / 1 / 1)));
  console_.print("far away", "web",
                 albatross::Time(std::chrono::sys_days(std::chrono::year(9999) / 12 / 31)));
  EXPECT_EQ(get("timestamps=1").body, "2262-04-10T23:47:16.854Z far away\n");
  EXPECT_EQ(get("previous=1").body, "long ago\n");
  EXPECT_EQ(get("sinceSeconds=60").body, "far away\n");
}

TEST_F(LogTest, ShowsWhatMovesACursorAndNoSecret) {
  console_.declareSecrets("shop/web", {"hunter2"});
  console_.print("\x1b[2Jpassword hunter2\xff", "web", albatross::Time(2'000s));
  EXPECT_EQ(get("").body, "\\u001b[2Jpassword ‹redacted›\\xff\n");
}

TEST_F(LogTest, IsNotThereWhereThereIsNone) {
  EXPECT_EQ(get("", "nobody").status, 404);
  EXPECT_EQ(json::parse(get("", "nobody").body)["details"]["name"], "nobody");
  publishWeb(std::nullopt, std::nullopt);
  const Answer nowhere = get("");
  EXPECT_EQ(nowhere.status, 503);
  EXPECT_THAT(nowhere.body, HasSubstr("on no instance yet"));
  publishWeb(std::nullopt, "us-1");
  EXPECT_THAT(get("").body, HasSubstr("us-1 has not been reached yet"));
  publishWeb(std::nullopt, "eu-1");
  console_.ask([&] { console_.server.down = true; });
  const Answer down = get("follow=true");
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(json::parse(down.body)["reason"], "ServiceUnavailable");
}

TEST_F(LogTest, CannotBeWritten) {
  startServer();
  httplib::Client client("127.0.0.1", server_->port());
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    httplib::Request request;
    request.method = method;
    request.path = path("");
    const auto result = client.send(request);
    ASSERT_TRUE(result);
    EXPECT_THAT(result->status, testing::AnyOf(403, 405)) << method;
  }
  EXPECT_EQ(console_.subscriptions(), 0);
}

TEST_F(LogTest, HasAHeadWithoutABody) {
  printLives();
  startServer();
  const http::RawClient raw(server_->port());
  raw.send("HEAD " + path("follow=true") + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string answer = raw.receiveAll();
  EXPECT_THAT(answer, AllOf(HasSubstr("200 OK"), Not(HasSubstr("new 1"))));
}

/// Follows on a thread of its own; `enough` of it, and it goes away.
class Follower {
 public:
  Follower(std::uint16_t port, const std::string& target, std::string enough)
      : thread_([this, port, target, enough = std::move(enough)] {
          httplib::Client client("127.0.0.1", port);
          client.set_read_timeout(30);
          const auto result = client.Get(target, [&](const char* data, std::size_t size) {
            const std::lock_guard lock(mutex_);
            text_.append(data, size);
            came_.notify_all();
            return enough.empty() || !text_.contains(enough);
          });
          whole_ = result && result->status == 200;
        }) {}
  ~Follower() {
    if (thread_.joinable()) thread_.join();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  void await(const std::string& text) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(came_.wait_for(lock, 30s, [&] { return text_.contains(text); })) << text_;
  }
  /// Whether it came to its end.
  bool whole() {
    thread_.join();
    return whole_;
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::string text_;
  bool whole_ = false;
  std::thread thread_;
};

TEST_F(LogTest, GoesOnWithWhatComes) {
  printLives();
  startServer();
  Follower follower(server_->port(), path("follow=1&tailLines=1"), "five");
  follower.await("new 3\n");
  console_.print("four");
  follower.await("four\n");
  console_.print("five");
  EXPECT_FALSE(follower.whole()) << "it had enough";
  EXPECT_EQ(follower.text(), "new 3\nfour\nfive\n");
}

TEST_F(LogTest, EndsAfterSoManyBytes) {
  printLives();
  startServer();
  Follower follower(server_->port(), path("follow=1&tailLines=1&limitBytes=9"), "");
  follower.await("new 3\n");
  console_.print("four");
  EXPECT_TRUE(follower.whole());
  EXPECT_EQ(follower.text(), "new 3\nfou");
}

TEST_F(LogTest, BreaksOffWithItsServer) {
  printLives();
  startServer();
  Follower follower(server_->port(), path("follow=1"), "");
  follower.await("new 3\n");
  console_.ask([&] { console_.server.endStreams(); });
  EXPECT_FALSE(follower.whole()) << "this is not the end";
}

TEST_F(LogTest, LetsTheServerStop) {
  printLives();
  startServer();
  Follower one(server_->port(), path("follow=1"), ""), two(server_->port(), path("follow=1"), "");
  one.await("new 3\n");
  two.await("new 3\n");
  console_.options.quiet = 1h;
  server_->stop();
  one.whole();
  two.whole();
}

// -- Who may read it
// ---------------------------------------------------------------------------------------------

struct LogGrant {
  std::string resources;
  bool reads, log, usage;
  friend std::ostream& operator<<(std::ostream& out, const LogGrant& item) { return out << item.resources; }
};

class LogAccess : public testing::TestWithParam<LogGrant> {};

TEST_P(LogAccess, MustBeGranted) {
  const fixtures::TempDir folder;
  const std::string resources =
      GetParam().resources.empty() ? "" : "  resources: " + GetParam().resources + "\n";
  const auto file =
      folder.write("access.yaml",
                   "certificates:\n- commonName: alice\n  verbs: [get]\n  namespaces: [shop]\n" + resources);
  std::filesystem::permissions(file,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto access = Access::load({.tokenFile = file});
  ASSERT_TRUE(access) << access.error().message;
  const auto status = [&](const std::string& target) {
    reconcile::ObjectStore store;
    publish(store, unikernelView("shop", "web", true, Reason::Running, "It runs."));
    store.setSynced();
    reconcile::EventRecorder events(store);
    reconcile::UsageStore usages;
    usages.tell("eu-1", plan::keyOf("shop/web"), {.time = std::chrono::system_clock::now()});
    const ResourceApi api(store, events.events(), nullptr, {.usages = &usages});
    Metrics metrics(BuildInfo{"1", "r"});
    const Router router(store, api, metrics, **access);
    return router
        .handle({.method = "GET",
                 .target = "/apis/rookery.dev/v1alpha1/namespaces/shop/" + target,
                 .host = "localhost",
                 .peer = {.address = "10.0.0.2", .tls = true, .commonName = "alice"}})
        .status;
  };
  const auto& [_, reads, log, usage] = GetParam();
  EXPECT_EQ(status("unikernels/web"), reads ? 200 : 403);
  EXPECT_EQ(status("unikernels/web/log"), log ? 503 : 403) << "503: no console can be read here";
  EXPECT_EQ(status("unikernels/web/usage"), usage ? 200 : 403);
  EXPECT_EQ(status("unikernelusages/web"), usage ? 200 : 403);
}

INSTANTIATE_TEST_SUITE_P(Table, LogAccess,
                         testing::Values(LogGrant{"", true, false, true},
                                         LogGrant{"[\"*\"]", true, true, true},
                                         LogGrant{"[unikernels]", true, false, true},
                                         LogGrant{"[unikernels/log]", false, true, false},
                                         LogGrant{"[unikernels, unikernels/log]", true, true, true},
                                         LogGrant{"[secrets]", false, false, false},
                                         LogGrant{"[]", false, false, false}));

}  // namespace
}  // namespace rookery::serve
