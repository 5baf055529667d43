// Unikernels that wait for others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plan/plan.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Ready = api::Condition::Status;

/// shop/web depends on shop/db.
class Dependencies : public testing::Test {
 protected:
  Dependencies() { dependOn({"db"}); }

  void dependOn(std::vector<std::string> names) {
    scene_.declare("shop/web",
                   [&](api::Unikernel& spec, DesiredUnikernel&) { spec.dependsOn = std::move(names); });
  }
  const api::Condition& ready(const Plan& plan) const {
    return *plan.objects.at(web_).status.condition(api::Condition::Type::Ready);
  }
  /// The steps that are due.
  std::vector<Step> due(const Plan& plan) const { return takeable(plan.steps, scene_.now); }
  bool isRestless(const Plan& plan) const { return plan.rest.restless.contains(web_); }

  Scene scene_;
  const api::ObjectKey web_ = keyOf("shop/web"), db_ = keyOf("shop/db");
};

TEST_F(Dependencies, AreReadyBeforeTheDependantIsCreated) {
  scene_.declare("shop/db", [](api::Unikernel& spec, DesiredUnikernel&) { spec.minReadySeconds = 3; });
  Plan plan = scene_.next();
  ASSERT_THAT(due(plan), SizeIs(1));
  EXPECT_EQ(due(plan)[0].object, db_);
  EXPECT_EQ(ready(plan).reason, Reason::DependencyNotReady);
  EXPECT_EQ(ready(plan).message,
            "Unikernel shop/web waits for Unikernel shop/db to be Ready (spec.dependsOn).");
  EXPECT_FALSE(plan.objects.at(web_).settled);
  const Step later = plan.steps.at(1);
  EXPECT_EQ(later.object, web_) << "what is to be done once it is";
  EXPECT_EQ(later.reason, Reason::DependencyNotReady);
  EXPECT_EQ(later.notBefore, SystemTime::max());

  scene_.take(due(plan)[0]);
  plan = scene_.next();
  EXPECT_THAT(due(plan), IsEmpty()) << "it runs, and does not count as Ready yet";
  ASSERT_TRUE(plan.wakeAt);
  scene_.now = *plan.wakeAt;
  plan = scene_.next();
  ASSERT_THAT(due(plan), SizeIs(1)) << "in the very plan that says that it is";
  EXPECT_EQ(due(plan)[0].object, web_);
  EXPECT_EQ(due(plan)[0].reason, Reason::Absent);
}

TEST_F(Dependencies, StopNothingThatRuns) {
  scene_.declare("shop/db");
  scene_.runOurs("shop/web");
  scene_.runOurs("shop/db");
  EXPECT_EQ(ready(scene_.next()).status, Ready::True);
  scene_.observed.unikernels.erase(Scene::name("shop/db"));
  const Plan plan = scene_.next();
  EXPECT_EQ(ready(plan).status, Ready::True);
  EXPECT_EQ(plan.objects.at(db_).status.ready(), false);
}

TEST_F(Dependencies, AreSaidToBeMissing) {
  Plan plan = scene_.next();
  EXPECT_EQ(ready(plan).reason, Reason::ReferenceNotFound);
  EXPECT_THAT(ready(plan).message,
              HasSubstr("waits for Unikernel shop/db (spec.dependsOn), which is not declared"));
  EXPECT_TRUE(plan.objects.at(web_).settled);
  EXPECT_THAT(due(plan), IsEmpty());
  scene_.runOurs("shop/web");
  plan = scene_.next();
  EXPECT_EQ(ready(plan).status, Ready::True) << "what runs is not in trouble";
  EXPECT_THAT(ready(plan).message, HasSubstr("It depends on Unikernel shop/db, which is not declared."));
}

TEST_F(Dependencies, OnAnotherInstanceAreToldOf) {
  scene_.desired.dependencies[db_] = {};
  EXPECT_THAT(due(scene_.next()), IsEmpty());
  scene_.desired.dependencies[db_].ready = true;
  EXPECT_THAT(due(scene_.next()), SizeIs(1));
}

TEST_F(Dependencies, ThatCannotBecomeReadyAreWaitedForByNobody) {
  scene_.declare("shop/db", [](api::Unikernel&, DesiredUnikernel& unikernel) {
    unikernel.image = std::unexpected(Error{Reason::ImageNotFound, "There is none."});
  });
  const Plan plan = scene_.next();
  EXPECT_TRUE(plan.objects.at(web_).settled);
  EXPECT_THAT(ready(plan).message, HasSubstr("What is in its way it says itself."));
}

TEST_F(Dependencies, AllHaveToBeReady) {
  dependOn({"db", "dns"});
  scene_.declare("shop/db");
  scene_.declare("shop/dns");
  scene_.runOurs("shop/db");
  const Plan plan = scene_.next();
  ASSERT_THAT(due(plan), SizeIs(1));
  EXPECT_EQ(due(plan)[0].object, keyOf("shop/dns"));
  EXPECT_THAT(ready(plan).message, HasSubstr("waits for Unikernel shop/dns"));
  EXPECT_TRUE(isRestless(plan));
}

TEST_F(Dependencies, ReachThroughWhatComesBetween) {
  scene_.declare("shop/db", [](api::Unikernel& spec, DesiredUnikernel&) { spec.dependsOn = {"zone"}; });
  scene_.declare("shop/zone");
  for (const char* name : {"shop/zone", "shop/db", "shop/web"}) {
    const Plan plan = scene_.next();
    ASSERT_THAT(due(plan), SizeIs(1));
    EXPECT_EQ(due(plan)[0].object, keyOf(name));
    scene_.take(due(plan)[0]);
  }
}

TEST_F(Dependencies, DoNotKeepWhatWasStoppedForItsVolume) {
  scene_.declareVolume("shop/data", 'd');
  scene_.putOurs("shop/data", 'c');
  scene_.attach("shop/web", "data");
  albatross::Arguments arguments;
  arguments.blocks = {{"disk", "data", std::nullopt}};
  scene_.runOurs("shop/web", arguments);
  (*scene_.observed.blockDevices)[Scene::name("shop/data")].active = true;
  scene_.declare("shop/db", [](api::Unikernel&, DesiredUnikernel& unikernel) {
    unikernel.image = std::unexpected(Error{Reason::ImageNotFound, "There is none."});
  });
  std::vector<Verb> verbs;
  for (const Step& step : due(scene_.next())) verbs.push_back(step.verb);
  EXPECT_THAT(verbs, testing::Contains(Verb::Destroy));
  EXPECT_THAT(scene_.next().steps.back().verb, Verb::Create);
  EXPECT_LE(scene_.next().steps.back().notBefore, scene_.now);
}

}  // namespace
}  // namespace rookery::plan
