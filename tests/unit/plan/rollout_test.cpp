#include "plan/rollout.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "scene.h"

namespace rookery::plan {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A replica in a word: "old" and Ready, "new" and Ready, "down" and old, "starting" and new, "failed",
/// "rolled back", "back": old, and what is declared ran there before; "?": not seen.
std::optional<Replica> replica(const std::string& word) {
  if (word == "?") return std::nullopt;
  Replica made{.goal = "goal"};
  made.ready = word == "old" || word == "new" || word == "back";
  made.updated = word == "new" || word == "starting" || word == "failed";
  made.outdated = word == "old" || word == "down" || word == "back";
  made.failed = word == "failed" || word == "rolled back";
  made.proven = word == "back";
  return made;
}

RolloutInput inputOf(const std::vector<std::string>& words, std::set<std::string> admitted = {}) {
  RolloutInput input{.unikernel = keyOf("shop/web"), .replicas = {}, .admitted = std::move(admitted)};
  for (std::size_t i = 0; i < words.size(); ++i)
    input.replicas["eu-" + std::to_string(i + 1)] = replica(words[i]);
  input.revision = "0123456789";
  return input;
}

struct Case {
  std::string name;
  std::vector<std::string> replicas;
  std::set<std::string> before = {};  // admitted
  std::int64_t maxUnavailable = 1;
  std::optional<std::int64_t> pauseAfter = {};
  bool resumed = false;
  std::vector<std::string> admitted = {};
  std::string why = {};  // of the first that is old and waits
};

class RolloutCases : public testing::TestWithParam<Case> {};

TEST_P(RolloutCases, AdmitsWhoseTurnItIs) {
  const Case& tested = GetParam();
  RolloutInput input = inputOf(tested.replicas, tested.before);
  input.maxUnavailable = tested.maxUnavailable;
  input.pauseAfter = tested.pauseAfter;
  input.resumed = tested.resumed;
  const Rollout rollout = decideRollout(input);
  EXPECT_THAT(rollout.admitted, testing::ElementsAreArray(tested.admitted));
  EXPECT_EQ(rollout.admitted.size() + rollout.waits.size(), tested.replicas.size());
  if (tested.why.empty()) return;
  const auto waits = std::ranges::find_if(rollout.waits, [&](const auto& item) {
    const auto& known = input.replicas.at(item.first);
    return known && known->outdated;
  });
  ASSERT_NE(waits, rollout.waits.end());
  EXPECT_THAT(waits->second, HasSubstr(tested.why));
}

INSTANTIATE_TEST_SUITE_P(
    Each, RolloutCases,
    testing::Values(Case{.name = "TheFirst",
                         .replicas = {"old", "old", "old"},
                         .admitted = {"eu-1"},
                         .why = "It waits for eu-1, which is being updated."},
                    Case{.name = "NobodyWhileOneIsNotSeen",
                         .replicas = {"old", "?", "old"},
                         .why = "It waits for eu-2, of which it is not known how it stands."},
                    Case{.name = "NobodyWhileOneStarts",
                         .replicas = {"starting", "old", "old"},
                         .before = {"eu-1"},
                         .admitted = {"eu-1"},
                         .why = "which is being updated"},
                    Case{.name = "NobodyWhileOneStartsAfterARestart",
                         .replicas = {"starting", "old", "old"},
                         .why = "It waits for eu-1, which is not Ready."},
                    Case{.name = "TheNextOnceTheFirstIsReady",
                         .replicas = {"new", "old", "old"},
                         .before = {"eu-1"},
                         .admitted = {"eu-2"}},
                    Case{.name = "WhatIsDownFirst", .replicas = {"old", "old", "down"}, .admitted = {"eu-3"}},
                    Case{.name = "OneOfTwoThatAreDown",
                         .replicas = {"old", "down", "down"},
                         .admitted = {"eu-2"},
                         .why = "It waits for eu-2, which is being updated."},
                    Case{.name = "NoneBesideOneInDoubt",
                         .replicas = {"doubt", "down", "old"},
                         .why = "It waits for eu-1, which is not Ready."},
                    Case{.name = "TwoAtATime",
                         .replicas = {"old", "old", "old"},
                         .maxUnavailable = 2,
                         .admitted = {"eu-1", "eu-2"}},
                    Case{.name = "NoneAfterAFailure",
                         .replicas = {"rolled back", "old", "old"},
                         .maxUnavailable = 3,
                         .why = "has stopped, as it failed on eu-1"},
                    Case{.name = "NoneBesideAFailure",
                         .replicas = {"failed", "old", "old"},
                         .before = {"eu-1"},
                         .maxUnavailable = 2,
                         .why = "has stopped, as it failed on eu-1"},
                    Case{.name = "NoneAfterTheCanary",
                         .replicas = {"new", "old", "old"},
                         .pauseAfter = 1,
                         .why = "pauses after 1 of 3; rookery rollout resume web -n shop lets it go on, as "
                                "does the annotation "
                                "rookery.dev/rollout-resume: \"0123456789\"."},
                    Case{.name = "TheNextOnceResumed",
                         .replicas = {"new", "old", "old"},
                         .pauseAfter = 1,
                         .resumed = true,
                         .admitted = {"eu-2"}},
                    Case{.name = "NoMoreCanariesThanThereAreToBe",
                         .replicas = {"old", "old", "old"},
                         .maxUnavailable = 3,
                         .pauseAfter = 1,
                         .admitted = {"eu-1"}},
                    Case{.name = "WhatRanThereBeforeWithoutAPause",
                         .replicas = {"back", "new", "new"},
                         .pauseAfter = 1,
                         .admitted = {"eu-1"}},
                    Case{.name = "NobodyWhereAllIsDone", .replicas = {"new", "new"}, .before = {"eu-2"}},
                    Case{.name = "StillWhoWasAdmittedAndIsNotSeenSince",
                         .replicas = {"?", "old"},
                         .before = {"eu-1"},
                         .admitted = {"eu-1"}}),
    [](const auto& tested) { return tested.param.name; });

TEST(Rollout, GoesThroughAllAndNeverStopsTwo) {
  std::vector<std::string> words(5, "old");
  Rollout rollout;
  for (int round = 0; round < 10; ++round) {
    rollout = decideRollout(inputOf(words, rollout.admitted));
    ASSERT_LE(rollout.admitted.size(), 1u);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (rollout.admitted.contains("eu-" + std::to_string(i + 1)))
        words[i] = words[i] == "old" ? "starting" : "new";
    }
  }
  EXPECT_THAT(words, testing::Each("new"));
}

TEST(Rollout, IsPausedBySomebody) {
  RolloutInput input = inputOf({"old", "old"});
  input.paused = true;
  const Rollout rollout = decideRollout(input);
  EXPECT_THAT(rollout.admitted, IsEmpty());
  EXPECT_THAT(rollout.waits.at("eu-1"), HasSubstr("is paused; rookery rollout resume web -n shop"));
}

/// shop/web of three, here on eu-1, which runs an old image.
struct UpdateScene : Scene {
  UpdateScene() {
    add("shop/web");
    desired.replicated = {keyOf("shop/web")};
    change("shop/web", [](DesiredUnikernel& unikernel) {
      unikernel.replicas = Replicas{.wanted = 3, .instances = {"eu-1", "eu-2", "eu-3"}};
    });
  }
  void add(const std::string& path) {
    declare(path, [](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('b'); });
    runOurs(path).started = std::chrono::floor<std::chrono::milliseconds>(now - std::chrono::hours(1));
  }
  void wait(std::optional<std::string> why) {
    change("shop/web", [&](DesiredUnikernel& unikernel) { unikernel.waits = std::move(why); });
  }
  void limit(std::int64_t most) {
    api::AlbatrossInstance instance = desired.spec();
    instance.maxConcurrentUpdates = most;
    setInstance(instance);
  }
  std::vector<Step> due(const Plan& plan) const { return takeable(plan.steps, now); }
};

TEST(Update, WaitsForItsTurnAndRunsOn) {
  UpdateScene scene;
  scene.wait("It waits for eu-2, which is being updated.");
  Plan plan = scene.next();
  EXPECT_THAT(scene.due(plan), IsEmpty());
  ASSERT_THAT(plan.steps, SizeIs(1)) << "what is to be done is known";
  const api::Condition& ready = scene.ready(plan, "shop/web");
  EXPECT_EQ(ready.status, api::Condition::Status::True);
  EXPECT_EQ(ready.reason, Reason::UpdatePending);
  EXPECT_THAT(ready.message, HasSubstr("which is being updated"));
  EXPECT_TRUE(replicaOf(scene.memory, keyOf("shop/web"))->outdated);

  scene.wait(std::nullopt);
  plan = scene.next();
  ASSERT_THAT(scene.due(plan), SizeIs(1));
  EXPECT_EQ(scene.due(plan)[0].verb, Verb::ForceCreate);
  scene.take(scene.due(plan)[0]);
  plan = scene.next();
  const auto done = replicaOf(scene.memory, keyOf("shop/web"));
  EXPECT_TRUE(done->updated && done->ready && !done->outdated && !done->failed);
  EXPECT_TRUE(plan.objects.at(keyOf("shop/web")).status.updated);
}

TEST(Update, WaitsWithNothingThatIsMissing) {
  UpdateScene scene;
  scene.wait("It waits for its turn.");
  scene.observed.unikernels.clear();
  scene.memory.inventory.clear();
  ASSERT_THAT(scene.due(scene.next()), SizeIs(1));
}

TEST(Update, IsHeldBackWhilePaused) {
  UpdateScene scene;
  scene.change("shop/web", [](DesiredUnikernel& unikernel) {
    auto paused = std::make_shared<api::Object>(*unikernel.object);
    paused->metadata.annotations[std::string(api::rolloutPauseAnnotation)] = "true";
    unikernel.object = paused;
    unikernel.replicas.reset();
  });
  const Plan plan = scene.next();
  EXPECT_THAT(scene.due(plan), IsEmpty());
  EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("roll-out is paused"));
}

TEST(ConcurrentUpdates, AreNoMoreThanTheInstanceAllows) {
  UpdateScene scene;
  scene.limit(1);
  for (const char* path : {"shop/api", "shop/cart"}) scene.add(path);
  (void)scene.next();
  std::set<api::ObjectKey> updated;
  for (int round = 0; round < 12 && updated.size() < 3; ++round) {
    const Plan plan = scene.next();
    const std::vector<Step> due = scene.due(plan);
    ASSERT_LE(due.size(), 1u);
    if (!due.empty()) {
      scene.take(due[0]);
      updated.insert(due[0].object);
      const Plan after = scene.next();
      for (const Step& step : after.steps) EXPECT_NE(step.object, due[0].object);
    }
    scene.now += std::chrono::seconds(1);
  }
  EXPECT_THAT(updated, SizeIs(3));
}

TEST(ConcurrentUpdates, WaitForOneThatIsNotReadyYet) {
  UpdateScene scene;
  scene.limit(1);
  scene.declare("shop/api", [](api::Unikernel& spec, DesiredUnikernel&) { spec.minReadySeconds = 30; });
  scene.runOurs("shop/api").started = std::chrono::floor<std::chrono::milliseconds>(scene.now);
  (void)scene.next();
  Plan plan = scene.next();
  EXPECT_THAT(scene.due(plan), IsEmpty());
  EXPECT_THAT(scene.ready(plan, "shop/web").message,
              HasSubstr("It waits for Unikernel shop/api, as not more than 1 of AlbatrossInstance eu-1"));
  ASSERT_TRUE(plan.wakeAt);
  scene.now += std::chrono::seconds(31);
  (void)scene.next();
  EXPECT_THAT(scene.due(scene.next()), SizeIs(1));
}

}  // namespace
}  // namespace rookery::plan
