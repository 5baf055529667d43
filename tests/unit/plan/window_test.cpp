#include <gmock/gmock.h>

#include "plan/plan.h"
#include "scene.h"

namespace rookery::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Ready = api::Condition::Status;
using namespace std::chrono_literals;

std::vector<schedule::Window> nightly(const char* opens = "0 2 * * *") {
  return {schedule::Window{*schedule::Cron::parse(opens), 2h}};
}

/// It is noon, the instance's window opens at two in the night, and shop/web runs an old image.
struct WindowScene : Scene {
  SystemTime today = std::chrono::sys_days(std::chrono::year(2026) / 11 / 29);
  SystemTime tonight = today + 26h;

  WindowScene() {
    now = today + 12h;
    setWindows(nightly());
    declare("shop/web",
            [](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('b'); });
    runOurs("shop/web").started = std::chrono::floor<std::chrono::milliseconds>(now - 1h);
  }

  void setWindows(std::vector<schedule::Window> windows, const std::string& override = "") {
    api::AlbatrossInstance instance = desired.spec();
    instance.maintenanceWindows = std::move(windows);
    desired.instance = annotated(makeObject("", "eu-1", instance), override);
  }

  static api::ObjectPtr annotated(const api::ObjectPtr& object, const std::string& override) {
    auto changed = std::make_shared<api::Object>(*object);
    if (!override.empty())
      changed->metadata.annotations[std::string(api::overrideWindowAnnotation)] = override;
    return changed;
  }

  void overrideFor(const std::string& path, const std::string& override) {
    change(path,
           [&](DesiredUnikernel& unikernel) { unikernel.object = annotated(unikernel.object, override); });
  }

  /// The one step that there is.
  Step only() {
    Plan plan = next();
    EXPECT_THAT(plan.steps, SizeIs(1));
    return plan.steps.empty() ? Step() : plan.steps.front();
  }
};

TEST(MaintenanceWindow, HoldsBackWhatStopsAUnikernel) {
  WindowScene scene;
  const Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].verb, Verb::ForceCreate);
  EXPECT_EQ(plan.steps[0].notBefore, scene.tonight);
  EXPECT_THAT(takeable(plan.steps, scene.now), IsEmpty());
  EXPECT_EQ(plan.wakeAt, scene.tonight);
  const api::Condition& ready = scene.ready(plan, "shop/web");
  EXPECT_EQ(ready.status, Ready::True);
  EXPECT_EQ(ready.reason, Reason::UpdatePending);
  EXPECT_THAT(ready.message, HasSubstr("The next maintenance window opens at 2026-11-30T02:00:00Z."));
  EXPECT_TRUE(plan.objects.at(keyOf("shop/web")).settled);
}

TEST(MaintenanceWindow, LetsThroughWhileItIsOpen) {
  WindowScene scene;
  for (const std::chrono::minutes time : {14h + 0min, 15h + 59min}) {
    scene.now = scene.today + 12h + time;
    EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(1));
  }
  scene.now = scene.today + 28h;
  EXPECT_EQ(scene.only().notBefore, scene.tonight + 24h);
}

TEST(MaintenanceWindow, DoesNotHoldBackWhatIsMissing) {
  WindowScene scene;
  scene.observed.unikernels.clear();
  scene.memory.inventory.clear();
  EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(1));
}

TEST(MaintenanceWindow, OfAUnikernelIsInPlaceOfItsInstances) {
  WindowScene scene;
  scene.declare("shop/web",
                [](api::Unikernel& spec, auto&) { spec.maintenanceWindows = nightly("0 18 * * *"); });
  EXPECT_EQ(scene.only().notBefore, scene.today + 18h);
  scene.setWindows({});
  EXPECT_EQ(scene.only().notBefore, scene.today + 18h);
}

TEST(MaintenanceWindow, TheFirstOfSeveralCounts) {
  WindowScene scene;
  std::vector<schedule::Window> windows = nightly();
  windows.push_back(nightly("0 13 * * *").front());
  scene.setWindows(windows);
  EXPECT_EQ(scene.only().notBefore, scene.today + 13h);
}

TEST(MaintenanceWindow, GoesByTheMachinesClock) {
  WindowScene scene;
  const SystemTime wall = scene.now;
  const Plan plan =
      decide(scene.desired, scene.observed, scene.memory, scene.authority, {wall - 300 * 24h, wall});
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].notBefore, scene.tonight - 300 * 24h);
  EXPECT_THAT(plan.objects.at(keyOf("shop/web")).status.condition(api::Condition::Type::Ready)->message,
              HasSubstr("2026-11-30T02:00:00Z"));
}

TEST(MaintenanceWindow, IsOverriddenUntilATime) {
  for (const bool ofInstance : {false, true}) {
    WindowScene scene;
    const auto set = [&](const std::string& value) {
      if (ofInstance) {
        scene.setWindows(nightly(), value);
      } else {
        scene.overrideFor("shop/web", value);
      }
    };
    set("2026-11-29T12:30:00Z");
    EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(1));
    set("2026-11-29T14:30:00+02:00");
    EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(1));
    set("2026-11-29T12:00:00Z");
    EXPECT_EQ(scene.only().notBefore, scene.tonight);
    set("now");
    const Plan plan = scene.next();
    EXPECT_EQ(plan.steps.front().notBefore, scene.tonight);
    EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("is no time such as"));
  }
}

TEST(MaintenanceWindow, HoldsBackARequestedRestart) {
  WindowScene scene;
  scene.declare("shop/web",
                [](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('a'); });
  scene.change("shop/web", [](DesiredUnikernel& unikernel) {
    auto object = std::make_shared<api::Object>(*unikernel.object);
    object->metadata.annotations[std::string(api::restartedAtAnnotation)] = "1";
    unikernel.object = object;
  });
  const Step step = scene.only();
  EXPECT_EQ(step.verb, Verb::Restart);
  EXPECT_EQ(step.notBefore, scene.tonight);
}

TEST(MaintenanceWindow, HoldsBackWhatIsNotDeclaredAnyMore) {
  WindowScene scene;
  scene.undeclare("shop/web");
  const Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].verb, Verb::Destroy);
  EXPECT_EQ(plan.steps[0].notBefore, scene.tonight);
  EXPECT_EQ(plan.removals.at(keyOf("shop/web")).reason, Reason::UpdatePending);
  scene.setWindows(nightly(), "2026-11-29T13:00:00Z");
  EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(1));
}

TEST(MaintenanceWindow, WhatFailedComesInTheNextOneAfterItsBackOff) {
  WindowScene scene;
  scene.now = scene.tonight + 1h + 59min + 59s;
  const Step step = scene.only();
  scene.beginStep(step);
  scene.endStep(step, refused("the server has no room"));
  const Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].notBefore, scene.tonight + 24h);
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Ready::False);
}

TEST(MaintenanceWindow, HoldsBackTheWritingOfAVolumeThatIsUsed) {
  WindowScene scene;
  scene.declareVolume("shop/data", 'd');
  scene.putOurs("shop/data", 'c');
  scene.attach("shop/web", "data");
  scene.change("shop/web", [](DesiredUnikernel& unikernel) { unikernel.image = makeImage('a'); });
  albatross::Arguments arguments;
  arguments.blocks = {{"disk", "data", std::nullopt}};
  scene.runOurs("shop/web", arguments);
  const Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].verb, Verb::SetVolume);
  EXPECT_EQ(plan.steps[0].notBefore, scene.tonight);
  const api::Condition& ready =
      *plan.objects.at(Scene::volumeKey("shop/data")).status.condition(api::Condition::Type::Ready);
  EXPECT_EQ(ready.status, Ready::True);
  EXPECT_EQ(ready.reason, Reason::UpdatePending);
  EXPECT_THAT(ready.message, HasSubstr("Unikernel shop/web uses it"));
  scene.now = scene.tonight;
  EXPECT_THAT(takeable(scene.next().steps, scene.now), SizeIs(2)) << "stopped and written; then started";
}

}  // namespace
}  // namespace rookery::plan
