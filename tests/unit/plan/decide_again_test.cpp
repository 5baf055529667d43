// Deciding again about what has changed says what deciding about everything would.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "plan/plan.h"
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
    for (const char* name :
         {"shop/a", "shop/b", "shop/c", "db/a", "db/b", "sys/a", "sys/b", "sys/shop", "none/a"})
      names_.emplace_back(name);
    scene.declarePolicy("shop", makePolicy(10, 1'024));
    if (chance(4)) scene.declarePolicy("db", makePolicy(2, 96));
    for (const std::string& name : names_) {
      if (!chance(5)) edit(name);
    }
    if (chance(3)) scene.run("sys/foreign");
    if (chance(3)) scene.run("shop/c").memory = 64;
    if (chance(4)) scene.runOurs("shop/gone");
    if (chance(8)) scene.undeclare("shop/gone", Absence::Verdict::Keep, Reason::PruneGuard);
  }

  /// Works until nothing is left to do. False: it does not come to that.
  bool settle() {
    for (int round = 0; round < 40; ++round) {
      before = scene.next();
      if (before.rests) return true;
      for (const Step& step : takeable(before.steps, scene.now)) {
        if (chance(10)) {
          scene.beginStep(step);
          scene.endStep(step, refused("no"));
        } else {
          scene.take(step);
        }
      }
      scene.now += 5s;
    }
    return false;
  }

  /// Changes some manifests.
  std::set<api::ObjectKey> change() {
    std::set<api::ObjectKey> changed;
    for (const std::string& name : names_) {
      if (!chance(4) || !scene.desired.unikernels.contains(keyOf(name))) continue;
      edit(name);
      changed.insert(keyOf(name));
    }
    return changed;
  }

  bool chance(unsigned outOf) { return random_() % outOf == 0; }

  Scene scene;
  Plan before;  // the last one

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
      if (chance(8)) unikernel.image = std::unexpected(Error{Reason::ImageNotFound, "There is none."});
      unikernel.identity.generation += 1;
    });
  }

  std::mt19937 random_;
  std::vector<std::string> names_;
};

/// The conditions without the time of the look that they are from.
ObjectState timeless(ObjectState state) {
  for (api::Condition& condition : state.status.conditions) condition.lastTransitionTime = {};
  return state;
}

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

void expectSameObjects(const Plan& again, const Plan& full, const Plan& before) {
  for (const auto& [key, state] : full.objects) {
    const auto judged = again.objects.find(key);
    const ObjectState& stands = judged == again.objects.end() ? before.objects.at(key) : judged->second;
    EXPECT_EQ(timeless(stands), timeless(state)) << key.toString();
  }
}

void expectSameMemory(const Memory& again, const Memory& full) {
  EXPECT_EQ(again.inventory, full.inventory);
  EXPECT_EQ(again.restartChangesMemory, full.restartChangesMemory);
  EXPECT_EQ(again.watched, full.watched);
  EXPECT_EQ(again.lookedAt, full.lookedAt);
  EXPECT_EQ(again.objects, full.objects);
}

TEST(DecideAgain, SaysWhatDecidingAboutEverythingSays) {
  constexpr unsigned fleets = 150;
  int rested = 0, steps = 0, restedAgain = 0;
  for (unsigned seed = 0; seed < fleets && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Fleet fleet(seed);
    for (int round = 0; round < 5 && fleet.settle(); ++round) {
      ++rested;
      Scene& scene = fleet.scene;
      scene.now += 3s;
      if (fleet.before.wakeAt && *fleet.before.wakeAt <= scene.now) continue;
      const std::set<api::ObjectKey> changed = fleet.change();

      const Plan again = decideAgain(scene.desired, changed, scene.observed, scene.memory,
                                     fleet.before.counts, scene.authority, scene.now);
      const Plan full = decide(scene.desired, scene.observed, scene.memory, scene.authority, scene.now);

      expectSameSteps(again, full);
      expectSameObjects(again, full, fleet.before);
      expectSameMemory(again.memory, full.memory);
      EXPECT_EQ(again.counts, full.counts);
      EXPECT_EQ(again.drift, full.drift);
      EXPECT_EQ(again.errors, full.errors);
      EXPECT_EQ(again.removals, full.removals);
      EXPECT_EQ(again.rests, full.rests);
      if (full.wakeAt) {
        EXPECT_LE(std::min(again.wakeAt.value_or(SystemTime::max()),
                           fleet.before.wakeAt.value_or(SystemTime::max())),
                  *full.wakeAt);
      }
      steps += static_cast<int>(full.steps.size());
      restedAgain += full.rests ? 1 : 0;
    }
  }
  EXPECT_GT(rested, 100);
  EXPECT_GT(steps, 100);
  EXPECT_GT(restedAgain, 20);
}

TEST(DecideAgain, IsNotForThoseWhoWaitForEachOther) {
  Scene scene;
  scene.declare("shop/a", [](UnikernelSpec& spec, DesiredUnikernel& unikernel) {
    spec.memory = unikernel.arguments.memory = 2'048;
  });
  EXPECT_FALSE(scene.next().rests) << "it has no room as long as others have theirs";
  scene.declare("shop/a", [](UnikernelSpec& spec, DesiredUnikernel& unikernel) {
    spec.memory = unikernel.arguments.memory = 32;
    unikernel.object = nullptr;
  });
  scene.take(scene.next().steps.at(0));
  EXPECT_TRUE(scene.next().rests);
  scene.declare("none/a");
  EXPECT_FALSE(scene.next().rests) << "there may be a policy once another is set";
}

}  // namespace
}  // namespace rookery::plan
