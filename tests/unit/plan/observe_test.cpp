#include <gmock/gmock.h>

#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// What a scene with an instance that is only observed plans. Nothing may ever be among its steps.
class Observing : public testing::Test {
 protected:
  Observing() {
    api::AlbatrossInstance instance = scene_.desired.spec();
    instance.observe = true;
    scene_.setInstance(instance);
  }

  Plan plan() {
    Plan plan = scene_.next();
    EXPECT_THAT(plan.steps, IsEmpty());
    return plan;
  }

  Scene scene_;
};

TEST_F(Observing, ShowsWhatWouldBeCreatedAndSendsNothing) {
  scene_.declare("shop/web");
  const Plan made = plan();
  EXPECT_EQ(scene_.ready(made, "shop/web").status, api::Condition::Status::False);
  EXPECT_EQ(scene_.ready(made, "shop/web").reason, Reason::Observed);
  EXPECT_THAT(scene_.ready(made, "shop/web").message,
              AllOf(HasSubstr("does not run on eu-1"), HasSubstr("spec.observe")));
  ASSERT_THAT(made.later, SizeIs(1));
  EXPECT_EQ(made.later.front().verb, Verb::Create);
  EXPECT_TRUE(made.objects.at(keyOf("shop/web")).settled);
}

TEST_F(Observing, ShowsFieldByFieldWhatDiffers) {
  scene_.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel& unikernel) {
    spec.adopt = api::Unikernel::Adopt::Always;
    unikernel.arguments.memory = 64;
  });
  scene_.run("shop/web");
  const Plan made = plan();
  EXPECT_EQ(scene_.ready(made, "shop/web").status, api::Condition::Status::False);
  ASSERT_THAT(made.later, SizeIs(1));
  ASSERT_THAT(made.later.front().fields, SizeIs(1));
  EXPECT_EQ(made.later.front().fields.front().path, "spec.memory");
}

TEST_F(Observing, TakesNothingOverAndIsReadyWhereNothingDiffers) {
  scene_.declare("shop/web");
  scene_.run("shop/web");
  const Plan made = plan();
  EXPECT_EQ(scene_.ready(made, "shop/web").status, api::Condition::Status::True);
  EXPECT_EQ(scene_.ready(made, "shop/web").reason, Reason::Observed);
  EXPECT_THAT(made.memory.inventory, IsEmpty());
}

TEST_F(Observing, DestroysNothingAndSaysSo) {
  scene_.runOurs("shop/web");
  scene_.undeclare("shop/web");
  const Plan made = plan();
  ASSERT_TRUE(made.removals.contains(keyOf("shop/web")));
  EXPECT_EQ(made.removals.at(keyOf("shop/web")).reason, Reason::Observed);
  EXPECT_TRUE(made.memory.inventory.contains(Scene::name("shop/web")));
}

TEST_F(Observing, SetsNoPolicy) {
  scene_.declarePolicy("shop", makePolicy(20, 2'048));
  scene_.declarePolicy("new", makePolicy(1, 64));
  const Plan made = plan();
  EXPECT_THAT(made.later, SizeIs(2));
}

TEST_F(Observing, RestartsNothing) {
  scene_.declare("shop/web");
  scene_.runOurs("shop/web");
  scene_.change("shop/web", [](DesiredUnikernel& unikernel) {
    auto object = std::make_shared<api::Object>(*unikernel.object);
    object->metadata.annotations["rookery.dev/restartedAt"] = "now";
    unikernel.object = object;
  });
  EXPECT_THAT(plan().later, SizeIs(1));
}

TEST_F(Observing, GoesToWorkOnceItIsNotOnlyThat) {
  scene_.declare("shop/web");
  plan();
  api::AlbatrossInstance instance = scene_.desired.spec();
  instance.observe = false;
  scene_.setInstance(instance);
  EXPECT_THAT(scene_.next().steps, SizeIs(1));
}

}  // namespace
}  // namespace rookery::plan
