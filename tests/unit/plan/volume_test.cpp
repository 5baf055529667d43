#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "scene.h"

namespace rookery::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> namedSteps(const Plan& plan) {
  std::vector<std::string> steps;
  for (const Step& step : plan.steps)
    steps.push_back(std::string(toString(step.verb)) + " " + step.object.name);
  return steps;
}

struct VolumeScene : Scene {
  const api::Condition& volumeReady(const Plan& plan, const std::string& path = "shop/data") const {
    return *plan.objects.at(volumeKey(path)).status.condition(api::Condition::Type::Ready);
  }
  /// The server says that the device is used by that unikernel, which runs as declared and is ours.
  void runWith(const std::string& unikernel, const std::string& volume) {
    attach(unikernel, volume);
    runOurs(unikernel, desired.unikernels.at(keyOf(unikernel)).arguments);
    (*observed.blockDevices)[name("shop/" + volume)].active = true;
  }
};

struct VolumeCase {
  std::string name;
  std::function<void(VolumeScene&)> arrange;
  std::vector<std::string> steps;
  Reason reason;
  std::string says = {};
};

class AVolume : public testing::TestWithParam<VolumeCase> {};

TEST_P(AVolume, IsBroughtAbout) {
  VolumeScene scene;
  GetParam().arrange(scene);
  const Plan plan = scene.next();
  EXPECT_EQ(GetParam().steps, namedSteps(plan));
  EXPECT_EQ(GetParam().reason, scene.volumeReady(plan).reason) << scene.volumeReady(plan).message;
  EXPECT_THAT(scene.volumeReady(plan).message, HasSubstr(GetParam().says));
}

void missing(DesiredVolume& volume, Reason reason, bool lasting = false) {
  volume.missing = image::Missing{{reason, "It is not here."}, lasting};
  volume.content = std::unexpected(volume.missing->error);
}

INSTANTIATE_TEST_SUITE_P(
    Volumes, AVolume,
    testing::Values(
        VolumeCase{"Absent",
                   [](auto& scene) { scene.declareVolume("shop/data"); },
                   {"createVolume data", "setVolume data"},
                   Reason::Reconciling},
        VolumeCase{"AbsentWithoutASource",
                   [](auto& scene) { scene.declareVolume("shop/data", 0); },
                   {"createVolume data"},
                   Reason::Reconciling},
        VolumeCase{"AbsentWhileItsContentIsPulled",
                   [](auto& scene) { missing(scene.declareVolume("shop/data"), Reason::ImagePulling); },
                   {"createVolume data"},
                   Reason::Reconciling},
        VolumeCase{"AsDeclared",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.putOurs("shop/data");
                   },
                   {},
                   Reason::Succeeded},
        VolumeCase{"OfWhichTheContentIsNotKnown",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.putOurs("shop/data", 0);
                   },
                   {"setVolume data"},
                   Reason::Reconciling},
        VolumeCase{"WithOtherContent",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                   },
                   {"setVolume data"},
                   Reason::Reconciling,
                   "differs in spec.source"},
        VolumeCase{"WithoutASourceIsLeft",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 0);
                     scene.putOurs("shop/data", 'c');
                   },
                   {},
                   Reason::Succeeded},
        VolumeCase{"WhoseContentIsBeingPulled",
                   [](auto& scene) {
                     missing(scene.declareVolume("shop/data"), Reason::ImagePulling);
                     scene.putOurs("shop/data", 'd');
                   },
                   {},
                   Reason::ImagePulling,
                   "left as it is"},
        VolumeCase{"OfAnotherSize",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.putOurs("shop/data", 'd');
                     scene.putDevice("shop/data", 8);
                   },
                   {},
                   Reason::VolumeSizeDiffers,
                   "Albatross cannot change the size"},
        VolumeCase{"TooSmallForItsContent",
                   [](auto& scene) { (*scene.declareVolume("shop/data").content)->size = (4 << 20) + 1; },
                   {},
                   Reason::VolumeTooSmall,
                   "4194305 bytes"},
        VolumeCase{"ThatItsContentFillsExactly",
                   [](auto& scene) { (*scene.declareVolume("shop/data").content)->size = 4 << 20; },
                   {"createVolume data", "setVolume data"},
                   Reason::Reconciling},
        VolumeCase{"WhoseSourceIsNotThere",
                   [](auto& scene) {
                     scene.declareVolume("shop/data").content =
                         fail(Reason::ImageNotFound, "It cannot be found.");
                   },
                   {},
                   Reason::ImageNotFound},
        VolumeCase{"OverThePolicy",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'c', [](auto& spec) { spec.size = 60; });
                     scene.putDevice("shop/other", 50);
                   },
                   {},
                   Reason::PolicyExceeded,
                   "of which 50 Mi are used"},
        VolumeCase{"WhereThePolicyAllowsNone",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.observed.policies[Scene::domain("shop")].block.reset();
                   },
                   {},
                   Reason::PolicyExceeded,
                   "allows no block devices"},
        VolumeCase{"MadeByHandIsAdopted",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.putDevice("shop/data");
                   },
                   {"adopt data"},
                   Reason::Reconciling,
                   "with what is on it"},
        VolumeCase{"MadeByHandWithAnotherSize",
                   [](auto& scene) {
                     scene.declareVolume("shop/data");
                     scene.putDevice("shop/data", 5);
                   },
                   {},
                   Reason::VolumeSizeDiffers},
        VolumeCase{"MadeByHandWaitsUntilItsSourceIsRead",
                   [](auto& scene) {
                     missing(scene.declareVolume("shop/data"), Reason::ImageBeingRead);
                     scene.putDevice("shop/data");
                   },
                   {},
                   Reason::ImageBeingRead},
        VolumeCase{"OfASuspendedInstance",
                   [](auto& scene) {
                     api::AlbatrossInstance instance;
                     instance.suspend = true;
                     scene.setInstance(instance);
                     scene.declareVolume("shop/data");
                   },
                   {},
                   Reason::InstanceSuspended},
        VolumeCase{"OfAnInstanceThatIsOnlyObserved",
                   [](auto& scene) {
                     api::AlbatrossInstance instance;
                     instance.observe = true;
                     scene.setInstance(instance);
                     scene.declareVolume("shop/data");
                   },
                   {},
                   Reason::Observed,
                   "is not on eu-1"},
        VolumeCase{"UsedByAUnikernelThatIsOnlyObserved",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                     scene.runWith("shop/web", "data");
                     api::AlbatrossInstance instance;
                     instance.observe = true;
                     scene.setInstance(instance);
                   },
                   {},
                   Reason::Observed},
        VolumeCase{"UsedByAUnikernelThatMayBeStopped",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                     scene.runWith("shop/web", "data");
                   },
                   {"destroy web", "setVolume data", "create web"},
                   Reason::Reconciling},
        VolumeCase{"UsedByAUnikernelThatIsOnlyReplacedOnDelete",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                     scene.runWith("shop/web", "data");
                     scene.declare("shop/web", [](api::Unikernel& spec, auto&) {
                       spec.updateStrategy = api::Unikernel::UpdateStrategy::OnDelete;
                     });
                   },
                   {},
                   Reason::UpdateOnDelete,
                   "Unikernel shop/web uses it"},
        VolumeCase{"UsedByAUnikernelThatCouldNotBeStartedAgain",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                     scene.runWith("shop/web", "data");
                     scene.declare("shop/web", [](auto&, DesiredUnikernel& unikernel) {
                       unikernel.image = fail(Reason::ImageNotFound, "It cannot be found.");
                     });
                   },
                   {},
                   Reason::BlockDeviceInUse,
                   "could not be started again"},
        VolumeCase{"UsedBySomebodyElse",
                   [](auto& scene) {
                     scene.declareVolume("shop/data", 'd');
                     scene.putOurs("shop/data", 'c');
                     scene.putDevice("shop/data", 4, true);
                   },
                   {},
                   Reason::BlockDeviceInUse,
                   "whoever has it"}),
    [](const auto& info) { return info.param.name; });

TEST(Volumes, AUnikernelWaitsForItsVolume) {
  VolumeScene scene;
  scene.attach("shop/web", "data");
  missing(scene.declareVolume("shop/data"), Reason::ImagePulling);
  scene.putOurs("shop/data", 0);
  Plan plan = scene.next();
  EXPECT_THAT(namedSteps(plan), IsEmpty());
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::VolumeNotReady);
  EXPECT_THAT(scene.ready(plan, "shop/web").message,
              HasSubstr("Unikernel shop/web waits for UnikernelVolume shop/data. It is not here."));
  scene.declareVolume("shop/data");
  plan = scene.next();
  EXPECT_THAT(namedSteps(plan), ElementsAre("setVolume data", "create web"));
}

TEST(Volumes, WhatNobodyDeclaresIsNotWaitedFor) {
  VolumeScene scene;
  scene.attach("shop/web", "data");
  scene.knowDevices();
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::BlockDeviceNotFound);
  scene.putDevice("shop/data");
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("create web"));
}

/// Each round takes what may be taken without a look, until nothing is left.
std::vector<std::string> converge(VolumeScene& scene) {
  std::vector<std::string> taken;
  for (int round = 0; round < 10; ++round) {
    const Plan plan = scene.next();
    const auto steps = takeable(plan.steps, scene.now);
    if (steps.empty()) break;
    for (const Step& step : steps) {
      taken.push_back(std::string(toString(step.verb)) + " " + step.object.name);
      scene.take(step);
      for (auto& [device, state] : *scene.observed.blockDevices) state.active = false;
    }
  }
  return taken;
}

TEST(Volumes, FromNothingToAUnikernelThatRunsWithIt) {
  VolumeScene scene;
  scene.declareVolume("shop/data");
  scene.attach("shop/web", "data");
  EXPECT_THAT(converge(scene), ElementsAre("createVolume data", "setVolume data", "create web"));
  const Plan plan = scene.next();
  EXPECT_EQ(scene.volumeReady(plan).reason, Reason::Succeeded);
  const api::Status& status = plan.objects.at(Scene::volumeKey("shop/data")).status;
  EXPECT_EQ(status.digest, image::toHex(digestOf('c')));
  EXPECT_EQ(status.size, 4);
  EXPECT_EQ(status.instance, "eu-1");
  EXPECT_EQ(status.lastAction->verb, "setVolume");
}

TEST(Volumes, OtherContentStopsTheUnikernelAndStartsItAgain) {
  VolumeScene scene;
  scene.declareVolume("shop/data", 'd');
  scene.putOurs("shop/data", 'c');
  scene.runWith("shop/web", "data");
  EXPECT_THAT(converge(scene), ElementsAre("destroy web", "setVolume data", "create web"));
  EXPECT_EQ(scene.next().objects.at(keyOf("shop/web")).status.restarts, 0) << "it was asked for";
}

TEST(Volumes, AdoptionWritesNothingUntilTheSourceChanges) {
  VolumeScene scene;
  scene.declareVolume("shop/data", 'c');
  scene.putDevice("shop/data");
  EXPECT_THAT(converge(scene), ElementsAre("adopt data"));
  scene.declareVolume("shop/data", 'd');
  EXPECT_THAT(converge(scene), ElementsAre("setVolume data"));
}

TEST(Volumes, WhatWasPerhapsWrittenHalfIsWrittenAgain) {
  for (const bool crash : {false, true}) {
    VolumeScene scene;
    scene.declareVolume("shop/data", 'd');
    scene.putOurs("shop/data", 'c');
    scene.attach("shop/web", "data");
    const Plan plan = scene.next();
    scene.beginStep(plan.steps.front());
    EXPECT_THAT(scene.memory.volumes.at(Scene::name("shop/data")).digests, IsEmpty())
        << "this is on the disk before anything is sent";
    if (!crash) scene.endStep(plan.steps.front(), lost());
    if (crash) scene.memory.objects.clear();
    const Plan after = scene.next();
    EXPECT_EQ(after.steps.at(0).verb, Verb::SetVolume);
    if (!crash) {
      EXPECT_GT(after.steps.at(0).notBefore, scene.now);
      EXPECT_EQ(after.steps.size(), 1u) << "the unikernel waits";
    }
    scene.now += std::chrono::minutes(1);
    EXPECT_THAT(converge(scene), ElementsAre("setVolume data", "create web"));
  }
}

TEST(Volumes, ALostCreateIsWatchedUntilItIsSeen) {
  VolumeScene scene;
  scene.declareVolume("shop/data");
  const Step step = scene.next().steps.front();
  scene.beginStep(step);
  scene.endStep(step, lost());
  EXPECT_EQ(scene.volumeReady(scene.next()).reason, Reason::InDoubt);
  EXPECT_THAT(scene.next().steps, IsEmpty());
  scene.putDevice("shop/data");
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("setVolume data"));
}

TEST(Volumes, OneThatSomebodyElseMadeMeanwhileIsNotOverwritten) {
  VolumeScene scene;
  scene.declareVolume("shop/data");
  const Step step = scene.next().steps.front();
  scene.beginStep(step);
  scene.putDevice("shop/data");
  scene.endStep(step, refused("block device with same name already exists"));
  scene.now += std::chrono::minutes(1);
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("adopt data"));
}

/// Volume shop/data of ours, without a source, to which content 'l' is to be written.
VolumeScene loading(bool stopsUser, std::uint64_t id = 1) {
  VolumeScene scene;
  scene.declareVolume("shop/data", 0).load = VolumeLoad{id, makeImage('l'), stopsUser};
  scene.putOurs("shop/data", 0);
  return scene;
}

TEST(Volumes, WhatIsLoadedIsWrittenOnce) {
  VolumeScene scene = loading(false);
  Plan plan = scene.next();
  ASSERT_THAT(namedSteps(plan), ElementsAre("setVolume data"));
  EXPECT_EQ(plan.steps[0].load, 1u);
  EXPECT_THAT(plan.loads, IsEmpty());
  scene.take(plan.steps[0]);
  plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.loads.at(VolumeScene::volumeKey("shop/data")), (LoadEnd{1, std::nullopt}));
  EXPECT_EQ(scene.volumeReady(plan).reason, Reason::Succeeded);
  scene.desired.volumes.at(VolumeScene::volumeKey("shop/data")).load->id = 2;
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("setVolume data")) << "the same content, asked for again";
}

TEST(Volumes, WhatIsLoadedAndRefusedIsNotTriedAgain) {
  VolumeScene scene = loading(false);
  Plan plan = scene.next();
  scene.beginStep(plan.steps.at(0));
  scene.endStep(plan.steps.at(0), refused("no"));
  plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.loads.at(VolumeScene::volumeKey("shop/data")).error->reason, Reason::Refused);
  scene.desired.volumes.at(VolumeScene::volumeKey("shop/data")).load->id = 2;
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("setVolume data"));
}

TEST(Volumes, ALoadStopsAUnikernelOnlyWhereThatIsAskedFor) {
  VolumeScene scene = loading(false);
  scene.runWith("shop/web", "data");
  Plan plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.loads.at(VolumeScene::volumeKey("shop/data")).error->reason, Reason::BlockDeviceInUse);
  EXPECT_EQ(scene.volumeReady(plan).status, api::Condition::Status::True) << "the volume is as it was";
  scene = loading(true, 2);
  scene.runWith("shop/web", "data");
  EXPECT_THAT(namedSteps(scene.next()), ElementsAre("destroy web", "setVolume data", "create web"));
}

TEST(Volumes, ALoadThatDoesNotFitIsRefused) {
  VolumeScene scene = loading(false);
  scene.desired.volumes.at(VolumeScene::volumeKey("shop/data")).load->content.size = (4 << 20) + 1;
  const Plan plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.loads.at(VolumeScene::volumeKey("shop/data")).error->reason, Reason::VolumeTooSmall);
}

TEST(Volumes, GoesOnlyWhenNobodyUsesIt) {
  VolumeScene scene;
  scene.putOurs("shop/data");
  scene.runWith("shop/web", "data");
  scene.desired.absences[Scene::volumeKey("shop/data")] = {Absence::Verdict::Destroy, Reason::ManifestRemoved,
                                                           "It is not declared any more."};
  Plan plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.removals.at(Scene::volumeKey("shop/data")).reason, Reason::BlockDeviceInUse);
  scene.undeclare("shop/web");
  EXPECT_THAT(converge(scene), ElementsAre("destroy web", "destroyVolume data"));
  scene.next();
  EXPECT_THAT(scene.memory.volumes, IsEmpty());
}

TEST(Volumes, OneThatIsReleasedStaysAndIsForgotten) {
  VolumeScene scene;
  scene.putOurs("shop/data");
  scene.desired.absences[Scene::volumeKey("shop/data")] = {Absence::Verdict::Release, Reason::ManifestRemoved,
                                                           "It is not declared any more."};
  EXPECT_THAT(scene.next().steps, IsEmpty());
  EXPECT_THAT(scene.memory.volumes, IsEmpty());
  EXPECT_TRUE(scene.observed.blockDevices->contains(Scene::name("shop/data")));
}

TEST(Volumes, OneThatIsGoneAtTheServerIsMadeAndFilledAgain) {
  VolumeScene scene;
  scene.declareVolume("shop/data");
  scene.putOurs("shop/data");
  scene.observed.blockDevices->clear();
  EXPECT_THAT(converge(scene), ElementsAre("createVolume data", "setVolume data"));
}

TEST(Volumes, EntriesAreKeptAsTheyAre) {
  VolumeScene scene;
  Entry entry = scene.putOurs("shop/data");
  entry.pending.emplace();
  entry.pending->verb = Verb::SetVolume;
  entry.pending->image = digestOf('d');
  EXPECT_EQ(entryFromJson(toJson(entry)), entry);
}

}  // namespace
}  // namespace rookery::plan
