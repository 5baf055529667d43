#include <gmock/gmock.h>

#include "api/annotations.h"
#include "plan/plan.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;

/// Writes an annotation on a declared unikernel; an empty value takes it away.
void annotate(Scene& scene, const std::string& path, std::string_view annotation, const std::string& value) {
  scene.change(path, [&](DesiredUnikernel& unikernel) {
    auto object = std::make_shared<api::Object>(*unikernel.object);
    object->metadata.annotations.erase(std::string(annotation));
    if (!value.empty()) object->metadata.annotations.emplace(annotation, value);
    unikernel.object = std::move(object);
  });
}

void requestRestart(Scene& scene, const std::string& value) {
  annotate(scene, "shop/web", api::restartedAtAnnotation, value);
}

/// shop/web runs as it is declared.
Scene running() {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  return scene;
}

/// The steps in words: "Restart for RestartRequested".
std::vector<std::string> stepsOf(const Plan& plan) {
  std::vector<std::string> steps;
  for (const Step& step : plan.steps)
    steps.push_back(std::string(toString(step.verb)) + " for " + std::string(toString(step.reason)));
  return steps;
}

const std::vector<std::string> none;
const std::vector<std::string> oneRestart{"restart for RestartRequested"};

/// As a process that ends and begins again.
void forgetAllButTheDisk(Scene& scene) {
  Memory fresh;
  for (const auto& [name, entry] : scene.memory.inventory)
    fresh.inventory.emplace(name, entryFromJson(toJson(entry)));
  scene.memory = std::move(fresh);
}

TEST(RestartRequest, RestartsWhatRunsAsDeclaredOnce) {
  Scene scene = running();
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "1");
  const Plan plan = scene.next();
  ASSERT_EQ(stepsOf(plan), oneRestart);
  EXPECT_LE(plan.steps[0].notBefore, scene.now);
  EXPECT_FALSE(plan.steps[0].image);
  EXPECT_EQ(scene.ready(plan, "shop/web").status, api::Condition::Status::False);
  const auto before = scene.observed.unikernels.at(scene.name("shop/web")).started;
  scene.take(plan.steps[0]);
  EXPECT_NE(scene.observed.unikernels.at(scene.name("shop/web")).started, before);
  EXPECT_EQ(stepsOf(scene.next()), none);
  EXPECT_EQ(scene.memory.objects.at(keyOf("shop/web")).restarts, 0) << "it was no crash";
  forgetAllButTheDisk(scene);
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "");
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "1");
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "2");
  EXPECT_EQ(stepsOf(scene.next()), oneRestart);
}

TEST(RestartRequest, IsFulfilledByWhateverBeginsANewLife) {
  const std::vector<std::pair<std::string, std::function<void(Scene&)>>> beginnings = {
      {"adopt", [](Scene& scene) { scene.run("shop/web"); }},
      {"create", [](Scene&) {}},
      {"restart",
       [](Scene& scene) {
         scene.runOurs("shop/web");
         scene.declare("shop/web", [](auto&, auto& unikernel) { unikernel.arguments.memory = 64; });
       }},
      {"forceCreate", [](Scene& scene) {
         scene.runOurs("shop/web");
         scene.declare("shop/web", [](auto&, auto& unikernel) { unikernel.image = makeImage('b'); });
       }}};
  for (const auto& [verb, begin] : beginnings) {
    Scene scene;
    scene.declare("shop/web");
    begin(scene);
    requestRestart(scene, "1");
    const Plan plan = scene.next();
    ASSERT_EQ(plan.steps.size(), 1) << verb;
    EXPECT_EQ(toString(plan.steps[0].verb), verb);
    scene.take(plan.steps[0]);
    EXPECT_EQ(stepsOf(scene.next()), none) << verb;
    forgetAllButTheDisk(scene);
    EXPECT_EQ(stepsOf(scene.next()), none) << verb;
  }
}

TEST(RestartRequest, IsNotFulfilledByALifeThatBeganByItself) {
  Scene scene = running();
  scene.run("shop/web");
  requestRestart(scene, "1");
  EXPECT_EQ(stepsOf(scene.next()), oneRestart);
}

struct LostReply {
  const char* what;
  bool carriedOut;
  bool restarted;  // the process that sent it
};

class LostRestart : public testing::TestWithParam<LostReply> {};

TEST_P(LostRestart, IsSettledByWhatIsSeen) {
  const auto& [what, carriedOut, restarted] = GetParam();
  Scene scene = running();
  requestRestart(scene, "1");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  if (restarted) {
    forgetAllButTheDisk(scene);
  } else {
    scene.endStep(step, lost());
  }
  if (!carriedOut) {
    EXPECT_EQ(stepsOf(scene.next()), none) << "it may come true yet";
    scene.now += 30s;
    EXPECT_EQ(stepsOf(scene.next()), oneRestart);
    return;
  }
  scene.carryOut(step);
  EXPECT_EQ(stepsOf(scene.next()), none);
  scene.now += 30s;
  EXPECT_EQ(stepsOf(scene.next()), none);
  forgetAllButTheDisk(scene);
  EXPECT_EQ(stepsOf(scene.next()), none);
}

INSTANTIATE_TEST_SUITE_P(Table, LostRestart,
                         testing::Values(LostReply{"Done", true, false}, LostReply{"NotDone", false, false},
                                         LostReply{"DoneAndKilled", true, true},
                                         LostReply{"NotDoneAndKilled", false, true}),
                         [](const auto& test) { return std::string(test.param.what); });

TEST(RestartRequest, ThatFailedIsTriedAgainLater) {
  Scene scene = running();
  requestRestart(scene, "1");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("not now"));
  const Plan plan = scene.next();
  ASSERT_EQ(stepsOf(plan), oneRestart);
  EXPECT_GT(plan.steps[0].notBefore, scene.now);
  EXPECT_EQ(plan.wakeAt, plan.steps[0].notBefore);
  EXPECT_THAT(scene.ready(plan, "shop/web").message, testing::HasSubstr("not now"));
  requestRestart(scene, "");
  const Plan withdrawn = scene.next();
  EXPECT_EQ(stepsOf(withdrawn), none);
  EXPECT_EQ(scene.ready(withdrawn, "shop/web").reason, Reason::Running);
}

TEST(RestartRequest, ThatChangesWhileOneIsCarriedOutIsAnother) {
  Scene scene = running();
  requestRestart(scene, "1");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  requestRestart(scene, "2");
  scene.carryOut(step);
  scene.endStep(step, created());
  EXPECT_EQ(stepsOf(scene.next()), oneRestart);
}

TEST(RestartRequest, AppliesWhatDiffersWhereNothingElseDoes) {
  Scene scene;
  scene.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel& unikernel) {
    spec.updateStrategy = api::Unikernel::UpdateStrategy::OnDelete;
    unikernel.image = makeImage('b');
  });
  scene.runOurs("shop/web");
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "1");
  const Plan plan = scene.next();
  ASSERT_EQ(plan.steps.size(), 1);
  EXPECT_EQ(plan.steps[0].verb, Verb::ForceCreate);
  scene.take(plan.steps[0]);
  EXPECT_EQ(stepsOf(scene.next()), none);
}

TEST(RestartRequest, WaitsWhileItIsSuspended) {
  Scene scene = running();
  scene.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel&) { spec.suspend = true; });
  requestRestart(scene, "1");
  EXPECT_EQ(stepsOf(scene.next()), none);
  scene.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel&) { spec.suspend = false; });
  requestRestart(scene, "1");
  EXPECT_EQ(stepsOf(scene.next()), oneRestart);
}

TEST(RestartRequest, LeavesWhatIsNotOursAlone) {
  Scene scene;
  scene.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel&) {
    spec.adopt = api::Unikernel::Adopt::Never;
    spec.updateStrategy = api::Unikernel::UpdateStrategy::OnDelete;
  });
  scene.run("shop/web");
  requestRestart(scene, "1");
  EXPECT_EQ(stepsOf(scene.next()), none);
  scene.run("shop/web", {}, 'b');
  EXPECT_EQ(stepsOf(scene.next()), none);
}

TEST(RestartRequest, IsTheFirstBytesOfItsValue) {
  Scene scene = running();
  const std::string longest(api::longestRequest, 'x');
  requestRestart(scene, longest + "1");
  scene.take(scene.next().steps.at(0));
  requestRestart(scene, longest + "2");
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, std::string(api::longestRequest - 1, 'x') + "\u00e9");
  EXPECT_EQ(scene.desired.unikernels.at(keyOf("shop/web")).restartedAt(),
            std::string(api::longestRequest - 1, 'x'));
  scene.take(scene.next().steps.at(0));
  forgetAllButTheDisk(scene);
  EXPECT_EQ(stepsOf(scene.next()), none);
  requestRestart(scene, "a\nb\u202e");
  scene.take(scene.next().steps.at(0));
  forgetAllButTheDisk(scene);
  EXPECT_EQ(stepsOf(scene.next()), none);
}

// -- rookery.dev/reconcile
// --------------------------------------------------------------------------------------------

TEST(ReconcileRequest, EndsABackOff) {
  Scene scene;
  scene.declare("shop/web");
  for (int i = 0; i < 9; ++i) {
    const Step step = scene.next().steps.at(0);
    scene.beginStep(step);
    scene.endStep(step, refused("no"));
  }
  ASSERT_GT(scene.next().steps.at(0).notBefore, scene.now + 1min);
  annotate(scene, "shop/web", api::reconcileAnnotation, "1");
  const Step now = scene.next().steps.at(0);
  EXPECT_LE(now.notBefore, scene.now);
  scene.beginStep(now);
  scene.endStep(now, refused("no"));
  EXPECT_GT(scene.next().steps.at(0).notBefore, scene.now + 1min) << "the same request is heeded once";
  annotate(scene, "shop/web", api::reconcileAnnotation, "2");
  EXPECT_LE(scene.next().steps.at(0).notBefore, scene.now);
}

TEST(ReconcileRequest, ThatWasThereBeforeIsNone) {
  Scene scene;
  scene.declare("shop/web");
  annotate(scene, "shop/web", api::reconcileAnnotation, "1");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("no"));
  EXPECT_GT(scene.next().steps.at(0).notBefore, scene.now);
}

TEST(ReconcileRequest, RestartsNothing) {
  Scene scene = running();
  annotate(scene, "shop/web", api::reconcileAnnotation, "1");
  EXPECT_EQ(stepsOf(scene.next()), none);
}

TEST(ReconcileRequest, EndsTheBackOffOfAPolicy) {
  Scene scene;
  scene.declarePolicy("shop", makePolicy(5, 512));
  for (int i = 0; i < 9; ++i) {
    const Step step = scene.next().steps.at(0);
    scene.beginStep(step);
    scene.endStep(step, refused("no"));
  }
  ASSERT_GT(scene.next().steps.at(0).notBefore, scene.now + 1min);
  DesiredPolicy& policy = scene.desired.policies.at("shop");
  auto object = std::make_shared<api::Object>(*policy.object);
  object->metadata.annotations.emplace(api::reconcileAnnotation, "1");
  policy.object = std::move(object);
  EXPECT_LE(scene.next().steps.at(0).notBefore, scene.now);
}

}  // namespace
}  // namespace rookery::plan
