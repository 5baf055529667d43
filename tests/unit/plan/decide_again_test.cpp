// Deciding again about what has changed says what deciding about everything would.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "unit/plan/known.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using UnikernelSpec = api::Unikernel;

/// A server with unikernels of all sorts, and what people do to their manifests.
class Fleet {
 public:
  explicit Fleet(unsigned seed) : random_(seed) {
    names_ = {"shop/a", "shop/b", "shop/c", "db/a", "db/b", "sys/a", "sys/b"};
    if (chance(6)) names_.insert(names_.end(), {"sys/shop", "none/a"});
    scene.declarePolicy("shop", makePolicy(10, 1'024));
    if (chance(4)) scene.declarePolicy("db", makePolicy(2, 96));
    if (chance(4)) {
      api::AlbatrossInstance instance = scene.desired.spec();
      instance.maxConcurrentUpdates = 1 + static_cast<std::int64_t>(random_() % 2);
      scene.setInstance(instance);
    }
    for (const std::string& name : names_) {
      if (!chance(5)) edit(name);
    }
    if (chance(3)) scene.run("sys/foreign");
    if (chance(3)) scene.run("shop/c").memory = 64;
    if (chance(4)) scene.runOurs("shop/gone");
    if (chance(8)) scene.undeclare("shop/gone", Absence::Verdict::Keep, Reason::PruneGuard);
  }

  /// Takes some of what is to be done, with more or less success.
  void work(const Plan& plan) {
    for (const Step& step : takeable(plan.steps, scene.now)) {
      if (chance(8)) return;
      scene.beginStep(step);
      if (chance(12)) {
        scene.endStep(step, refused("no"));
      } else if (chance(12)) {
        if (chance(2)) scene.carryOut(step);
        scene.endStep(step, lost());
      } else {
        scene.carryOut(step);
        scene.endStep(step, created());
      }
    }
  }

  /// Changes some manifests.
  void editSome() {
    for (const std::string& name : names_) {
      if (chance(6) && scene.desired.unikernels.contains(keyOf(name))) edit(name);
    }
    if (chance(40)) scene.declarePolicy("shop", makePolicy(10, 512 * (1 + random_() % 3)));
    if (chance(40)) edit(names_[random_() % names_.size()]);
  }

  /// What others do, or the unikernels themselves.
  void interfere() {
    for (const std::string& name : names_) {
      const auto running = scene.observed.unikernels.find(Scene::name(name));
      if (running == scene.observed.unikernels.end() || !chance(12)) continue;
      if (chance(3)) {
        scene.observed.unikernels.erase(running);
      } else if (chance(2)) {
        running->second.started = albatross::Time(std::chrono::milliseconds(++scene.lastStarted));
      } else {
        running->second.memory += 16;
      }
    }
    if (chance(30)) scene.run("sys/foreign");
  }

  bool chance(unsigned outOf) { return random_() % outOf == 0; }

  Scene scene;

 private:
  void edit(const std::string& name) {
    scene.declare(name, [&](UnikernelSpec& spec, DesiredUnikernel& unikernel) {
      spec.memory = unikernel.arguments.memory = 32 << random_() % 3;
      unikernel.arguments.arguments = {{"--n=" + std::to_string(random_() % 3)}};
      unikernel.image = makeImage(chance(3) ? 'b' : 'a');
      spec.minReadySeconds = chance(3) ? 7 : 0;
      spec.suspend = chance(6);
      spec.adopt = chance(3) ? UnikernelSpec::Adopt::Never : UnikernelSpec::Adopt::IfIdentical;
      spec.updateStrategy =
          chance(4) ? UnikernelSpec::UpdateStrategy::OnDelete : UnikernelSpec::UpdateStrategy::ForceCreate;
      spec.runPolicy = chance(4) ? UnikernelSpec::RunPolicy::Once : UnikernelSpec::RunPolicy::Always;
      unikernel.error =
          chance(8) ? std::optional(Error{Reason::ReferenceNotFound, "It is not there."}) : std::nullopt;
      spec.dependsOn.clear();
      for (const char* other : {"b", "c"}) {
        if (name < "shop/" + std::string(other) && chance(4)) spec.dependsOn.emplace_back(other);
      }
      if (chance(8)) unikernel.image = std::unexpected(Error{Reason::ImageNotFound, "There is none."});
      const bool replicated = chance(4);
      unikernel.replicas.reset();
      if (replicated) unikernel.replicas = Replicas{.wanted = 2, .instances = {"eu-1", "eu-2"}};
      unikernel.waits =
          replicated && chance(2) ? std::optional<std::string>("It waits for its turn.") : std::nullopt;
      unikernel.identity.generation += 1;
    });
  }

  std::mt19937 random_;
  std::vector<std::string> names_;
};

void expectSameSteps(const Plan& again, const Plan& full) {
  ASSERT_EQ(again.steps.size(), full.steps.size());
  for (std::size_t i = 0; i < full.steps.size(); ++i) {
    EXPECT_TRUE(sendsTheSame(again.steps[i], full.steps[i])) << full.steps[i].message;
    EXPECT_EQ(again.steps[i].message, full.steps[i].message);
    EXPECT_EQ(again.steps[i].reason, full.steps[i].reason);
    EXPECT_EQ(again.steps[i].fields, full.steps[i].fields);
    EXPECT_EQ(again.steps[i].notBefore, full.steps[i].notBefore);
  }
}

void expectSameObjects(const Known& known, const Plan& full) {
  ASSERT_EQ(known.objects.size(), full.objects.size());
  for (const auto& [key, state] : full.objects)
    EXPECT_EQ(timeless(known.objects.at(key)), timeless(state)) << key.toString();
}

void expectSameMemory(const Memory& again, const Memory& full) {
  EXPECT_EQ(again.inventory, full.inventory);
  EXPECT_EQ(again.restartChangesMemory, full.restartChangesMemory);
  EXPECT_EQ(again.watched, full.watched);
  EXPECT_EQ(again.lookedAt, full.lookedAt);
  EXPECT_EQ(again.objects, full.objects);
}

TEST(DecideAgain, SaysWhatDecidingAboutEverythingSays) {
  constexpr unsigned fleets = 80, rounds = 40;
  int times = 0, few = 0, steps = 0;
  for (unsigned seed = 0; seed < fleets && !testing::Test::HasFailure(); ++seed) {
    Fleet fleet(seed);
    Scene& scene = fleet.scene;
    std::optional<Known> known;
    for (unsigned round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
      SCOPED_TRACE(std::to_string(seed) + ", " + std::to_string(round));
      const Plan full = decide(scene.desired, scene.observed, scene.memory, scene.authority, scene.now);
      const auto changed = known ? known->changed(scene.desired, scene.observed, scene.now) : std::nullopt;
      if (changed) {
        const Plan again = decideAgain(scene.desired, *changed, scene.observed, scene.memory, known->counts,
                                       scene.authority, scene.now);
        known->add(scene.desired, scene.observed, again);
        expectSameSteps(again, full);
        expectSameObjects(*known, full);
        expectSameMemory(again.memory, full.memory);
        EXPECT_EQ(again.counts, full.counts);
        EXPECT_EQ(again.drift, full.drift);
        EXPECT_EQ(again.errors, full.errors);
        EXPECT_EQ(again.removals, full.removals);
        EXPECT_EQ(again.rest.each, full.rest.each);
        EXPECT_EQ(again.rest.restless, full.rest.restless);
        const auto wakeAt =
            std::min(again.wakeAt.value_or(SystemTime::max()), known->rest.until.value_or(SystemTime::max()));
        EXPECT_LE(wakeAt, full.wakeAt.value_or(SystemTime::max()));
        ++times;
        few += changed->size() * 3 < scene.desired.unikernels.size() ? 1 : 0;
        steps += static_cast<int>(full.steps.size());
      } else {
        known.emplace(scene.desired, scene.observed, full);
      }
      scene.memory = full.memory;
      fleet.work(full);
      if (fleet.chance(3)) fleet.editSome();
      if (fleet.chance(3)) fleet.interfere();
      scene.now += std::chrono::seconds(1 + round % 5);
    }
  }
  EXPECT_GT(times, 1'000);
  EXPECT_GT(few, 300);
  EXPECT_GT(steps, 500);
}

TEST(DecideAgain, IsNotForThoseWhoWaitForEachOther) {
  Scene scene;
  scene.declare("shop/a", [](UnikernelSpec& spec, DesiredUnikernel& unikernel) {
    spec.memory = unikernel.arguments.memory = 2'048;
  });
  EXPECT_FALSE(scene.next().rest.each) << "it has no room as long as others have theirs";
  scene.declare("shop/a", [](UnikernelSpec& spec, DesiredUnikernel& unikernel) {
    spec.memory = unikernel.arguments.memory = 32;
    unikernel.object = nullptr;
  });
  scene.take(scene.next().steps.at(0));
  EXPECT_TRUE(scene.next().rest.each);
  scene.declare("none/a");
  EXPECT_FALSE(scene.next().rest.each) << "there may be a policy once another is set";
}

}  // namespace
}  // namespace rookery::plan
