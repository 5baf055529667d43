// Notifications on their way: real servers on loopback, and a clock that the test moves.

#include "notify/courier.h"

#include <gmock/gmock.h>
#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <istream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fixtures/relay.h"
#include "notify/transfers.h"
#include "unit/serve/views.h"

namespace rookery::notify {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// Takes what is posted to it; goes away, and comes back on the same port.
class HttpReceiver {
 public:
  struct Post {
    std::string path, signature, body;
  };
  HttpReceiver() { up(); }
  ~HttpReceiver() { down(); }
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  void up() {
    server_.emplace();
    const auto take = [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      response.status = status;
      if (status == 429) response.set_header("Retry-After", "120");
      posts_.push_back({request.path, request.get_header_value("X-Rookery-Signature-256"), request.body});
    };
    server_->Post(".*", take);
    server_->Put(".*", take);
    if (port_ == 0) {
      port_ = server_->bind_to_any_port("127.0.0.1");
    } else {
      ASSERT_TRUE(server_->bind_to_port("127.0.0.1", port_));
    }
    thread_ = std::jthread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  void down() {
    if (!server_) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Post> posts() const {
    const std::lock_guard lock(mutex_);
    return posts_;
  }
  /// The ids of all that was posted, in their order.
  std::vector<std::string> messages() const {
    std::vector<std::string> all;
    for (const Post& post : posts()) {
      const json body = json::parse(post.body);  // must outlive the loop over a part of it
      for (const json& each : body["notifications"]) all.push_back(each["message"]);
    }
    return all;
  }

  std::atomic<int> status = 200;

 private:
  mutable std::mutex mutex_;
  std::vector<Post> posts_;
  int port_ = 0;
  std::optional<httplib::Server> server_;
  std::jthread thread_;
};

Receiver hook(const std::string& url, const std::string& name = "ops") {
  return {.name = name, .way = Webhook{.url = url, .secret = "key"}, .perMinute = 600};
}

class CourierTest : public testing::Test {
 protected:
  Courier& open(std::vector<Receiver> receivers) {
    transfers_.emplace(Transfers::Patience{.connect = 5s, .whole = 500ms});
    arrived_.clear();
    underWay_ = 0;
    Settings settings{
        .receivers = std::move(receivers), .rules = {.settle = 10s, .between = 5min}, .files = {}};
    return courier_.emplace(
        objects_,
        Courier::Options{.settings = std::move(settings),
                         .notes = notes_,
                         .send = [this](const Receiver& receiver, Request request,
                                        const auto& done) { send(receiver, std::move(request), done); },
                         .note =
                             [this](const std::string& key, std::optional<std::string> value,
                                    const std::function<void()>& written) {
                               unwritten_.push_back({key, std::move(value), written});
                               if (diskWorks_) write();
                             },
                         .warn = [this](const std::string& message) { warnings_.push_back(message); },
                         .inform = [this](const std::string& message) { told_.push_back(message); },
                         .limits = limits_});
  }
  void send(const Receiver& receiver, Request request, const std::function<void(const Outcome&)>& done) {
    ++underWay_;
    transfers_->send(receiver, std::move(request), [this, done](const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      arrived_.push_back([done, outcome] { done(outcome); });
      changed_.notify_one();
    });
  }
  /// Waits until a transfer has ended, for a moment.
  void arrive() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20ms, [this] { return !arrived_.empty(); });
    for (const auto& tell : std::exchange(arrived_, {})) {
      --underWay_;
      tell();
    }
    courier_->work(now_);
  }
  /// What was to be noted is on the disk.
  void write() {
    for (auto& [key, value, written] : std::exchange(unwritten_, {})) {
      if (value) {
        notes_[key] = *std::move(value);
      } else {
        notes_.erase(key);
      }
      if (written) written();
    }
  }
  /// Until nothing is under way, and nothing due.
  void settle() {
    const auto end = std::chrono::steady_clock::now() + 30s;
    do {
      courier_->work(now_);
      if (underWay_ > 0) arrive();
      ASSERT_LT(std::chrono::steady_clock::now(), end);
    } while (underWay_ > 0 || courier_->due().value_or(SystemTime::max()) <= now_);
  }
  void pass(std::chrono::seconds time, std::chrono::seconds step = 10s) {
    for (const SystemTime until = now_ + time; now_ < until;) {
      now_ += step;
      settle();
    }
  }
  void lost(const std::string& name) { news(name, false, Reason::CrashLoopBackOff, name + " ended."); }
  void regained(const std::string& name) { news(name, true, Reason::Running, name + " runs."); }
  void news(const std::string& name, bool ready, Reason reason, const std::string& message) {
    News news;
    const api::ObjectKey key{api::Kind::Unikernel, "shop", name};
    news.ready[key] = {.object = key, .ready = ready, .reason = reason, .message = message};
    courier_->hear(std::move(news), now_);
  }
  /// Nothing is declared any more.
  void removeAll() {
    News news;
    news.scan = {.declared = {}, .synced = true, .revisions = {}, .mistakes = {}};
    courier_->hear(std::move(news), now_);
  }
  void warn(const std::string& message) {
    News news;
    news.occasions.push_back({.id = {}, .time = {}, .type = Type::Warning, .message = message});
    courier_->hear(std::move(news), now_);
  }

  reconcile::ObjectStore objects_;
  SystemTime now_{1'700'000'000s};
  Rules::Notes notes_;
  Queue::Limits limits_;
  std::vector<std::string> warnings_, told_;
  struct Unwritten {
    std::string key;
    std::optional<std::string> value;
    std::function<void()> written;
  };
  std::vector<Unwritten> unwritten_;
  bool diskWorks_ = true;
  HttpReceiver receiver_;
  std::optional<Courier> courier_;
  std::size_t underWay_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> arrived_;
  std::optional<Transfers> transfers_;  // ends before what it tells
};

TEST_F(CourierTest, TellsThatWhatItToldHasPassedOnceTheObjectIsGone) {
  HttpReceiver receiver;
  open({hook(receiver.url())});
  serve::publish(objects_, serve::unikernelView("shop", "web", false, Reason::CrashLoopBackOff, ""));
  objects_.setSynced();
  lost("web");
  removeAll();
  pass(1min);
  EXPECT_THAT(receiver.messages(), ElementsAre("web ended.")) << "it is still there";
  objects_.remove({api::Kind::Unikernel, "shop", "web"});
  pass(10s);
  EXPECT_THAT(receiver.messages(), ElementsAre("web ended.", "Unikernel shop/web is not declared any more."));
}

TEST_F(CourierTest, TellsWhatIsLostAndRegained) {
  open({hook(receiver_.url())});
  lost("web");
  settle();
  EXPECT_THAT(receiver_.messages(), IsEmpty()) << "it may pass";
  pass(10s);
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended."));
  regained("web");
  pass(5min);
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended.", "web runs."));
  const auto posts = receiver_.posts();
  for (const auto& post : posts) EXPECT_EQ(post.signature, signatureOf(post.body, "key"));
  EXPECT_EQ(courier_->counts().at("ops").sent, 2U);
  EXPECT_EQ(courier_->counts().at("ops").waiting, 0U);
  EXPECT_THAT(notes_, IsEmpty()) << "nothing waits, nothing is in trouble";
}

TEST_F(CourierTest, LosesNothingThatMattersWhileAReceiverIsDownForAnHour) {
  open({hook(receiver_.url())});
  receiver_.down();
  std::vector<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    const std::string name = "web-" + std::to_string(i);
    lost(name);
    expected.push_back(name + " ended.");
    pass(1min, 30s);
    if (i == 30) open({hook(receiver_.url())});  // the process was killed, and began again
  }
  EXPECT_EQ(courier_->counts().at("ops").waiting, 60U);
  EXPECT_GE(courier_->counts().at("ops").failed, 3U);
  EXPECT_LE(courier_->counts().at("ops").failed, 40U) << "it is tried less and less often";
  EXPECT_THAT(warnings_, Contains(HasSubstr("The receiver ops cannot be told: ")));
  receiver_.up();
  pass(10min);
  EXPECT_THAT(receiver_.messages(), testing::ElementsAreArray(expected));
  EXPECT_THAT(receiver_.posts(), SizeIs(testing::Le(4U))) << "together";
  EXPECT_THAT(told_, ElementsAre("The receiver ops can be told of things again."));
  EXPECT_EQ(courier_->counts().at("ops").dropped, 0U);
}

TEST_F(CourierTest, TellsAgainOnlyWhatItCannotKnowToHaveArrived) {
  open({hook(receiver_.url())});
  lost("web");
  now_ += 10s;
  courier_->work(now_);
  const Rules::Notes atTheCrash = notes_;
  settle();
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended."));
  notes_ = atTheCrash;
  open({hook(receiver_.url())});
  lost("web");
  pass(1min);
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended.", "web ended."));
  const auto posts = receiver_.posts();
  EXPECT_EQ(json::parse(posts[0].body)["notifications"][0]["id"],
            json::parse(posts[1].body)["notifications"][0]["id"]);
  open({hook(receiver_.url())});
  pass(1h, 60s);
  EXPECT_THAT(receiver_.messages(), SizeIs(2));
}

TEST_F(CourierTest, TellsWhatHasPassedThoughItDiedRightAfterItHadToldOfIt) {
  open({hook(receiver_.url())});
  diskWorks_ = false;
  lost("web");
  pass(13s, 1s);
  EXPECT_THAT(receiver_.messages(), IsEmpty()) << "another process would not know that it was told";
  write();
  settle();
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended."));
  unwritten_.clear();
  open({hook(receiver_.url())});
  regained("web");
  pass(30s);
  EXPECT_EQ(receiver_.messages().back(), "web runs.");
}

TEST_F(CourierTest, TellsWithoutADisk) {
  open({hook(receiver_.url())});
  diskWorks_ = false;
  lost("web");
  pass(20s);
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended."));
}

TEST_F(CourierTest, DoesNotWaitForOneThatHangs) {
  fixtures::Relay relay(receiver_.port());
  relay.hold();
  open({hook("http://127.0.0.1:" + std::to_string(relay.port()), "hangs"), hook(receiver_.url())});
  lost("web");
  now_ += 10s;
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (receiver_.messages().empty() && std::chrono::steady_clock::now() < end) {
    courier_->work(now_);
    arrive();
  }
  EXPECT_THAT(receiver_.messages(), ElementsAre("web ended.")) << "the other one was told meanwhile";
  settle();
  EXPECT_EQ(courier_->counts().at("hangs").waiting, 1U);
  relay.release();
  pass(5min);
  EXPECT_EQ(courier_->counts().at("hangs").waiting, 0U);
}

TEST_F(CourierTest, WaitsAsLongAsItIsAskedTo) {
  open({hook(receiver_.url())});
  receiver_.status = 429;
  lost("web");
  pass(10s);
  EXPECT_THAT(receiver_.posts(), SizeIs(1));
  receiver_.status = 200;
  pass(110s);
  EXPECT_THAT(receiver_.posts(), SizeIs(1)) << "Retry-After: 120";
  pass(20s);
  EXPECT_THAT(receiver_.posts(), SizeIs(2));
  EXPECT_EQ(courier_->counts().at("ops").waiting, 0U);
}

TEST_F(CourierTest, GivesUpWhatIsRoutineWhereItIsRefused) {
  Receiver all = hook(receiver_.url());
  all.filter.severity = Severity::Info;
  open({all});
  receiver_.status = 401;
  warn("It is slow.");
  lost("web");
  settle();
  EXPECT_EQ(courier_->counts().at("ops").dropped, 1U);
  pass(1h, 60s);
  EXPECT_EQ(courier_->counts().at("ops").waiting, 1U) << "somebody may mend the token";
  receiver_.status = 200;
  pass(10min);
  EXPECT_EQ(receiver_.messages().back(), "web ended.");
  EXPECT_EQ(courier_->counts().at("ops").waiting, 0U);
}

TEST_F(CourierTest, HasABoundAndSaysSo) {
  limits_.most = 10;
  open({hook(receiver_.url())});
  receiver_.down();
  for (int i = 0; i < 25; ++i) lost("web-" + std::to_string(i));
  pass(1min);
  EXPECT_EQ(courier_->counts().at("ops").waiting, 10U);
  EXPECT_EQ(courier_->counts().at("ops").dropped, 15U);
  EXPECT_THAT(warnings_, Contains("Notifications for the receiver ops are given up: too many wait."));
  const auto isMessage = [](const auto& item) { return item.first.starts_with("message/"); };
  EXPECT_EQ(std::ranges::count_if(notes_, isMessage), 10);
}

TEST_F(CourierTest, FollowsItsSettings) {
  Courier& courier = open({hook("http://127.0.0.1:1", "old"), hook(receiver_.url())});
  receiver_.down();
  lost("web");
  pass(10s);
  HttpReceiver other;
  courier.configure({.receivers = {hook(other.url())}, .rules = {.settle = 0s, .between = 0s}, .files = {}});
  pass(5min);
  EXPECT_THAT(other.messages(), ElementsAre("web ended.")) << "the same receiver, at another place";
  EXPECT_THAT(warnings_,
              Contains("Notifications for the receiver old are given up: it is not named any more."));
  EXPECT_THAT(courier.counts(), ElementsAre(testing::Key("ops")));
}

TEST_F(CourierTest, ForgetsWhatWaitsForNobody) {
  notes_ = {{"message/0000000000000007", R"({"receiver": "gone", "notification": {}})"},
            {"message/broken", "{"},
            {"message/0000000000000008", "\xff"}};
  open({hook(receiver_.url())}).work(now_);
  EXPECT_THAT(notes_, ElementsAre(testing::Key("message/broken")));
  lost("web");
  now_ += 10s;
  receiver_.down();
  settle();
  EXPECT_TRUE(notes_.contains("message/0000000000000009")) << "no number is used twice";
}

TEST_F(CourierTest, TakesNoAnswerForThatOfAnother) {
  fixtures::Relay relay(receiver_.port());
  relay.hold();
  Courier& courier = open({hook("http://127.0.0.1:" + std::to_string(relay.port()))});
  lost("web");
  now_ += 10s;
  courier.work(now_);  // which will fail
  courier.configure({.receivers = {}, .rules = {}, .files = {}});
  courier.configure(
      {.receivers = {hook(receiver_.url())}, .rules = {.settle = 0s, .between = 0s}, .files = {}});
  lost("db");
  settle();
  EXPECT_EQ(courier.counts().at("ops").failed, 0U);
  EXPECT_THAT(receiver_.messages(), ElementsAre("db ended."));
}

/// Answers one client after the other as a mail server does that has no TLS.
class MailServer {
 public:
  /// So many mails are refused for now.
  explicit MailServer(int refusals) : refusals_(refusals), thread_([this] { serve(); }) {}
  ~MailServer() {
    stopping_ = true;
    ::shutdown(client_, SHUT_RDWR);
    boost::system::error_code ignored;
    Tcp::socket poke(context_);
    poke.connect({boost::asio::ip::address_v4::loopback(), port()}, ignored);
  }
  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::vector<std::string> mails() const {
    const std::lock_guard lock(mutex_);
    return mails_;
  }

 private:
  using Tcp = boost::asio::ip::tcp;

  void serve() {
    while (!stopping_) {
      Tcp::socket client(context_);
      acceptor_.accept(client);
      client_ = client.native_handle();
      boost::system::error_code gone;
      talk(client, gone);
      client_ = -1;
    }
  }
  void talk(Tcp::socket& client, boost::system::error_code& gone) {
    boost::asio::streambuf buffer;
    const auto say = [&](const std::string& line) {
      boost::asio::write(client, boost::asio::buffer(line + "\r\n"), gone);
    };
    const auto hear = [&](const std::string& end) {
      const std::size_t length = boost::asio::read_until(client, buffer, end, gone);
      std::string text(boost::asio::buffers_begin(buffer.data()),
                       boost::asio::buffers_begin(buffer.data()) + static_cast<std::ptrdiff_t>(length));
      buffer.consume(length);
      return text;
    };
    say("220 mail.example.org");
    while (!gone && !stopping_) {
      const std::string line = hear("\r\n");
      if (line.starts_with("MAIL") && refusals_-- > 0) {
        say("451 4.7.1 Greylisted");
      } else if (line.starts_with("DATA")) {
        say("354 Go ahead");
        const std::string mail = hear("\r\n.\r\n");
        const std::lock_guard lock(mutex_);
        mails_.push_back(mail);
        say("250 Taken");
      } else if (line.starts_with("QUIT")) {
        say("221 Bye");
        return;
      } else {
        say("250 Yes");
      }
    }
  }

  boost::asio::io_context context_;
  Tcp::acceptor acceptor_{context_, {boost::asio::ip::address_v4::loopback(), 0}};
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::atomic<int> refusals_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> client_ = -1;
  mutable std::mutex mutex_;
  std::vector<std::string> mails_;
  std::jthread thread_;
};

Receiver mail(std::uint16_t port, bool plain) {
  return {.name = "mail",
          .way = Email{.server = "smtp://127.0.0.1:" + std::to_string(port),
                       .from = "rookery@example.org",
                       .to = {"ops@example.org", "on-call@example.org"},
                       .plain = plain}};
}

TEST_F(CourierTest, SendsMailsThatAMailServerPutsOff) {
  MailServer server(1);
  open({mail(server.port(), true)});
  lost("web");
  pass(10s);
  EXPECT_THAT(server.mails(), IsEmpty());
  EXPECT_EQ(courier_->counts().at("mail").failed, 1U);
  pass(1min);
  ASSERT_THAT(server.mails(), SizeIs(1));
  EXPECT_THAT(server.mails()[0],
              HasSubstr("Subject: Unikernel shop/web is not Ready (CrashLoopBackOff)\r\n"));
  EXPECT_THAT(server.mails()[0], HasSubstr("d2ViIGVuZGVkLg==")) << "web ended.";
  EXPECT_EQ(courier_->counts().at("mail").sent, 1U);
}

TEST_F(CourierTest, SendsNoMailWithoutTheTlsThatItWasToldToUse) {
  MailServer server(0);
  open({mail(server.port(), false)});
  lost("web");
  pass(10s);
  EXPECT_THAT(server.mails(), IsEmpty());
  EXPECT_EQ(courier_->counts().at("mail").waiting, 1U);
  EXPECT_THAT(warnings_, Contains(HasSubstr("The receiver mail cannot be told: ")));
}

/// A checkout that an instance and a unikernel come from.
class CommitTest : public CourierTest {
 protected:
  void SetUp() override {
    Receiver forge{
        .name = "forge",
        .way =
            CommitStatusWay{.api = receiver_.url(), .repository = "org/fleet", .token = "t", .root = "/live"},
        .perMinute = 600};
    Receiver other = forge;
    other.name = "other";
    std::get<CommitStatusWay>(other.way).root = "/elsewhere";
    open({forge, other});
    for (auto view : {serve::instanceView("eu-1", "127.0.0.1:1025"),
                      serve::unikernelView("shop", "web", true, Reason::Running, "It runs.")}) {
      auto object = std::make_shared<api::Object>(*view->object);
      object->origin.root = "/live";
      auto here = std::make_shared<reconcile::ObjectView>(*view);
      here->object = object;
      serve::publish(objects_, here);
    }
  }
  void scan(const std::string& commit, const std::string& mistake = "") {
    News news;
    news.scan = {.declared = {{api::Kind::Unikernel, "shop", "web"}, eu_},
                 .synced = true,
                 .revisions = {},
                 .mistakes = {}};
    news.scan->revisions["/live"] = {.branch = "main", .commit = commit};
    if (!mistake.empty()) news.scan->mistakes["/live"] = mistake;
    objects_.noteSources(eu_, {{"/live", news.scan->revisions["/live"].toString(), applied_}});
    courier_->hear(std::move(news), now_);
  }
  void apply(const std::string& commit) {
    applied_ = source::Revision{.branch = "main", .commit = commit}.toString();
    objects_.noteSources(eu_, {{"/live", applied_, applied_}});
    News news;
    news.applied = true;
    courier_->hear(std::move(news), now_);
  }
  /// "COMMIT STATE" of each status that was posted.
  std::vector<std::string> statuses() {
    std::vector<std::string> all;
    for (const auto& post : receiver_.posts()) {
      all.push_back(post.path.substr(post.path.rfind('/') + 1) + " " +
                    json::parse(post.body).at("state").get<std::string>());
    }
    return all;
  }

  const api::ObjectKey eu_{api::Kind::AlbatrossInstance, "", "eu-1"};
  std::string applied_;
};

TEST_F(CommitTest, SaysOfEachCommitHowFarItIs) {
  scan("aaa");
  pass(10s);
  apply("aaa");
  pass(10s);
  scan("aaa");
  pass(10s);
  EXPECT_THAT(statuses(), ElementsAre("aaa pending", "aaa success"));
  scan("bbb", "web.yaml:1:1: a mistake");
  pass(10s);
  scan("ccc");
  pass(10s);
  lost("web");
  pass(20s);
  regained("web");
  apply("ccc");
  pass(5min);
  EXPECT_THAT(statuses(), ElementsAre("aaa pending", "aaa success", "bbb failure", "ccc pending",
                                      "ccc failure", "ccc success"));
}

TEST_F(CommitTest, SaysNothingAgainAfterARestart) {
  scan("aaa");
  apply("aaa");
  pass(10s);
  EXPECT_THAT(statuses(), ElementsAre("aaa success")) << "of what was waiting, the last";
  SetUp();
  scan("aaa");
  pass(1min);
  EXPECT_THAT(statuses(), SizeIs(1));
}

}  // namespace
}  // namespace rookery::notify
