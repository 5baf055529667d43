// What plan says of unikernels that have a health check.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/plan.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Status = api::Condition::Status;

/// One unikernel, shop/web, which has 30 s to get healthy and has just been created.
class Checked : public testing::Test {
 protected:
  Checked() {
    scene_.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel&) {
      spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{"10.0.42.20:80"}, .timeout = 30s};
    });
    const Plan plan = scene_.next();
    scene_.take(plan.steps.at(0));
  }

  void say(Health::State state, const std::string& failure = "", bool wasHealthy = false) {
    scene_.observed.health[Scene::name("shop/web")] = {state, wasHealthy, failure};
  }
  api::Condition ready() {
    plan_ = scene_.next();
    return scene_.ready(plan_, "shop/web");
  }
  bool settled() const { return plan_.objects.at(keyOf("shop/web")).settled; }

  Scene scene_;
  Plan plan_;
};

TEST_F(Checked, AreNotReadyBeforeTheyWereSeenHealthy) {
  api::Condition seen = ready();
  EXPECT_EQ(seen.status, Status::False);
  EXPECT_EQ(seen.reason, Reason::Reconciling);
  EXPECT_FALSE(settled());
  EXPECT_THAT(plan_.rest.restless, Contains(keyOf("shop/web"))) << "something is awaited";
  say(Health::State::Unknown, "10.0.42.20:80: Connection refused.");
  seen = ready();
  EXPECT_EQ(seen.reason, Reason::Reconciling);
  EXPECT_THAT(seen.message, HasSubstr("10.0.42.20:80: Connection refused."));
  say(Health::State::Healthy, "", true);
  seen = ready();
  EXPECT_EQ(seen.status, Status::True);
  EXPECT_EQ(seen.reason, Reason::Running);
  EXPECT_TRUE(settled());
}

TEST_F(Checked, AreUnhealthyOnceTheirTimeIsOver) {
  say(Health::State::Unhealthy, "10.0.42.20:80: Connection refused.");
  EXPECT_EQ(ready().reason, Reason::Reconciling) << "it may still be starting";
  ASSERT_TRUE(plan_.wakeAt);
  EXPECT_EQ(*plan_.wakeAt, scene_.now + 30s);
  scene_.now += 30s;
  const api::Condition seen = ready();
  EXPECT_EQ(seen.status, Status::False);
  EXPECT_EQ(seen.reason, Reason::Unhealthy);
  EXPECT_THAT(seen.message, AllOf(HasSubstr("did not get healthy within 30 s"), HasSubstr("refused.")));
  EXPECT_TRUE(settled()) << "apply need not wait any longer";
  EXPECT_THAT(plan_.steps, IsEmpty());
}

TEST_F(Checked, AreUnhealthyAtOnceWhenTheyWereHealthyBefore) {
  say(Health::State::Unhealthy, "10.0.42.20:80: no connection within 5 s.", true);
  const api::Condition seen = ready();
  EXPECT_EQ(seen.reason, Reason::Unhealthy);
  EXPECT_THAT(seen.message, AllOf(HasSubstr("not healthy any more: 3 checks"), HasSubstr("no connection")));
  say(Health::State::Healthy, "", true);
  EXPECT_EQ(ready().status, Status::True);
}

TEST_F(Checked, AreNotCalledUnhealthyBeforeTheyWereChecked) {
  scene_.now += 24h;  // another controller has seen it start
  EXPECT_EQ(ready().reason, Reason::Reconciling);
  EXPECT_FALSE(settled());
}

TEST_F(Checked, AreJudgedAgainWhenTheirCheckSaysSomethingElse) {
  const Observed before = scene_.observed;
  say(Health::State::Healthy, "", true);
  EXPECT_THAT(changedUnikernels(before, scene_.observed, scene_.desired),
              testing::Optional(testing::ElementsAre(keyOf("shop/web"))));
}

TEST_F(Checked, AreLeftInPeaceWhereTheyAreSuspended) {
  scene_.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel&) { spec.suspend = true; });
  EXPECT_EQ(ready().reason, Reason::Suspended);
}

TEST_F(Checked, SayWhatTheyPrintedLastWhereTheyDoNotStayUp) {
  scene_.observed.lastLines[Scene::name("shop/web")] = "Fatal error: out of memory";
  ready();
  for (std::size_t i = 0; i < restartsOfALoop; ++i) {
    scene_.now += 1s;
    scene_.run("shop/web");
    ready();
  }
  const api::Condition seen = ready();
  EXPECT_EQ(seen.reason, Reason::CrashLoopBackOff);
  EXPECT_THAT(seen.message, AllOf(HasSubstr("it was restarted 4 times in all"),
                                  HasSubstr("\"Fatal error: out of memory\".")));
}

TEST(WithoutCheck, NothingIsSaidOfHealth) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.observed.health[Scene::name("shop/web")] = {Health::State::Unhealthy, false, "It is not checked."};
  const Plan plan = scene.next();
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Status::True);
  EXPECT_THAT(scene.ready(plan, "shop/web").message, Not(HasSubstr("checked")));
}

}  // namespace
}  // namespace rookery::plan
