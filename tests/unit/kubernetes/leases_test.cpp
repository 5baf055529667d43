#include "kubernetes/leases.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <limits>
#include <optional>

#include "kubernetes/coroutine.h"
#include "unit/kubernetes/scripted_api.h"

namespace rookery::kubernetes {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::UnorderedElementsAre;

const std::string leader = "rookery";

std::string leaseOfInstance(const std::string& instance) { return "rookery-instance-" + instance; }

/// The Leases of an API server, with its optimistic locking and with writes that take their time.
class LeaseServer {
 public:
  explicit LeaseServer(asio::io_context& context)
      : never_(context, asio::steady_timer::time_point::max()),
        api_(context, [this](ScriptedApi::Request request) { return answer(std::move(request)); }) {}

  Config config() const { return api_.config(); }
  bool has(const std::string& lease) const { return leases_.contains(lease); }
  std::string holder(const std::string& lease) const {
    const auto found = leases_.find(lease);
    return found == leases_.end() ? "" : found->second["spec"].value("holderIdentity", "");
  }
  /// How often it was replaced.
  int replaced(const std::string& lease) const {
    const auto found = replaced_.find(lease);
    return found == replaced_.end() ? 0 : found->second;
  }

  /// Somebody takes it, and does not renew it.
  void take(const std::string& lease, const std::string& holder) {
    leases_[lease] = {{"metadata", {{"name", lease}, {"resourceVersion", std::to_string(++version_)}}},
                      {"spec", {{"holderIdentity", holder}, {"leaseDurationSeconds", 3}}}};
  }

  std::chrono::milliseconds delay{0};  // of each write
  std::function<bool(const std::string& lease)> hangs = [](const std::string&) { return false; };  // writes
  int hanging = 0;  // writes that did
  std::vector<json> events;
  int mostAtOnce = 0;  // writes

 private:
  using Answer = ScriptedApi::Answer;

  asio::awaitable<Answer> answer(ScriptedApi::Request request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (path == "/api/v1/namespaces/fleet/events") {
      events.push_back(request.body);
      co_return Answer{201, request.body};
    }
    const std::string collection = "/apis/coordination.k8s.io/v1/namespaces/fleet/leases";
    if (request.method == "GET") co_return read(path == collection ? "" : path.substr(collection.size() + 1));
    const std::string name =
        path == collection ? request.body["metadata"].value("name", "") : path.substr(collection.size() + 1);
    mostAtOnce = std::max(mostAtOnce, ++writing_);
    co_await takeTime(name);
    --writing_;
    co_return write(request.method, name, request.body);
  }

  asio::awaitable<void> takeTime(std::string name) {
    if (hangs(name)) {
      ++hanging;
      (void)co_await never_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    asio::steady_timer timer(never_.get_executor(), delay);
    co_await timer.async_wait(asio::use_awaitable);
  }

  Answer read(const std::string& name) const {
    if (!name.empty()) {
      const auto found = leases_.find(name);
      return found == leases_.end() ? Answer{404, {}} : Answer{200, found->second};
    }
    json list = {{"metadata", {{"resourceVersion", std::to_string(version_)}}}, {"items", json::array()}};
    for (const auto& [each, lease] : leases_) list["items"].push_back(lease);
    return {200, list};
  }

  Answer write(const std::string& method, const std::string& name, json lease) {
    const auto found = leases_.find(name);
    if (method == "POST" && found != leases_.end()) return {409, {}};
    if (method != "POST" && found == leases_.end()) return {404, {}};
    if (method == "DELETE") {
      leases_.erase(found);
      return {200, json::object()};
    }
    if (method == "PUT") {
      if (lease["metadata"]["resourceVersion"] != found->second["metadata"]["resourceVersion"])
        return {409, {}};
      ++replaced_[name];
    }
    lease["metadata"]["resourceVersion"] = std::to_string(++version_);
    leases_[name] = lease;
    return {200, lease};
  }

  asio::steady_timer never_;
  ScriptedApi api_;
  std::map<std::string, json> leases_;
  std::map<std::string, int> replaced_;
  int version_ = 0;
  int writing_ = 0;
};

class LeasesTest : public testing::Test {
 protected:
  LeasesTest() {
    options_.nameSpace = "fleet";
    options_.identity = "me";
    options_.duration = 3s;
    options_.renewDeadline = 2s;
    options_.retryPeriod = 400ms;
    options_.prepare = [this] { return prepare(); };
    options_.changed = [this] { ++changes_; };
    options_.warn = [this](const std::string& message) { warnings_.push_back(message); };
    options_.inform = [this](const std::string& message) { news_.push_back(message); };
  }
  ~LeasesTest() override { stop(); }

  void start(std::chrono::milliseconds requestTimeout = 600ms) {
    client_.emplace(server_.config(), Client::Options{.timeout = requestTimeout});
    leases_.emplace(*client_, options_);
    leases_->setInstances(instances_);
    asio::co_spawn(io_, leases_->run(),
                   asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     ended_ = true;
                   }));
  }

  void stop() {
    if (!leases_ || ended_) return;
    cancel_.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(until([&] { return ended_; }));
    client_->close();
  }

  void setInstances(std::set<std::string> instances) {
    instances_ = std::move(instances);
    if (leases_) leases_->setInstances(instances_);
  }

  template <class Condition>
  bool until(const Condition& condition) {
    return runUntil(io_, condition);
  }
  /// Until it has been renewed so many times more.
  bool untilRenewed(const std::string& lease, int times) {
    const int enough = server_.replaced(lease) + times;
    return until([&] { return server_.replaced(lease) >= enough; });
  }
  bool untilHeld(const std::string& instance) {
    return until([&] { return leases_->holds(instance); });
  }

  /// What the ones before wrote is read as often, and no more often, as the test lets it be.
  void letPrepare(int times) {
    allowed_ = times;
    gate_.cancel();
  }

  asio::awaitable<bool> prepare() {
    const int number = ++begun_;
    EXPECT_FALSE(std::exchange(preparing_, true)) << "once at a time";
    bool over = false;
    while (!over && allowed_ < number) {
      gate_.expires_at(asio::steady_timer::time_point::max());
      (void)co_await gate_.async_wait(asio::as_tuple(asio::use_awaitable));
      over = co_await cancelled();
    }
    preparing_ = false;
    co_return !over && number > failing_;
  }

  static constexpr int always = std::numeric_limits<int>::max();

  asio::io_context io_;
  LeaseServer server_{io_};
  asio::steady_timer gate_{io_};
  int allowed_ = always, begun_ = 0, failing_ = 0;
  bool preparing_ = false;
  Leases::Options options_;
  std::set<std::string> instances_;
  int changes_ = 0;
  std::vector<std::string> warnings_, news_;
  std::optional<Client> client_;
  std::optional<Leases> leases_;
  asio::cancellation_signal cancel_;
  bool ended_ = false;
};

TEST_F(LeasesTest, LeadsFromThePreparationUntilTheEnd) {
  start();
  ASSERT_TRUE(untilHeld(""));
  EXPECT_TRUE(leases_->holds("eu-1")) << "whoever leads commands all";
  EXPECT_EQ(server_.holder(leader), "me");
  EXPECT_EQ(begun_, 1);
  stop();
  EXPECT_FALSE(leases_->holds(""));
  EXPECT_EQ(server_.holder(leader), "") << "others need not wait";
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(LeasesTest, TellsWhoCommandsWhat) {
  options_.shard = true;
  setInstances({"eu-1"});
  start();
  ASSERT_TRUE(until([&] { return server_.events.size() == 2; }));
  stop();
  EXPECT_THAT(news_, UnorderedElementsAre(
                         "me commands what is on no instance now: it holds the Lease rookery.",
                         "me commands AlbatrossInstance eu-1 now: it holds the Lease rookery-instance-eu-1.",
                         HasSubstr("me does not command what is on no instance any more"),
                         HasSubstr("me does not command AlbatrossInstance eu-1 any more")));
  ASSERT_EQ(server_.events.size(), 4u);
  for (const json& event : server_.events) {
    EXPECT_EQ(event["reason"], "LeaderElection");
    EXPECT_EQ(event["involvedObject"]["kind"], "Lease");
    EXPECT_THAT(news_, Contains(event["message"].get<std::string>()));
  }
}

TEST_F(LeasesTest, SaysOnceForWhomItStandsBy) {
  server_.take(leader, "other");
  start();
  ASSERT_TRUE(until([&] { return !news_.empty(); }));
  EXPECT_EQ(leases_->holderElsewhere("eu-1"), "other");
  ASSERT_TRUE(untilHeld("")) << "the other one does not renew it";
  EXPECT_EQ(leases_->holderElsewhere("eu-1"), std::nullopt);
  EXPECT_THAT(news_, ElementsAre("me stands by: other holds the Lease rookery.",
                                 "me commands all instances now: it holds the Lease rookery."));
}

TEST_F(LeasesTest, RenewsHoweverLongThePreparationTakes) {
  letPrepare(0);
  start();
  ASSERT_TRUE(until([&] { return begun_ == 1; }));
  const auto taken = std::chrono::steady_clock::now();
  ASSERT_TRUE(untilRenewed(leader, 3));
  EXPECT_GT(std::chrono::steady_clock::now() - taken, options_.renewDeadline);
  EXPECT_FALSE(leases_->holds("")) << "what the one before wrote is not known yet";
  EXPECT_EQ(begun_, 1);
  letPrepare(1);
  EXPECT_TRUE(untilHeld(""));
  EXPECT_EQ(begun_, 1) << "it is the same holding";
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(LeasesTest, PreparesAgainAfterItHasFailed) {
  failing_ = 2;
  start();
  ASSERT_TRUE(until([&] { return begun_ == 2; }));
  EXPECT_FALSE(leases_->holds(""));
  EXPECT_TRUE(untilHeld(""));
  EXPECT_EQ(begun_, 3);
}

TEST_F(LeasesTest, TakesNothingIntoUseThatCameAfterThePreparationBegan) {
  options_.shard = true;
  setInstances({"a"});
  start();
  ASSERT_TRUE(until([&] { return leases_->holds("a") && leases_->holds("") && !preparing_; }));
  const int before = begun_;
  letPrepare(before);
  setInstances({"a", "b"});
  ASSERT_TRUE(until([&] { return begun_ == before + 1; }));
  setInstances({"a", "b", "c"});
  ASSERT_TRUE(until([&] { return server_.holder(leaseOfInstance("c")) == "me"; }));
  ASSERT_TRUE(untilRenewed(leaseOfInstance("a"), 3));
  EXPECT_TRUE(leases_->holds("a")) << "the others stay in use meanwhile";
  EXPECT_FALSE(leases_->holds("b"));
  letPrepare(before + 1);
  ASSERT_TRUE(untilHeld("b"));
  EXPECT_FALSE(leases_->holds("c"));
  ASSERT_TRUE(until([&] { return begun_ == before + 2; }));
  EXPECT_FALSE(leases_->holds("c"));
  letPrepare(always);
  EXPECT_TRUE(untilHeld("c"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(LeasesTest, RenewsManyInTimeOnASlowServer) {
  options_.shard = true;
  options_.duration = 6s;
  options_.renewDeadline = 4s;
  options_.retryPeriod = 600ms;
  std::set<std::string> instances;
  for (int i = 0; i < 60; ++i) instances.insert(fmt::format("i{}", i));
  setInstances(instances);
  start(2s);
  const auto all = [&](const auto& condition) {
    return until([&] { return std::ranges::all_of(instances, condition); });
  };
  ASSERT_TRUE(all([&](const std::string& each) { return leases_->holds(each); }));
  server_.delay = 100ms;  // one after another that is 6 s for all
  std::map<std::string, int> before;
  for (const std::string& each : instances) before[each] = server_.replaced(leaseOfInstance(each));
  EXPECT_TRUE(all(
      [&](const std::string& each) { return server_.replaced(leaseOfInstance(each)) >= before[each] + 2; }));
  EXPECT_TRUE(std::ranges::all_of(instances, [&](const std::string& each) { return leases_->holds(each); }));
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_THAT(server_.mostAtOnce, AllOf(Ge(2), Le(16))) << "8 that are renewed, and 8 that are taken";
  server_.delay = 0ms;
}

TEST_F(LeasesTest, GivesUpWhatHangsAndNothingElse) {
  options_.shard = true;
  setInstances({"a", "b"});
  start();
  ASSERT_TRUE(until([&] { return leases_->holds("a") && leases_->holds("b") && leases_->holds(""); }));
  const int changes = changes_;
  server_.hangs = [](const std::string& lease) { return lease == leaseOfInstance("a"); };
  bool alwaysB = true;
  ASSERT_TRUE(until([&] {
    alwaysB = alwaysB && leases_->holds("b") && leases_->holds("");
    return changes_ > changes;
  }));
  EXPECT_FALSE(leases_->holds("a"));
  EXPECT_THAT(warnings_, Contains(HasSubstr("rookery-instance-a could not be renewed in time")));
  EXPECT_TRUE(untilRenewed(leaseOfInstance("b"), 3));
  EXPECT_TRUE(alwaysB && leases_->holds("b") && leases_->holds(""));
  server_.hangs = [](const std::string&) { return false; };
  EXPECT_TRUE(untilHeld("a"));
}

TEST_F(LeasesTest, EndsInTheMiddleOfAnything) {
  struct Case {
    const char* what;
    int prepare;      // how often that ends
    bool writesHang;  // all of them, for longer than the test lasts
  };
  const std::vector<Case> cases = {
      {"a preparation that takes long", 0, false},
      {"a write that hangs", always, true},
      {"both", 0, true},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    letPrepare(each.prepare);
    begun_ = server_.hanging = 0;
    ended_ = false;
    start(600s);
    ASSERT_TRUE(until([&] { return begun_ == 1; }));
    if (each.writesHang) {
      server_.hangs = [](const std::string&) { return true; };
      ASSERT_TRUE(until([&] { return server_.hanging > 0; }));
    }
    stop();
    EXPECT_TRUE(ended_);
    EXPECT_FALSE(preparing_);
    EXPECT_FALSE(leases_->holds(""));
    EXPECT_EQ(server_.holder(leader), each.writesHang ? "me" : "");
    server_.hangs = [](const std::string&) { return false; };
  }
}

TEST_F(LeasesTest, GivesBackAllShards) {
  options_.shard = true;
  setInstances({"a", "b"});
  start();
  ASSERT_TRUE(until([&] { return leases_->holds("a") && leases_->holds("b") && leases_->holds(""); }));
  EXPECT_THAT(leases_->held(),
              UnorderedElementsAre(std::pair{leader, true}, std::pair{leaseOfInstance("a"), true},
                                   std::pair{leaseOfInstance("b"), true}));
  stop();
  EXPECT_EQ(server_.holder(leader), "");
  EXPECT_EQ(server_.holder(leaseOfInstance("a")), "");
  EXPECT_EQ(server_.holder(leaseOfInstance("b")), "");
  EXPECT_FALSE(server_.has("rookery-member-me"));
}

}  // namespace
}  // namespace rookery::kubernetes
