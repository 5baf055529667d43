#include "reconcile/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <deque>
#include <memory>
#include <vector>

#include "fixtures/temp_dir.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Counting : public Listener {
 public:
  void healthChecked(const std::string& instance, const api::ObjectKey& object, bool healthy) override {
    told.push_back(instance + " " + object.toString() + (healthy ? " well" : " ill"));
  }
  std::vector<std::string> told;
};

/// The checks of one instance, and who answers them, in the clock's time as this sets it.
class Checks : public testing::Test {
 protected:
  struct Asked {
    probe::Target target;
    std::chrono::milliseconds patience;
    probe::Prober::Done done;
  };

  Checks()
      : state_(*state::StateDir::open(folder_.path() / "state")),
        environment_{
            .state = *state_,
            .objects = objects_,
            .listener = listener_,
            .now = [this] { return scene_.now; },
            .probe =
                [this](probe::Target target, std::chrono::milliseconds patience, probe::Prober::Done done) {
                  asked_.push_back({std::move(target), patience, std::move(done)});
                }},
        checks_(std::make_shared<HealthChecks>(asio::make_strand(context_), environment_,
                                               [this] { ++changes_; })) {}
  ~Checks() override {
    checks_->stop();
    drain();
  }

  void declare(const std::string& path, const std::string& address = "10.0.42.20:80") {
    scene_.declare(path, [&](api::Unikernel& spec, plan::DesiredUnikernel&) {
      spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{address}, .interval = 10s, .timeout = 30s};
    });
  }
  void follow() {
    checks_->follow(scene_.desired, scene_.observed);
    drain();
  }
  /// What can be done by now.
  void drain() {
    context_.restart();
    context_.poll();
  }
  /// Nobody asked yet is answered so.
  void answer(bool well, const std::string& what = "It refuses.") {
    ASSERT_THAT(asked_, SizeIs(1));
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    asked.done(well ? Result<void>() : fail(Reason::Unhealthy, what));
    drain();
  }
  /// The clock is put forward; whoever waits on this machine's is told by the next look.
  bool askedAfter(std::chrono::milliseconds time) {
    scene_.now += time;
    const auto end = std::chrono::steady_clock::now() + 30ms;
    // What waits does so on the machine's own clock, and looks at the other when that has come.
    while (asked_.empty() && std::chrono::steady_clock::now() < end) {
      follow();
      context_.restart();
      context_.run_for(1ms);
    }
    return !asked_.empty();
  }
  plan::Health of(const std::string& path) const { return checks_->all().at(plan::Scene::name(path)); }

  fixtures::TempDir folder_;
  plan::Scene scene_;
  std::unique_ptr<state::StateDir> state_;
  ObjectStore objects_;
  Counting listener_;
  asio::io_context context_;
  std::deque<Asked> asked_;
  int changes_ = 0;
  Environment environment_;
  std::shared_ptr<HealthChecks> checks_;
};

TEST_F(Checks, BeginAtOnceAndTellWhatTheySee) {
  declare("shop/web");
  scene_.declare("shop/unchecked");
  scene_.run("shop/web");
  scene_.run("shop/unchecked");
  follow();
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_.front().target, probe::Target(probe::Tcp{"10.0.42.20:80"}));
  EXPECT_EQ(asked_.front().patience, 5s);
  EXPECT_EQ(of("shop/web"), plan::Health{});
  answer(false);
  EXPECT_EQ(of("shop/web"), (plan::Health{plan::Health::State::Unknown, false, "It refuses."}));
  EXPECT_EQ(changes_, 1) << "who waits is told why";
  EXPECT_THAT(listener_.told, ElementsAre("eu-1 Unikernel shop/web ill"));
}

TEST_F(Checks, AreUnhealthyAfterSoManyFailuresInARow) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  answer(true);
  EXPECT_EQ(of("shop/web"), (plan::Health{plan::Health::State::Healthy, true, ""}));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(askedAfter(11s));
    answer(false);
    EXPECT_EQ(of("shop/web").state, plan::Health::State::Healthy);
  }
  EXPECT_EQ(changes_, 1) << "nobody need look for that";
  ASSERT_TRUE(askedAfter(11s));
  answer(false);
  EXPECT_EQ(of("shop/web"), (plan::Health{plan::Health::State::Unhealthy, true, "It refuses."}));
  EXPECT_EQ(changes_, 2);
  ASSERT_TRUE(askedAfter(11s));
  answer(true);
  EXPECT_EQ(of("shop/web"), (plan::Health{plan::Health::State::Healthy, true, ""}));
  EXPECT_EQ(changes_, 3);
}

TEST_F(Checks, OneThatWasNotHealthyYetIsCheckedMoreOften) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  answer(false);
  EXPECT_TRUE(askedAfter(251ms));
  answer(false);
  EXPECT_TRUE(askedAfter(501ms));
  answer(true);
  EXPECT_FALSE(askedAfter(8s)) << "now it is only looked after";
  EXPECT_TRUE(askedAfter(3s));
}

TEST_F(Checks, OneThatStaysUnhealthyIsCheckedLessOften) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  answer(true);
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(askedAfter(50s));
    answer(false);
  }
  EXPECT_FALSE(askedAfter(30s));
  EXPECT_TRUE(askedAfter(15s)) << "not less than in four times the interval";
}

TEST_F(Checks, AnotherLifeIsNotHealthyYet) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  answer(true);
  follow();
  EXPECT_EQ(of("shop/web").state, plan::Health::State::Healthy);
  scene_.run("shop/web");
  follow();
  EXPECT_EQ(of("shop/web"), plan::Health{});
  answer(true);
  EXPECT_EQ(of("shop/web").state, plan::Health::State::Healthy);
}

TEST_F(Checks, AnAnswerAboutAFormerLifeCountsForNothing) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  const Asked before = std::move(asked_.front());
  asked_.pop_front();
  scene_.run("shop/web");
  follow();
  before.done({});
  drain();
  EXPECT_EQ(of("shop/web"), plan::Health{});
}

TEST_F(Checks, AnotherManifestWithTheSameCheckForgetsNothing) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  answer(true);
  declare("shop/web");
  follow();
  EXPECT_EQ(of("shop/web").state, plan::Health::State::Healthy);
  asked_.clear();
  declare("shop/web", "10.0.42.20:81");
  follow();
  EXPECT_EQ(of("shop/web"), plan::Health{}) << "another target";
}

TEST_F(Checks, NobodyAsksForWhatDoesNotRunOrIsSuspended) {
  declare("shop/web");
  declare("shop/frozen");
  scene_.declare("shop/frozen", [](api::Unikernel& spec, plan::DesiredUnikernel&) { spec.suspend = true; });
  scene_.run("shop/frozen");
  follow();
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(checks_->all(), IsEmpty());
}

TEST_F(Checks, ToldAfterTheEndTheyTellNobody) {
  declare("shop/web");
  scene_.run("shop/web");
  follow();
  checks_->stop();
  answer(true);
  EXPECT_EQ(changes_, 0);
}

}  // namespace
}  // namespace rookery::reconcile
