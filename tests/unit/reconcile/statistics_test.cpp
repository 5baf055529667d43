#include "reconcile/statistics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <functional>
#include <string>
#include <vector>

#include "clock/clock.h"
#include "images/image_maker.h"
#include "unit/plan/scene.h"
#include "unit/reconcile/fake_server.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;

/// The statistics of one server, and a loop that has looked at it: both on the test's thread.
class StatisticsTest : public testing::Test {
 protected:
  StatisticsTest() {
    server_.server.resources().addPolicy({"shop"}, plan::makePolicy(100, 4096));
    scene_.declare("shop/web");
    run("shop/web");
    look();
  }
  ~StatisticsTest() override { stop(); }

  void run(const std::string& path) { server_.start(plan::Scene::name(path), {}, images::makeImage({})); }

  /// As the loop does after a look.
  void look() {
    observed_ = scene_.observed;
    for (const auto& unikernel : server_.server.resources().unikernels().all())
      observed_->unikernels[unikernel.name] = plan::infoOf({}, plan::digestOf('a'), unikernel.name, 1);
    seen();
  }
  void seen() {
    Server reached{client_, std::make_shared<plan::Desired>(scene_.desired), {}, observed_->policies};
    const ServerPtr known = servers_.reached(std::move(reached));
    if (!statistics_) return;
    statistics_->follow(known);
    statistics_->keepOnlyRunning();
  }

  void start() {
    statistics_.emplace(strand_, usages_, observed_, [this] { ++missed_; }, pauses_);
    running_ = true;
    asio::co_spawn(strand_, statistics_->run(),
                   asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     running_ = false;
                   }));
  }
  void startSeen() {
    start();
    seen();
    until([&] { return server_.openStreams() == 1; });
  }
  void until(const std::function<bool()>& done) {
    context_.restart();
    time_.run(context_, time_.now() + 1h, done);
    ASSERT_TRUE(done()) << "it does not come to that";
  }
  void pass(std::chrono::milliseconds time) {
    context_.restart();
    time_.run(context_, time_.now() + time);
  }
  void stop() {
    if (!running_) return;
    asio::post(strand_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
    until([this] { return !running_; });
    EXPECT_EQ(server_.openStreams(), 0);
  }
  void tell() {
    server_.tellStatistics();
    context_.restart();
    context_.poll();
  }
  bool isTold(const std::string& path) { return usages_.find(plan::keyOf(path)).has_value(); }

  clock::Simulation time_{clock::Steady::now()};
  asio::io_context context_;
  asio::any_io_executor strand_ = asio::make_strand(context_);
  asio::cancellation_signal cancel_;
  plan::Scene scene_;
  FakeServer server_;
  std::shared_ptr<albatross::Client> client_ = server_.connect();
  Servers servers_;
  UsageStore usages_;
  std::optional<plan::Observed> observed_;
  Statistics::Pauses pauses_{.shortest = 1ms, .longest = 5ms};
  std::optional<Statistics> statistics_;
  int missed_ = 0;  // so often was asked for a look
  bool running_ = false;
};

TEST_F(StatisticsTest, WaitForTheFirstLook) {
  start();
  pass(20ms);
  EXPECT_EQ(server_.subscriptions, 0);
  seen();
  until([&] { return server_.openStreams() == 1; });
}

TEST_F(StatisticsTest, AreToldOfWhatIsDeclaredAndRuns) {
  scene_.declare("shop/absent");
  run("shop/foreign");
  look();
  startSeen();
  tell();
  EXPECT_TRUE(isTold("shop/web"));
  EXPECT_FALSE(isTold("shop/foreign"));
  EXPECT_FALSE(isTold("shop/absent"));
  EXPECT_EQ(usages_.find(plan::keyOf("shop/web"))->instance, "eu-1");
  EXPECT_EQ(missed_, 0);
  scene_.desired.unikernels.erase(plan::keyOf("shop/web"));
  look();
  EXPECT_FALSE(isTold("shop/web"));
  tell();
  EXPECT_FALSE(isTold("shop/web"));
}

TEST_F(StatisticsTest, LeaveOthersTheirTurn) {
  startSeen();
  for (int i = 0; i < 1'000; ++i) server_.mention(plan::Scene::name(fmt::format("shop/new-{}", i)));
  int before = 0;
  asio::post(strand_, [&] { asio::post(strand_, [&] { before = missed_; }); });
  context_.restart();
  context_.poll();
  EXPECT_EQ(missed_, 1'000);
  EXPECT_LT(before, 1'000);
}

TEST_F(StatisticsTest, HaveALookTakenAtWhatTheyMentionNoMore) {
  startSeen();
  tell();
  tell();
  server_.destroy(plan::Scene::name("shop/web"));
  until([&] { return missed_ == 1; });
  look();
  EXPECT_FALSE(isTold("shop/web"));
  tell();
  pass(400ms);
  EXPECT_EQ(missed_, 1) << "what is known not to run is not missed";
}

/// A server that has much to do is late with all; to have to answer for each of them would be even more.
TEST_F(StatisticsTest, MissNothingWhileTheyAreLateWithAll) {
  for (int i = 0; i < 50; ++i) run(fmt::format("shop/web-{}", i));
  look();
  startSeen();
  tell();
  tell();
  for (int late = 0; late < 4; ++late) {
    pass(300ms);
    EXPECT_EQ(missed_, 0);
    tell();
  }
}

/// Who was late once is early by as much the next time.
TEST_F(StatisticsTest, MissNothingAfterTheyWereLateOnce) {
  startSeen();
  for (const auto after :
       {0ms, 10'000ms, 13'600ms, 6'400ms, 10'000ms, 10'000ms, 14'000ms, 6'000ms, 10'000ms}) {
    pass(after);
    tell();
  }
  EXPECT_EQ(missed_, 0);
}

/// It was told of for the first time before the others, who had been told of before.
TEST_F(StatisticsTest, MissNothingThatWasTheFirstOfALaterTelling) {
  run("shop/first");
  look();
  startSeen();
  for (int times = 0; times < 5; ++times) {
    if (times > 0) server_.mention(plan::Scene::name("shop/first"));
    server_.mention(plan::Scene::name("shop/web"));
    pass(times == 3 ? 11'200ms : 10'000ms);
  }
  EXPECT_EQ(missed_, 0);
}

TEST_F(StatisticsTest, HaveOneLookTakenWhereTheyMentionNobodyAnyMore) {
  std::vector<albatross::Name> all = {plan::Scene::name("shop/web")};
  for (int i = 0; i < 50; ++i) {
    run(fmt::format("shop/web-{}", i));
    all.push_back(plan::Scene::name(fmt::format("shop/web-{}", i)));
  }
  look();
  startSeen();
  for (int times = 0; times < 3; ++times) {
    for (const albatross::Name& name : all) {
      server_.mention(name);
      pass(10ms);
    }
    pass(10s);
  }
  pass(1h);
  EXPECT_EQ(missed_, 1);
}

TEST_F(StatisticsTest, MissNothingWhileTheyTakeLongToTellOfAll) {
  for (int i = 0; i < 6; ++i) run(fmt::format("shop/web-{}", i));
  look();
  startSeen();
  tell();
  tell();
  for (int i = 5; i >= 0; --i) {  // the last one is long overdue when its turn comes
    pass(150ms);
    server_.mention(plan::Scene::name(fmt::format("shop/web-{}", i)));
    context_.restart();
    context_.poll();
  }
  EXPECT_EQ(missed_, 0);
}

TEST_F(StatisticsTest, MissOneThatIsLeftOutWhileTheOthersAreTold) {
  run("shop/web-2");
  look();
  startSeen();
  tell();
  tell();
  server_.destroy(plan::Scene::name("shop/web-2"));
  tell();
  until([&] { return missed_ == 1; });
  look();
  tell();
  EXPECT_EQ(missed_, 1);
}

TEST_F(StatisticsTest, MissNothingThatTheyHaveMentionedOnce) {
  startSeen();
  tell();
  pass(400ms);
  EXPECT_EQ(missed_, 0) << "nobody knows when it is due";
}

TEST_F(StatisticsTest, HaveALookTakenAtWhatHasBegun) {
  startSeen();
  run("shop/new");
  tell();
  EXPECT_EQ(missed_, 1);
  tell();
  EXPECT_EQ(missed_, 1) << "once";
}

TEST_F(StatisticsTest, AreAskedForAgainWhenTheyEnd) {
  startSeen();
  for (std::size_t i = 2; i < 6; ++i) {
    tell();
    server_.endStreams();
    until([&] { return server_.subscriptions == i && server_.openStreams() == 1; });
  }
  tell();
  EXPECT_TRUE(isTold("shop/web"));
  EXPECT_EQ(missed_, 0) << "that a stream ends says nothing of who runs";
}

TEST_F(StatisticsTest, AreAskedForLessAndLessWhereThereAreNone) {
  server_.noStatistics = true;
  pauses_ = {.shortest = 1ms, .longest = 1h};
  start();
  seen();
  pass(200ms);
  EXPECT_GT(server_.subscriptions, 1);
  EXPECT_LE(server_.subscriptions, 8) << "1 + 2 + 4 + … ms";
  stop();
}

TEST_F(StatisticsTest, AreAskedOfAnotherServerAtOnce) {
  pauses_ = {.shortest = 1h, .longest = 1h};
  startSeen();
  scene_.declare("shop/cart");
  look();
  pass(10ms);
  EXPECT_EQ(server_.subscriptions, 1) << "the same server";
  client_ = server_.connect();
  seen();
  until([&] { return server_.subscriptions == 2 && server_.openStreams() == 1; });
  server_.endStreams();
  until([&] { return server_.openStreams() == 0; });
  pass(10ms);
  client_ = server_.connect();
  seen();
  until([&] { return server_.subscriptions == 3; });
}

TEST_F(StatisticsTest, EndWhereverTheyAreCancelled) {
  start();
  stop();
  server_.hang = true;
  start();
  seen();
  until([&] { return server_.subscriptions == 1; });
  stop();
  server_.hang = false;
  pauses_ = {.shortest = 1h, .longest = 1h};
  server_.noStatistics = true;
  start();
  seen();
  until([&] { return server_.subscriptions == 2; });
  pass(5ms);
  stop();
}

/// A server that never stops talking, and a cancellation between two of its messages.
TEST_F(StatisticsTest, EndWhereTheyAreCancelledBetweenTwoMessages) {
  startSeen();
  for (int i = 0; i < 100; ++i) server_.tellStatistics();
  asio::post(strand_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
  until([this] { return !running_; });
}

TEST_F(StatisticsTest, WaitForSoManyNamesOnly) {
  startSeen();
  for (int i = 0; i < 17'000; ++i) server_.mention({{"x"}, "n" + std::to_string(i)});
  tell();
  EXPECT_EQ(missed_, 16'384);
  EXPECT_TRUE(isTold("shop/web"));
}

}  // namespace
}  // namespace rookery::reconcile
