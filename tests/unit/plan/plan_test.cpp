#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "api/annotations.h"
#include "api/outdated.h"
#include "plan/desired.h"
#include "plan/unikernel_state.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Ready = api::Condition::Status;
using Spec = api::Unikernel;

void withMemory(Spec&, DesiredUnikernel& unikernel) { unikernel.arguments.memory = 64; }
void withArgument(Spec&, DesiredUnikernel& unikernel) {
  unikernel.arguments.arguments = {{"--ipv4=10.0.0.1/24"}};
}
void withImage(Spec&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('b'); }
void withBlock(Spec&, DesiredUnikernel& unikernel) {
  unikernel.arguments.blocks = {{"storage", "data", std::nullopt}};
}
auto withAdopt(Spec::Adopt adopt) {
  return [adopt](Spec& spec, DesiredUnikernel&) { spec.adopt = adopt; };
}

Error broken(Reason reason) { return {reason, "It is broken."}; }

albatross::Arguments with(const std::function<void(albatross::Arguments&)>& edit) {
  albatross::Arguments arguments;
  edit(arguments);
  return arguments;
}

TEST(Outdated, SaysWhyItIsHeldToWhatWas) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  api::Outdated& outdated = scene.desired.outdated[keyOf("shop/web")];
  outdated = {.gone = true, .silence = {.cause = "Locked."}};
  for (const bool passing : {true, false}) {
    outdated.silence.passing = passing;
    const Plan plan = scene.next();
    const api::Status& status = plan.objects.at(keyOf("shop/web")).status;
    EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("is kept: Locked."));
    EXPECT_EQ(status.condition(api::Condition::Type::Reconciling) != nullptr, passing);
    EXPECT_EQ(status.condition(api::Condition::Type::Stalled) != nullptr, !passing);
  }
  scene.change("shop/web", [](DesiredUnikernel& web) {
    web.image = std::unexpected(Error{Reason::ImageNotFound, "There is no web.hvt. Build it."});
  });
  const api::Condition imageless = scene.ready(scene.next(), "shop/web");
  EXPECT_EQ(imageless.reason, Reason::PruneBlocked) << "it went with its manifest";
  EXPECT_THAT(imageless.message, Not(HasSubstr("Build it.")));
  scene.declare("shop/web");
  outdated = {.gone = false, .silence = {.cause = "It is being written.", .passing = true}};
  const Plan plan = scene.next();
  EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("It is being written."));
  EXPECT_NE(plan.objects.at(keyOf("shop/web")).status.condition(api::Condition::Type::Reconciling), nullptr);
}

// -- One look at shop/web
// --------------------------------------------------------------------------------------------

/// What one look at a scene makes of shop/web.
struct Case {
  std::string rule;
  std::function<void(Scene&)> given;
  std::optional<Verb> verb;  // of the only step; absent: there must be none
  Reason reason;             // of the step, or of the Ready condition
  Ready ready = Ready::False;
  friend std::ostream& operator<<(std::ostream& out, const Case& item) { return out << item.rule; }
};

class Rule : public testing::TestWithParam<Case> {};

TEST_P(Rule, Holds) {
  const Case& rule = GetParam();
  Scene scene;
  rule.given(scene);

  const Plan plan = scene.next();

  const api::Condition* ready = nullptr;
  if (scene.desired.unikernels.contains(keyOf("shop/web"))) {
    ready = &scene.ready(plan, "shop/web");
    EXPECT_EQ(ready->status, rule.ready) << ready->message;
  }
  if (!rule.verb) {
    ASSERT_THAT(plan.steps, IsEmpty());
    if (ready != nullptr) {
      EXPECT_EQ(toString(ready->reason), toString(rule.reason)) << ready->message;
    }
    return;
  }
  ASSERT_THAT(plan.steps, SizeIs(1));
  const Step& step = plan.steps.front();
  EXPECT_EQ(toString(step.verb), toString(*rule.verb));
  EXPECT_EQ(toString(step.reason), toString(rule.reason));
  EXPECT_EQ(step.image.has_value(), *rule.verb == Verb::Create || *rule.verb == Verb::ForceCreate);
  EXPECT_FALSE(step.message.empty());
}

const std::vector<Case> cheapestRepair = {
    {"nothing differs",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.runOurs("shop/web");
     },
     std::nullopt, Reason::Running, Ready::True},
    {"nothing differs from what its manifest said when it was last there",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.runOurs("shop/web");
       scene.desired.outdated[keyOf("shop/web")] = {.gone = true, .silence = {.cause = "Locked."}};
     },
     std::nullopt, Reason::PruneBlocked, Ready::False},
    {"nothing differs from what its manifest said before it was broken",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.runOurs("shop/web");
       scene.desired.outdated[keyOf("shop/web")] = {.gone = false, .silence = {.cause = "Broken."}};
     },
     std::nullopt, Reason::Running, Ready::True},
    {"missing", [](Scene& scene) { scene.declare("shop/web"); }, Verb::Create, Reason::Absent},
    {"an argument differs",
     [](Scene& scene) {
       scene.declare("shop/web", withArgument);
       scene.runOurs("shop/web");
     },
     Verb::Restart, Reason::ArgumentsDiffer},
    {"memory only",
     [](Scene& scene) {
       scene.declare("shop/web", withMemory);
       scene.runOurs("shop/web");
     },
     Verb::Restart, Reason::MemoryDiffers},
    {"memory only, on a server whose restart ignores it",
     [](Scene& scene) {
       scene.declare("shop/web", withMemory);
       scene.runOurs("shop/web");
       scene.memory.restartChangesMemory = false;
     },
     Verb::ForceCreate, Reason::MemoryDiffers},
    {"an argument differs on a server whose restart ignores the memory",
     [](Scene& scene) {
       scene.declare("shop/web", withArgument);
       scene.runOurs("shop/web");
       scene.memory.restartChangesMemory = false;
     },
     Verb::Restart, Reason::ArgumentsDiffer},
    {"image",
     [](Scene& scene) {
       scene.declare("shop/web", withImage);
       scene.runOurs("shop/web");
     },
     Verb::ForceCreate, Reason::ImageDiffers},
    {"somebody force-created another image over ours",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.runOurs("shop/web");
       scene.run("shop/web", {}, 'z');
     },
     Verb::ForceCreate, Reason::ImageDiffers},
    {"owned, not declared any more",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.undeclare("shop/web");
     },
     Verb::Destroy, Reason::ManifestRemoved},
    {"owned, not declared, kept",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.undeclare("shop/web", Absence::Verdict::Keep, Reason::Pruning);
     },
     std::nullopt, Reason::Running},
    {"not owned, not declared", [](Scene& scene) { scene.run("shop/web"); }, std::nullopt, Reason::Running},
    {"OnDelete: no step that stops it",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec& spec, DesiredUnikernel& unikernel) {
         spec.updateStrategy = Spec::UpdateStrategy::OnDelete;
         withImage(spec, unikernel);
       });
       scene.runOurs("shop/web");
     },
     std::nullopt, Reason::UpdateOnDelete, Ready::True},
    {"OnDelete: missing is created",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) {
         spec.updateStrategy = Spec::UpdateStrategy::OnDelete;
       });
     },
     Verb::Create, Reason::Absent},
};
INSTANTIATE_TEST_SUITE_P(CheapestRepair, Rule, testing::ValuesIn(cheapestRepair));

const std::vector<Case> ownership = {
    {"IfIdentical adopts what is identical",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.run("shop/web");
     },
     Verb::Adopt, Reason::PresentIdentical},
    {"IfIdentical leaves what differs",
     [](Scene& scene) {
       scene.declare("shop/web", withArgument);
       scene.run("shop/web");
     },
     std::nullopt, Reason::NotOwned},
    {"Always adopts what differs",
     [](Scene& scene) {
       scene.declare("shop/web", withAdopt(Spec::Adopt::Always));
       scene.run("shop/web", {}, 'z');
     },
     Verb::Adopt, Reason::ImageDiffers},
    {"Never adopts nothing",
     [](Scene& scene) {
       scene.declare("shop/web", withAdopt(Spec::Adopt::Never));
       scene.run("shop/web");
     },
     std::nullopt, Reason::NotOwned},
    {"bhyve is never touched",
     [](Scene& scene) {
       scene.declare("shop/web", withImage);
       scene.runOurs("shop/web").type = albatross::UnikernelType::Bhyve;
     },
     std::nullopt, Reason::TypeNotSupported},
    {"bhyve is never adopted",
     [](Scene& scene) {
       scene.declare("shop/web", withAdopt(Spec::Adopt::Always));
       scene.run("shop/web").type = albatross::UnikernelType::Bhyve;
     },
     std::nullopt, Reason::TypeNotSupported},
    {"bhyve is never destroyed",
     [](Scene& scene) {
       scene.runOurs("shop/web").type = albatross::UnikernelType::Bhyve;
       scene.undeclare("shop/web");
     },
     std::nullopt, Reason::NotOwned},
    {"an image that we did not send is not destroyed",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.run("shop/web", {}, 'z');
       scene.undeclare("shop/web");
     },
     std::nullopt, Reason::NotOwned},
    {"an entry whose create never ran does not make another's unikernel ours",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.runOurs("shop/web");
       scene.memory.inventory.at(Scene::name("shop/web")).confirmed = false;
       scene.run("shop/web", {}, 'z');
     },
     std::nullopt, Reason::NotOwned},
    {"a lost inventory destroys nothing",
     [](Scene& scene) {
       scene.run("shop/web");
       scene.undeclare("shop/web");
     },
     std::nullopt, Reason::NotOwned},
    {"a tombstone that came back and is not declared",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.memory.inventory.at(Scene::name("shop/web")).destroyedAt = scene.now - 1h;
       scene.undeclare("shop/web");
     },
     Verb::Destroy, Reason::ManifestRemoved},
    {"a tombstone that came back and is declared again",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.memory.inventory.at(Scene::name("shop/web")).destroyedAt = scene.now - 1h;
       scene.declare("shop/web");
     },
     std::nullopt, Reason::Running, Ready::True},
    {"what runs under a tombstone's name with another image is not ours",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.memory.inventory.at(Scene::name("shop/web")).destroyedAt = scene.now - 1h;
       scene.run("shop/web", {}, 'z');
       scene.undeclare("shop/web");
     },
     std::nullopt, Reason::NotOwned},
};
INSTANTIATE_TEST_SUITE_P(Ownership, Rule, testing::ValuesIn(ownership));

const std::vector<Case> preflight = {
    {"the image is no good",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
         unikernel.image = std::unexpected(broken(Reason::DeviceMismatch));
       });
       scene.runOurs("shop/web", {}, 'z');
     },
     std::nullopt, Reason::DeviceMismatch},
    {"a reference dangles",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
         unikernel.error = broken(Reason::ReferenceNotFound);
       });
       scene.runOurs("shop/web", {}, 'z');
     },
     std::nullopt, Reason::ReferenceNotFound},
    {"a restart over the policy's memory",
     [](Scene& scene) {
       scene.declare("shop/web", withMemory);
       scene.runOurs("shop/web");
       scene.observed.policies[Scene::domain("shop")] = makePolicy(10, 63);
     },
     std::nullopt, Reason::PolicyExceeded},
    {"a force-create over the policy's memory, with what lives below counted",
     [](Scene& scene) {
       scene.declare("shop/web", withImage);
       scene.runOurs("shop/web");
       scene.observed.unikernels[{{"shop", "inner"}, "deep"}] = infoOf({}, digestOf('x'), {}, 1);
       scene.observed.policies[Scene::domain("shop")] = makePolicy(10, 63);
     },
     std::nullopt, Reason::PolicyExceeded},
    {"the number of unikernels",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.run("shop/other");
       scene.observed.policies[Scene::domain("shop")] = makePolicy(1, 1'024);
     },
     std::nullopt, Reason::PolicyExceeded},
    {"a CPU that the policy does not allow",
     [](Scene& scene) {
       scene.declare("shop/web",
                     [](Spec&, DesiredUnikernel& unikernel) { unikernel.arguments.cpuIDs = {0, 3}; });
       scene.runOurs("shop/web");
     },
     std::nullopt, Reason::PolicyExceeded},
    {"a bridge that the policy does not allow",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
         unikernel.arguments.bridges = {{"service", "br1", {}}};
       });
       scene.runOurs("shop/web");
     },
     std::nullopt, Reason::PolicyExceeded},
    {"a bridge that the machine does not have",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
         unikernel.arguments.bridges = {{"service", "br9", {}}};
       });
       scene.runOurs("shop/web");
       scene.observed.policies[Scene::domain("shop")].bridges.insert("br9");
     },
     std::nullopt, Reason::BridgeNotFound},
    {"the machine's memory",
     [](Scene& scene) {
       scene.declare("shop/web", withMemory);
       scene.runOurs("shop/web");
       scene.observed.policies[{}].memory = 63;
     },
     std::nullopt, Reason::PolicyExceeded},
    {"a block device that is missing",
     [](Scene& scene) {
       scene.declare("shop/web", withBlock);
       scene.runOurs("shop/web");
       scene.observed.blockDevices.emplace();
     },
     std::nullopt, Reason::BlockDeviceNotFound},
    {"a block device that another uses",
     [](Scene& scene) {
       scene.declare("shop/web", withBlock);
       scene.runOurs("shop/web");
       scene.run("shop/other",
                 with([](auto& arguments) { arguments.blocks = {{"disk", "data", std::nullopt}}; }));
       scene.observed.blockDevices = {{{{"shop"}, "data"}, {8, true}}};
     },
     std::nullopt, Reason::BlockDeviceInUse},
    {"its own block device",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec& spec, DesiredUnikernel& unikernel) {
         withBlock(spec, unikernel);
         withArgument(spec, unikernel);
       });
       scene.runOurs("shop/web",
                     with([](auto& arguments) { arguments.blocks = {{"storage", "data", std::nullopt}}; }));
       scene.observed.blockDevices = {{{{"shop"}, "data"}, {8, true}}};
     },
     Verb::Restart, Reason::ArgumentsDiffer},
};
INSTANTIATE_TEST_SUITE_P(Preflight, Rule, testing::ValuesIn(preflight));

const std::vector<Case> domains = {
    {"a namespace without a policy",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.observed.policies.erase(Scene::domain("shop"));
     },
     std::nullopt, Reason::NoPolicy},
    {"a credential that cannot issue for namespaces",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.authority.subDomain = std::unexpected(broken(Reason::CredentialCannotIssue));
     },
     std::nullopt, Reason::CredentialCannotIssue},
    {"a credential that cannot issue at all, where none has to",
     [](Scene& scene) {
       scene.declare("shop/web");
       scene.authority.ownDomain = std::unexpected(broken(Reason::CredentialCannotIssue));
     },
     Verb::Create, Reason::Absent},
    {"suspended, and another image",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec& spec, DesiredUnikernel& unikernel) {
         spec.suspend = true;
         withImage(spec, unikernel);
       });
       scene.runOurs("shop/web");
     },
     std::nullopt, Reason::Suspended, Ready::True},
    {"suspended, and missing",
     [](Scene& scene) {
       scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) { spec.suspend = true; });
     },
     std::nullopt, Reason::Suspended, Ready::Unknown},
    {"the instance is suspended",
     [](Scene& scene) {
       scene.declare("shop/web", withImage);
       scene.runOurs("shop/web");
       auto instance = scene.desired.spec();
       instance.suspend = true;
       scene.setInstance(instance);
     },
     std::nullopt, Reason::InstanceSuspended, Ready::True},
    {"the instance is suspended, and it is not declared any more",
     [](Scene& scene) {
       scene.runOurs("shop/web");
       scene.undeclare("shop/web");
       auto instance = scene.desired.spec();
       instance.suspend = true;
       scene.setInstance(instance);
     },
     std::nullopt, Reason::InstanceSuspended},
};
INSTANTIATE_TEST_SUITE_P(Domains, Rule, testing::ValuesIn(domains));

// -- What becomes of it over several looks
// ---------------------------------------------------------------------------

TEST(Plan, ARestartThatIgnoresTheMemoryIsFollowedByAForceCreateAndRemembered) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  scene.declare("shop/web", withMemory);
  Step step = scene.next().steps.at(0);
  ASSERT_EQ(step.verb, Verb::Restart);
  scene.take(step);
  scene.observed.unikernels.at(step.name).memory = 32;

  step = scene.next().steps.at(0);

  EXPECT_EQ(step.verb, Verb::ForceCreate);
  EXPECT_EQ(step.reason, Reason::RestartIneffective);
  EXPECT_EQ(scene.memory.restartChangesMemory, false);
  scene.take(step);
  EXPECT_THAT(scene.next().steps, IsEmpty());
}

TEST(Plan, ARestartThatChangesTheMemoryIsRemembered) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  scene.declare("shop/web", withMemory);
  scene.take(scene.next().steps.at(0));

  EXPECT_THAT(scene.next().steps, IsEmpty());
  EXPECT_EQ(scene.memory.restartChangesMemory, true);
}

TEST(Plan, ARestartThatChangedTheArgumentsButNotTheMemoryTellsAsMuch) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel& unikernel) {
    withMemory(spec, unikernel);
    withArgument(spec, unikernel);
  });
  scene.runOurs("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.take(step);
  scene.observed.unikernels.at(step.name).memory = 32;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::ForceCreate);
  EXPECT_EQ(scene.memory.restartChangesMemory, false);
}

TEST(Plan, AForceCreateThatChangesNothingIsNotRepeated) {
  Scene scene;
  scene.declare("shop/web", withImage);
  scene.runOurs("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, created());

  const Plan stalled = scene.next();

  EXPECT_THAT(stalled.steps, IsEmpty());
  EXPECT_EQ(scene.ready(stalled, "shop/web").reason, Reason::NotConverging);
  EXPECT_TRUE(stalled.objects.at(keyOf("shop/web")).settled);
  scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('c'); });
  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::ForceCreate) << "another image is another attempt";
}

TEST(Plan, WhatAServerSaysIsASentenceBeforeTheNext) {
  for (const char* said : {"No room", "No room."}) {
    Scene scene;
    scene.declare("shop/web");
    const Step step = scene.next().steps.at(0);
    scene.beginStep(step);
    scene.endStep(step, refused(said));
    const Plan plan = scene.next();
    EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("No room. The next attempt is at ")) << said;
  }
}

TEST(Plan, WhatSomebodyElseChangedRightAfterAStepIsNotTakenForItsFailure) {
  Scene scene;
  scene.declare("shop/web", withImage);
  scene.runOurs("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.take(step);
  scene.observed.unikernels.at(step.name).memory = 16;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Restart);
}

TEST(Plan, DriftIsCountedOnce) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  EXPECT_EQ(scene.next().drift, 0);
  scene.observed.unikernels.at(Scene::name("shop/web")).memory = 16;
  EXPECT_EQ(scene.next().drift, 1);
  EXPECT_EQ(scene.next().drift, 0);

  scene.declare("shop/web", withArgument);
  EXPECT_EQ(scene.next().drift, 0) << "a changed manifest is no drift";
}

TEST(Plan, LooksForTwoSecondsAtLeastBeforeItCreatesAgainWhatHasEnded) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  scene.observed.unikernels.clear();

  const Plan first = scene.next();

  ASSERT_THAT(first.steps, SizeIs(1));
  EXPECT_EQ(first.steps[0].verb, Verb::Create);
  EXPECT_GT(first.steps[0].notBefore, scene.now);
  EXPECT_EQ(first.wakeAt, first.steps[0].notBefore);
  EXPECT_EQ(scene.ready(first, "shop/web").reason, Reason::CrashLoopBackOff);
  scene.now = *first.wakeAt;
  EXPECT_LE(scene.next().steps.at(0).notBefore, scene.now);
}

/// Ends at once, whenever it is created; returns how long each time until it is created again.
std::vector<std::chrono::milliseconds> crashLoop(Scene& scene, int times) {
  std::vector<std::chrono::milliseconds> delays;
  for (int i = 0; i < times; ++i) {
    scene.observed.unikernels.clear();
    const Step step = scene.next().steps.at(0);
    delays.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(step.notBefore - scene.now));
    scene.now = step.notBefore;
    scene.take(scene.next().steps.at(0));
  }
  return delays;
}

TEST(Plan, CrashLoopsBackOffMoreAndMore) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();

  const auto delays = crashLoop(scene, 12);

  for (std::size_t i = 0; i < delays.size(); ++i) {
    const auto base = std::min<std::chrono::milliseconds>(1s * (1 << std::min<std::size_t>(i, 10)), 5min);
    EXPECT_GE(delays[i], base * 8 / 10) << i;
    EXPECT_LE(delays[i], base * 12 / 10) << i;
  }
}

TEST(Plan, TenMinutesUpEndABackOff) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  crashLoop(scene, 5);
  scene.next();
  scene.now += backoffReset;
  scene.next();

  EXPECT_LE(crashLoop(scene, 1).at(0), 1200ms);
}

TEST(Plan, AnotherImageDoesNotWaitForTheBackOffOfTheOneThatCrashed) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  crashLoop(scene, 9);
  scene.observed.unikernels.clear();
  scene.next();
  scene.now += 2s;
  EXPECT_GT(scene.next().steps.at(0).notBefore, scene.now);

  scene.declare("shop/web", withImage);

  EXPECT_LE(scene.next().steps.at(0).notBefore, scene.now);
}

TEST(Plan, CountsOnlyTheRestartsThatItDidNotCause) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  scene.declare("shop/web", withArgument);
  scene.take(scene.next().steps.at(0));
  EXPECT_EQ(scene.next().objects.at(keyOf("shop/web")).status.restarts, 0);

  *scene.observed.unikernels.at(Scene::name("shop/web")).started += 1h;

  const Plan plan = scene.next();
  EXPECT_EQ(plan.objects.at(keyOf("shop/web")).status.restarts, 1);
  EXPECT_THAT(plan.steps, IsEmpty());
}

/// What a new controller sees of shop/web, of which a status told that it was started at 1,700 ms and had
/// been restarted three times.
struct Recollection {
  const char* what;
  std::optional<std::int64_t> started;  // by the server, in ms; absent: it does not run
  std::optional<Verb> pending;          // what the one before was about to do
  std::int64_t restarts;
};

TEST(Plan, GoesOnCountingWhereAnotherControllerEnded) {
  const std::vector<Recollection> cases = {
      {"it still runs", 1'700, std::nullopt, 3},
      {"it was restarted meanwhile", 5'000, std::nullopt, 4},
      {"the one before restarted it", 5'000, Verb::Restart, 3},
      {"it has ended", std::nullopt, std::nullopt, 3},
  };
  for (const Recollection& each : cases) {
    Scene scene;
    scene.declare("shop/web");
    scene.runOurs("shop/web").started.reset();
    api::Status told;
    told.restarts = 3;
    told.startedAt = SystemTime(1s);
    told.lastAction = api::LastAction{"create", SystemTime(1s), 4096, 250ms};
    scene.memory.objects[keyOf("shop/web")] = recall(told);
    if (each.started) {
      scene.observed.unikernels.at(Scene::name("shop/web")).started =
          albatross::Time(std::chrono::milliseconds(*each.started));
    } else {
      scene.observed.unikernels.clear();
    }
    if (each.pending) {
      Pending pending{*each.pending, true, scene.now, digestOf('a'), albatross::Time(1'700ms), ""};
      scene.memory.inventory.at(Scene::name("shop/web")).pending = pending;
    }

    const api::Status status = scene.next().objects.at(keyOf("shop/web")).status;

    EXPECT_EQ(status.restarts, each.restarts) << each.what;
    EXPECT_EQ(status.lastAction, told.lastAction) << each.what;
    EXPECT_EQ(scene.next().objects.at(keyOf("shop/web")).status.restarts, each.restarts) << each.what;
  }
}

TEST(Plan, WhatAnotherControllerSawRunningIsReadyAtOnce) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) { spec.minReadySeconds = 3; });
  const auto started = scene.runOurs("shop/web").started;
  api::Status told;
  told.startedAt = std::chrono::floor<std::chrono::seconds>(SystemTime(*started));
  scene.memory.objects[keyOf("shop/web")] = recall(told);

  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
}

/// The server starts it again, as often.
void restartAtServer(Scene& scene, int times, std::chrono::seconds apart) {
  for (int i = 0; i < times; ++i) {
    scene.now += apart;
    *scene.observed.unikernels.at(Scene::name("shop/web")).started += 1s;
    scene.next();
  }
}

TEST(CrashLoop, AtTheServerIsNotReadyUntilItHasBeenUpForAMinute) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  restartAtServer(scene, 3, 1s);
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True) << "three may happen";
  restartAtServer(scene, 1, 1s);

  const Plan looping = scene.next();

  EXPECT_EQ(scene.ready(looping, "shop/web").status, Ready::False);
  EXPECT_EQ(scene.ready(looping, "shop/web").reason, Reason::CrashLoopBackOff);
  EXPECT_THAT(looping.steps, IsEmpty());
  EXPECT_TRUE(looping.objects.at(keyOf("shop/web")).settled) << "apply need not wait for it";
  EXPECT_EQ(looping.wakeAt, scene.now + 1min);
  scene.now += 1min;
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
  restartAtServer(scene, 1, 1s);
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::CrashLoopBackOff) << "it goes on";
}

TEST(CrashLoop, IsNoneOfRestartsThatAreFarApart) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.next();
  restartAtServer(scene, 8, 200s);

  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
  EXPECT_EQ(scene.next().objects.at(keyOf("shop/web")).status.restarts, 8);
}

TEST(CrashLoop, CountsWhatHadToBeCreatedAgain) {
  Scene scene;
  scene.declare("shop/web");
  scene.take(scene.next().steps.at(0));
  EXPECT_EQ(scene.next().objects.at(keyOf("shop/web")).status.restarts, 0);
  crashLoop(scene, 4);

  const Plan plan = scene.next();

  EXPECT_EQ(plan.objects.at(keyOf("shop/web")).status.restarts, 4);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::CrashLoopBackOff) << "it has not been up for long";
  scene.now += 1min;
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
}

TEST(CrashLoop, IsSeenSoonWhereASecondLookMustFindTheSameLife) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) { spec.minReadySeconds = 3; });
  scene.take(scene.next().steps.at(0));
  for (int look = 0; look < 5; ++look) {
    const Plan plan = scene.next();
    EXPECT_NE(scene.ready(plan, "shop/web").status, Ready::True);
    ASSERT_TRUE(plan.wakeAt);
    scene.now = std::min(*plan.wakeAt, scene.now + 30s);
    *scene.observed.unikernels.at(Scene::name("shop/web")).started += 300ms;
  }
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::CrashLoopBackOff);
}

// -- Whose it is
// ------------------------------------------------------------------------------------------------------

albatross::Arguments argumentsWith(const std::string& argument) {
  return with([&](auto& arguments) { arguments.arguments = {{argument}}; });
}

/// shop/web runs with "--ours", and a new controller has read what the one before remembered of it.
Scene takeOver() {
  Scene scene;
  scene.declare("shop/web",
                [](Spec&, DesiredUnikernel& unikernel) { unikernel.arguments = argumentsWith("--ours"); });
  scene.take(scene.next().steps.at(0));
  scene.next();
  const Inventory remembered = scene.memory.inventory;
  scene.memory = {};
  scene.memory.inventory = remembered;
  return scene;
}

/// What a new controller finds under the name of an entry, and whether that is ours.
struct Found {
  std::string what;
  std::function<void(Scene&)> given;
  bool ours;
  friend std::ostream& operator<<(std::ostream& out, const Found& found) { return out << found.what; }
};

class TakeOver : public testing::TestWithParam<Found> {};

TEST_P(TakeOver, DestroysOnlyWhatIsOurs) {
  Scene scene = takeOver();
  GetParam().given(scene);
  scene.undeclare("shop/web");

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, SizeIs(GetParam().ours ? 1 : 0));
  EXPECT_EQ(plan.memory.inventory.contains(Scene::name("shop/web")), GetParam().ours);
}

TEST_P(TakeOver, ChangesOnlyWhatIsOurs) {
  Scene scene = takeOver();
  GetParam().given(scene);
  scene.declare("shop/web",
                [](Spec&, DesiredUnikernel& unikernel) { unikernel.arguments = argumentsWith("--new"); });

  const Plan plan = scene.next();

  if (GetParam().ours) {
    ASSERT_THAT(plan.steps, SizeIs(1));
    EXPECT_EQ(plan.steps[0].verb, Verb::Restart);
  } else {
    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::NotOwned);
  }
}

const std::vector<Found> found = {
    {"what ran before", [](Scene&) {}, true},
    {"it was started again by the server",
     [](Scene& scene) { scene.run("shop/web", argumentsWith("--ours")); }, true},
    {"somebody runs the same image with other arguments",
     [](Scene& scene) { scene.run("shop/web", argumentsWith("--theirs")); }, false},
    {"somebody runs another image with the same arguments",
     [](Scene& scene) { scene.run("shop/web", argumentsWith("--ours"), 'z'); }, false},
    {"somebody runs it on another CPU",
     [](Scene& scene) {
       auto arguments = argumentsWith("--ours");
       arguments.cpuIDs = {1};
       scene.run("shop/web", arguments);
     },
     false},
    {"a restart that was on its way, and happened",
     [](Scene& scene) {
       Step step;
       step.verb = Verb::Restart;
       step.object = keyOf("shop/web");
       step.name = Scene::name("shop/web");
       step.wanted = Wanted{argumentsWith("--sent"), digestOf('a')};
       scene.memory = sending(std::move(scene.memory), step, scene.desired, scene.observed, scene.now);
       scene.memory.objects.clear();
       scene.run("shop/web", argumentsWith("--sent"));
     },
     true},
    {"a restart whose server ignored the memory",
     [](Scene& scene) {
       auto arguments = argumentsWith("--ours");
       arguments.memory = 64;
       scene.run("shop/web", arguments);
     },
     true},
    {"an entry that an earlier release wrote",
     [](Scene& scene) {
       Entry& entry = scene.memory.inventory.at(Scene::name("shop/web"));
       entry.fingerprints.clear();
       entry.started.reset();
       scene.run("shop/web", argumentsWith("--somehow"));
     },
     true},
};
INSTANTIATE_TEST_SUITE_P(Whose, TakeOver, testing::ValuesIn(found));

TEST(TakeOver, OfATombstoneIsForWhatWeStarted) {
  for (const auto& [argument, ours] : {std::pair("--ours", true), std::pair("--theirs", false)}) {
    Scene scene = takeOver();
    scene.undeclare("shop/web");
    scene.take(scene.next().steps.at(0));
    scene.next();
    scene.run("shop/web", argumentsWith(argument));

    EXPECT_THAT(scene.next().steps, SizeIs(ours ? 1 : 0)) << argument;
  }
}

TEST(TakeOver, IsOverOnceItWasSeenWhateverSomebodyChangesThen) {
  Scene scene = takeOver();
  scene.next();
  scene.run("shop/web", argumentsWith("--meddled"));
  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Restart) << "drift is mended";

  scene.memory.watched.clear();
  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Restart) << "and is known by when it began";
}

TEST(TakeOver, BeginsAnewAfterALongTimeWithoutALook) {
  Scene scene = takeOver();
  scene.next();
  scene.run("shop/web", argumentsWith("--theirs"));
  scene.now += 1h;

  EXPECT_THAT(scene.next().steps, IsEmpty());
}

TEST(TakeOver, LeavesWhatAppearedAfterOursHadEnded) {
  Scene scene = takeOver();
  scene.next();
  scene.observed.unikernels.clear();
  scene.next();
  scene.run("shop/web", argumentsWith("--theirs"));

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::NotOwned);
}

TEST(TakeOver, RemembersNoArgument) {
  const Scene scene = takeOver();
  EXPECT_THAT(toJson(scene.memory.inventory.at(Scene::name("shop/web"))).dump(), Not(HasSubstr("--ours")));
}

// -- Somebody else
// ----------------------------------------------------------------------------------------------------

/// Two controllers with state directories of their own and one server, each of which has shop/web.
struct Fight {
  Scene a, b;
  std::vector<Verb> sent;

  Fight() {
    const auto owned = [](const std::string& argument, std::int64_t memory) {
      return [=](Spec& spec, DesiredUnikernel& unikernel) {
        spec.adopt = Spec::Adopt::Always;
        unikernel.arguments = argumentsWith(argument);
        unikernel.arguments.memory = memory;
      };
    };
    a.declare("shop/web", owned("--password=a", 32));
    b.declare("shop/web", owned("--password=b", 64));
  }

  /// Looks until there is nothing to do at once, as a loop does.
  Plan look(Scene& self, Scene& other) {
    for (;;) {
      self.observed = other.observed;
      self.lastStarted = other.lastStarted;
      Plan plan = self.next();
      const auto due = std::find_if(plan.steps.begin(), plan.steps.end(),
                                    [&](const Step& step) { return step.notBefore <= self.now; });
      if (due == plan.steps.end()) return plan;
      self.take(*due);
      if (due->verb != Verb::Adopt) sent.push_back(due->verb);
      other.observed = self.observed;
      other.lastStarted = self.lastStarted;
    }
  }
  void pass(std::chrono::seconds time) {
    for (std::chrono::seconds passed{0}; passed < time; passed += 1s) {
      look(a, b);
      look(b, a);
      a.now += 1s;
      b.now += 1s;
    }
  }
};

TEST(Contended, TwoControllersFightLessAndLessAndSaySo) {
  Fight fight;
  fight.pass(1h);
  fight.sent.clear();
  fight.pass(1h);

  EXPECT_LE(fight.sent.size(), 60u) << "one a second, without";
  EXPECT_GE(fight.sent.size(), 2u) << "it is tried again";
  for (Scene* scene : {&fight.a, &fight.b}) {
    const Plan plan = scene->next();
    const api::Condition& ready = scene->ready(plan, "shop/web");
    EXPECT_EQ(ready.status, Ready::False);
    EXPECT_EQ(ready.reason, Reason::Contended);
    EXPECT_TRUE(plan.objects.at(keyOf("shop/web")).settled);
  }
  const Plan plan = fight.a.next();
  EXPECT_THAT(fight.a.ready(plan, "shop/web").message, HasSubstr(R"(spec.memory to "64Mi" (here: "32Mi"))"));
  EXPECT_THAT(fight.a.ready(plan, "shop/web").message, Not(HasSubstr("--password")));
}

TEST(Contended, EndsWhenTheOtherDoes) {
  Fight fight;
  fight.pass(10min);
  for (int i = 0; i < 30 * 60; ++i) {
    fight.look(fight.a, fight.a);
    fight.a.now += 1s;
  }
  EXPECT_EQ(fight.a.ready(fight.a.next(), "shop/web").reason, Reason::Running);
}

TEST(Contended, IsNotWhatSomebodyChangesOnce) {
  Scene scene;
  scene.declare("shop/web");
  scene.take(scene.next().steps.at(0));
  scene.next();
  scene.run("shop/web", argumentsWith("--meddled"));

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_LE(plan.steps[0].notBefore, scene.now);
  scene.take(plan.steps[0]);
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
}

TEST(Contended, CountsForTheSameWishOnly) {
  Fight fight;
  fight.pass(10min);
  fight.a.declare("shop/web", withImage);
  fight.a.observed = fight.b.observed;
  const Plan plan = fight.a.next();

  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_LE(plan.steps[0].notBefore, fight.a.now) << "somebody has just asked for it";
}

TEST(Contended, PoliciesToo) {
  Scene scene;
  const auto theirs = makePolicy(10, 512);
  scene.declarePolicy("shop", makePolicy(10, 256));
  std::size_t sent = 0;
  for (int i = 0; i < 600; ++i) {
    for (Plan plan = scene.next(); !plan.steps.empty() && plan.steps[0].notBefore <= scene.now;
         plan = scene.next()) {
      scene.take(plan.steps[0]);
      ++sent;
    }
    scene.now += 1s;
    scene.observed.policies[Scene::domain("shop")] = theirs;
  }
  const Plan plan = scene.next();
  EXPECT_LE(sent, 15u);
  const api::ObjectKey key{api::Kind::UnikernelPolicy, "shop", "limits"};
  const api::Condition& ready = *plan.objects.at(key).status.condition(api::Condition::Type::Ready);
  EXPECT_EQ(ready.status, Ready::False);
  EXPECT_EQ(ready.reason, Reason::Contended);
}

TEST(Plan, OnceIsCompletedWhenItHasEnded) {
  Scene scene;
  scene.declare("shop/job", [](Spec& spec, DesiredUnikernel&) { spec.runPolicy = Spec::RunPolicy::Once; });
  scene.take(scene.next().steps.at(0));
  scene.observed.unikernels.clear();

  const Plan ended = scene.next();

  EXPECT_THAT(ended.steps, IsEmpty());
  EXPECT_EQ(scene.ready(ended, "shop/job").reason, Reason::Completed);
  EXPECT_EQ(scene.ready(ended, "shop/job").status, Ready::True);
  scene.memory.objects.clear();
  EXPECT_THAT(scene.next().steps, IsEmpty()) << "the inventory knows it";
  scene.declare("shop/job", withImage);
  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Create) << "another image is another run";
}

TEST(Plan, OnceStaysCompletedWhenItIsLookedAfterInAnotherWay) {
  Scene scene;
  scene.declare("shop/job", [](Spec& spec, DesiredUnikernel&) { spec.runPolicy = Spec::RunPolicy::Once; });
  scene.take(scene.next().steps.at(0));
  scene.observed.unikernels.clear();
  const auto redeclare = [&](const std::string& specDigest, const std::string& run) {
    scene.change("shop/job", [&](DesiredUnikernel& job) {
      auto object = std::make_shared<api::Object>(*job.object);
      object->specDigest = specDigest;
      object->run.current = run;
      job.object = std::move(object);
    });
  };

  redeclare("with another minReadySeconds", "run-1");
  EXPECT_THAT(scene.next().steps, IsEmpty());
  redeclare("with another memory", "run-2");
  EXPECT_THAT(scene.next().steps, SizeIs(1));
}

TEST(Plan, OnceStaysCompletedWhenAFormerVersionRanIt) {
  Scene scene;
  scene.declare("shop/job", [](Spec& spec, DesiredUnikernel&) { spec.runPolicy = Spec::RunPolicy::Once; });
  scene.take(scene.next().steps.at(0));
  scene.observed.unikernels.clear();
  const auto ran = [&]() -> std::string& {
    return scene.memory.inventory.at(Scene::name("shop/job")).ranSpec;
  };
  const std::string image = image::toHex(digestOf('a'));
  for (const char* written : {"former-1:", "former-2:"}) {
    ran() = written + image;
    EXPECT_THAT(scene.next().steps, IsEmpty()) << written;
    EXPECT_EQ(ran(), "run-1:" + image) << "whatever is said of how it is looked after from now on";
  }
  ran() = "another spec:" + image;
  EXPECT_THAT(scene.next().steps, SizeIs(1));
}

TEST(Plan, OnceWasRunWhenItWasSeenToRunThoughTheAnswerWasLost) {
  Scene scene;
  scene.declare("shop/job", [](Spec& spec, DesiredUnikernel&) { spec.runPolicy = Spec::RunPolicy::Once; });
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.carryOut(step);
  scene.endStep(step, lost());
  scene.next();
  scene.observed.unikernels.clear();

  EXPECT_THAT(scene.next().steps, IsEmpty());
}

TEST(Plan, OnceRunsAgainWhenItWasRemovedAndDeclaredAgain) {
  Scene scene;
  const auto once = [](Spec& spec, DesiredUnikernel&) { spec.runPolicy = Spec::RunPolicy::Once; };
  scene.declare("shop/job", once);
  scene.take(scene.next().steps.at(0));
  scene.observed.unikernels.clear();
  scene.undeclare("shop/job");
  scene.next();

  scene.declare("shop/job", once);

  EXPECT_THAT(scene.next().steps, SizeIs(1));
}

TEST(Plan, MinReadySecondsKeepItFromBeingReady) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) { spec.minReadySeconds = 3; });
  scene.take(scene.next().steps.at(0));

  const Plan young = scene.next();

  EXPECT_EQ(scene.ready(young, "shop/web").status, Ready::False);
  EXPECT_EQ(young.wakeAt, scene.now + 3s);
  EXPECT_FALSE(young.objects.at(keyOf("shop/web")).settled);
  scene.now += 3s;
  EXPECT_EQ(scene.ready(scene.next(), "shop/web").status, Ready::True);
}

// -- In doubt
// --------------------------------------------------------------------------------------------------------

/// A restart whose answer was lost.
Scene inDoubt() {
  Scene scene;
  scene.declare("shop/web", withArgument);
  scene.runOurs("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.now += 30s;
  scene.endStep(step, lost());
  return scene;
}

// -- Images that have yet to be pulled
// -------------------------------------------------------------------------------

/// The image has a URL, and is not here.
auto notPulled(char digest, Reason reason = Reason::ImagePulling) {
  return [digest, reason](Spec& spec, DesiredUnikernel& unikernel) {
    spec.image = {
        .path = {}, .url = "https://builds.example.org/web.hvt", .sha256 = image::toHex(digestOf(digest))};
    unikernel.missing = image::Missing{broken(reason), reason == Reason::ImageNotFound};
    unikernel.image = std::unexpected(unikernel.missing->error);
  };
}

/// The step that is planned and not due, as it waits for the image.
const Step& waiting(const Plan& plan) {
  EXPECT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps.front().notBefore, SystemTime::max());
  EXPECT_FALSE(plan.steps.front().image);
  return plan.steps.front();
}

TEST(Pull, DisturbsNothingThatRunsAsDeclared) {
  for (const Reason reason : {Reason::ImagePulling, Reason::ImagePullBackOff, Reason::ImageNotFound}) {
    Scene scene;
    scene.declare("shop/web", notPulled('a', reason));
    scene.runOurs("shop/web");
    const Plan plan = scene.next();
    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::Running);
  }
}

TEST(Pull, IsWaitedForBeforeAnythingIsStopped) {
  Scene scene;
  scene.declare("shop/web", notPulled('b'));
  scene.runOurs("shop/web");
  const Plan plan = scene.next();
  EXPECT_EQ(waiting(plan).verb, Verb::ForceCreate);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::ImagePulling);
  EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("left as it is"));
  EXPECT_FALSE(plan.objects.at(keyOf("shop/web")).settled);
  EXPECT_FALSE(plan.wakeAt) << "whoever brings the image wakes the loop";

  scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
    unikernel.missing.reset();
    unikernel.image = makeImage('b');
  });
  const Plan later = scene.next();
  ASSERT_THAT(later.steps, SizeIs(1));
  EXPECT_EQ(later.steps.front().image, makeImage('b'));
  EXPECT_LE(later.steps.front().notBefore, scene.now);
}

TEST(Pull, ThatFailsForGoodIsStalled) {
  Scene scene;
  scene.declare("shop/web", notPulled('b', Reason::ImageNotFound));
  const Plan plan = scene.next();
  EXPECT_EQ(waiting(plan).verb, Verb::Create);
  const ObjectState& state = plan.objects.at(keyOf("shop/web"));
  EXPECT_TRUE(state.settled);
  EXPECT_TRUE(state.status.condition(api::Condition::Type::Stalled));
  EXPECT_EQ(state.state, UnikernelState::Failed);
}

TEST(Pull, IsNotNeededForARestart) {
  Scene scene;
  scene.declare("shop/web", notPulled('a'));
  scene.declare("shop/web", withArgument);
  scene.runOurs("shop/web");
  const Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps.front().verb, Verb::Restart);
  EXPECT_LE(plan.steps.front().notBefore, scene.now);
}

TEST(Pull, IsNeededForARestartWithOtherDevices) {
  Scene scene;
  scene.declare("shop/web", notPulled('a'));
  scene.declare("shop/web", withBlock);
  scene.runOurs("shop/web");
  EXPECT_EQ(waiting(scene.next()).verb, Verb::Restart) << "the image alone tells whether it can have them";
}

TEST(Pull, OfWhatHasEndedIsWaitedFor) {
  Scene scene;
  scene.declare("shop/web", notPulled('a', Reason::ImagePullBackOff));
  scene.runOurs("shop/web");
  scene.next();
  scene.observed.unikernels.clear();
  scene.next();
  scene.now += 1min;
  const Plan plan = scene.next();
  EXPECT_EQ(waiting(plan).verb, Verb::Create);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::ImagePullBackOff);
}

TEST(Pull, TakesNoRoomFromOthers) {
  Scene scene;
  scene.observed.policies[scene.domain("shop")] = makePolicy(1, 1'024);
  scene.declare("shop/web", notPulled('a'));
  scene.declare("shop/cart");
  const Plan plan = scene.next();
  const auto due = std::count_if(plan.steps.begin(), plan.steps.end(),
                                 [&](const Step& step) { return step.notBefore <= scene.now; });
  EXPECT_EQ(due, 1);
}

TEST(Doubt, OnlyLooksUntilSomethingIsSeen) {
  Scene scene = inDoubt();

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::InDoubt);
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Ready::Unknown);
  EXPECT_EQ(plan.wakeAt, scene.now + doubtInterval);
  EXPECT_FALSE(plan.objects.at(keyOf("shop/web")).settled);
}

TEST(Doubt, EndsWhenItWasCarriedOut) {
  Scene scene = inDoubt();
  scene.run("shop/web", scene.desired.unikernels.at(keyOf("shop/web")).arguments);

  EXPECT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::Running);
}

TEST(Doubt, EndsWhenItVanished) {
  Scene scene = inDoubt();
  scene.observed.unikernels.clear();

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Create);
}

TEST(Doubt, EndsAfterTheCommandTimeoutFromTheLossOnAndIsTriedAgain) {
  Scene scene = inDoubt();
  scene.now += 30s - 1ms;
  EXPECT_THAT(scene.next().steps, IsEmpty());
  scene.now += 1ms;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Restart);
}

TEST(Doubt, OfADestroyThatWasCutOffWithTheControllerEndsAfterTheCommandTimeout) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web");
  scene.beginStep(scene.next().steps.at(0));
  scene.memory.objects.clear();
  scene.memory.watched.clear();
  const Plan plan = scene.next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.removals.at(keyOf("shop/web")).reason, Reason::InDoubt);
  scene.now += 30s;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Destroy);
}

TEST(Doubt, OfAnImageLastsAsLongAsAStreamMay) {
  Scene scene;
  scene.declare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, lost());
  scene.now += 10min - 1s;
  EXPECT_THAT(scene.next().steps, IsEmpty());
  scene.now += 1s;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Create);
}

TEST(Doubt, OfACreateLastsUntilItAppears) {
  Scene scene;
  scene.declare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, lost());
  EXPECT_THAT(scene.next().steps, IsEmpty());

  scene.carryOut(step);

  EXPECT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::Running);
}

TEST(Doubt, OfADestroyLastsUntilItIsGone) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, lost());
  EXPECT_THAT(scene.next().steps, IsEmpty());

  scene.carryOut(step);

  EXPECT_THAT(scene.next().steps, IsEmpty());
  const Entry& entry = scene.memory.inventory.at(step.name);
  EXPECT_TRUE(entry.destroyedAt);
  EXPECT_FALSE(entry.pending);
}

TEST(Doubt, IsNoneAboutAnImageThatWasStillOnItsWayWhenTheControllerDied) {
  Scene scene;
  scene.declare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.memory = sending(scene.memory, step, scene.desired, scene.observed, scene.now);
  scene.memory.objects.clear();

  const Plan plan = scene.next();

  EXPECT_EQ(plan.steps.at(0).verb, Verb::Create);
  EXPECT_LE(plan.steps.at(0).notBefore, scene.now);
  EXPECT_FALSE(scene.memory.inventory.at(step.name).sent(digestOf('a')));
}

TEST(Doubt, AboutOneUnikernelKeepsNoOtherWaiting) {
  Scene scene = inDoubt();
  scene.declare("shop/other");

  EXPECT_EQ(scene.next().steps.at(0).object, keyOf("shop/other"));
}

TEST(Doubt, OutlivesAClockThatIsSetBack) {
  Scene scene = inDoubt();
  scene.next();
  scene.now -= 24h;
  scene.next();
  scene.now += 10min;

  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Restart);
}

// -- Failures
// --------------------------------------------------------------------------------------------------------

TEST(Failure, IsShownAndTriedAgainLater) {
  Scene scene;
  scene.declare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("no space left on device"));

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_GT(plan.steps[0].notBefore, scene.now);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::Refused);
  EXPECT_THAT(scene.ready(plan, "shop/web").message, HasSubstr("no space left on device"));
  EXPECT_TRUE(plan.objects.at(keyOf("shop/web")).settled);
}

TEST(Failure, OfAnAdoptionIsTriedAgainLater) {
  Scene scene;
  scene.declare("shop/web");
  scene.run("shop/web");
  const Step step = scene.next().steps.at(0);
  const Inventory onDisk = scene.memory.inventory;
  scene.beginStep(step);
  scene.endStep(step,
                std::unexpected(albatross::CallError{{Reason::StateUnwritable, "The disk is full."}, false}));
  scene.memory.inventory = onDisk;

  const Plan plan = scene.next();

  EXPECT_GT(plan.steps.at(0).notBefore, scene.now);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::StateUnwritable);
}

TEST(Failure, IsForgottenWhenSomethingElseIsWanted) {
  Scene scene;
  scene.declare("shop/web");
  for (int i = 0; i < 9; ++i) {
    const Step step = scene.next().steps.at(0);
    scene.beginStep(step);
    scene.endStep(step, refused("no"));
  }
  scene.declare("shop/web", withMemory);

  const Step step = scene.next().steps.at(0);
  EXPECT_LE(step.notBefore, scene.now);
  scene.beginStep(step);
  scene.endStep(step, refused("no"));
  EXPECT_LE(scene.next().steps.at(0).notBefore, scene.now + 1200ms);
}

TEST(Failure, OfOneKeepsNoOtherWaitingAndTakesNoRoomFromIt) {
  Scene scene;
  scene.observed.policies[Scene::domain("shop")] = makePolicy(1, 32);
  scene.declare("shop/a");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("no"));
  scene.declare("shop/b");

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(2));
  EXPECT_GT(plan.steps[0].notBefore, scene.now);
  EXPECT_EQ(plan.steps[1].object, keyOf("shop/b"));
  EXPECT_LE(plan.steps[1].notBefore, scene.now);
}

TEST(Failure, OfWhatWouldMakeRoomMakesNone) {
  Scene scene;
  scene.observed.policies[Scene::domain("shop")] = makePolicy(10, 96);
  scene.declare("shop/shrinks");
  scene.runOurs("shop/shrinks", with([](auto& arguments) { arguments.memory = 64; }));
  scene.declare("shop/grows", withMemory);
  scene.runOurs("shop/grows");
  Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(2));
  ASSERT_EQ(plan.steps[0].object, keyOf("shop/shrinks")) << "what shrinks goes first";
  scene.beginStep(plan.steps[0]);
  scene.endStep(plan.steps[0], refused("no"));

  plan = scene.next();

  EXPECT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(scene.ready(plan, "shop/grows").reason, Reason::PolicyExceeded);
}

// -- Removals
// --------------------------------------------------------------------------------------------------------

TEST(Removal, IsRememberedAsATombstoneForAWeek) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web");
  scene.take(scene.next().steps.at(0));
  scene.next();
  EXPECT_EQ(scene.memory.inventory.at(Scene::name("shop/web")).destroyedAt, scene.now);

  scene.now += tombstoneLifetime;
  scene.next();

  EXPECT_THAT(scene.memory.inventory, IsEmpty());
}

TEST(Removal, CanBeARelease) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web", Absence::Verdict::Release);

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.memory.inventory, IsEmpty());
  EXPECT_EQ(plan.counts.at({"shop", UnikernelState::Unmanaged}), 1);
}

TEST(Removal, TellsWhyItIsWithheldOnceForAll) {
  Scene scene;
  for (const char* path : {"shop/a", "shop/b"}) {
    scene.runOurs(path);
    scene.desired.absences[keyOf(path)] = {Absence::Verdict::Keep, Reason::PruneGuard, "Ask somebody.",
                                           "4f0c4f0c4f0c"};
  }
  scene.desired.withheld = {{Reason::PruneGuard, "Two at once."}};

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.errors, ElementsAre(Error{Reason::PruneGuard, "Two at once."}));
}

TEST(Removal, RemembersTheSetThatItIsWithheldWithUntilItIsDeclaredAgain) {
  Scene scene;
  scene.runOurs("shop/web");
  const auto withheld = [&] { return scene.next().memory.inventory.at(Scene::name("shop/web")).withheld; };
  const auto keep = [&](Reason reason, const std::string& id) {
    scene.desired.absences[keyOf("shop/web")] = {Absence::Verdict::Keep, reason, "Why.", id};
  };
  keep(Reason::PruneGuard, "4f0c4f0c4f0c");
  EXPECT_EQ(withheld(), "4f0c4f0c4f0c");
  keep(Reason::SourceUnreadable, "");
  EXPECT_EQ(withheld(), "4f0c4f0c4f0c") << "nobody knows better";
  scene.declare("shop/web");
  EXPECT_EQ(withheld(), "");
}

TEST(Removal, LeavesATombstoneWithNoMoreThanItNeeds) {
  Scene scene;
  scene.runOurs("shop/web");
  Entry& entry = scene.memory.inventory.at(Scene::name("shop/web"));
  entry.ranSpec = "spec";
  entry.withheld = "4f0c4f0c4f0c";
  scene.undeclare("shop/web");
  scene.take(scene.next().steps.at(0));
  const Entry tombstone = scene.next().memory.inventory.at(Scene::name("shop/web"));
  EXPECT_EQ(tombstone.destroyedAt, scene.now);
  EXPECT_TRUE(tombstone.sent(digestOf('a'))) << "it is known when it comes back";
  EXPECT_EQ(tombstone.ranSpec + tombstone.withheld, "");
}

TEST(Removal, OfWhatAnEntryRemembersTheManifestSaidLast) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel&) {
    spec.prune = false;
    spec.suspend = true;
  });
  scene.runOurs("shop/web");
  scene.next();

  const Entry& entry = scene.memory.inventory.at(Scene::name("shop/web"));
  EXPECT_FALSE(entry.prune);
  EXPECT_TRUE(entry.suspend);
  EXPECT_EQ(entry.file, "/manifests/shop.yaml");
  EXPECT_EQ(entry.root, "/manifests");
}

TEST(Removal, OfWhatAManifestSaidToRelease) {
  Scene scene;
  scene.declare("shop/web", [](Spec&, DesiredUnikernel&) {});
  scene.change("shop/web", [](DesiredUnikernel& web) {
    auto object = std::make_shared<api::Object>(*web.object);
    object->metadata.annotations[std::string(api::releaseAnnotation)] = "true";
    web.object = std::move(object);
  });
  scene.runOurs("shop/web");
  scene.next();
  EXPECT_FALSE(scene.memory.inventory.at(Scene::name("shop/web")).prune);
}

TEST(Removal, IsDoneInTheDomainWhereItRuns) {
  Scene scene;
  auto instance = scene.desired.spec();
  instance.rootNamespace = "shop";  // what was in shop: belongs into the root now
  scene.setInstance(instance);
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  const Plan before = scene.next();
  ASSERT_THAT(before.steps, SizeIs(1));
  EXPECT_EQ(before.steps[0].name, (albatross::Name{{}, "web"})) << "the new one first";
  EXPECT_THAT(before.steps[0].domains, IsEmpty());
  scene.take(before.steps[0]);

  const Plan after = scene.next();

  ASSERT_THAT(after.steps, SizeIs(1));
  EXPECT_EQ(after.steps[0].verb, Verb::Destroy);
  EXPECT_EQ(after.steps[0].name, (albatross::Name{{"shop"}, "web"}));
  ASSERT_THAT(after.steps[0].domains, SizeIs(1));
  EXPECT_EQ(after.steps[0].domains[0].label, "shop");
  scene.desired.prunes = false;
  EXPECT_THAT(scene.next().steps, IsEmpty());
  EXPECT_THAT(scene.next().unpruned, SizeIs(1));
}

/// What is not wanted here any more and kept for now, and how plan tells that.
struct Kept {
  const char* why;
  Reason reason;
  bool prunes;
  bool runs = true;
  bool suspended = false;
  std::size_t unpruned = 0;
  std::size_t later = 0;
};

TEST(Removal, ThatIsNotDoneNowIsToldAsWhatItIs) {
  const std::vector<Kept> cases = {
      {.why = "pruning is off", .reason = Reason::Pruning, .prunes = false, .unpruned = 1},
      {.why = "off, and nothing runs", .reason = Reason::Pruning, .prunes = false, .runs = false},
      {.why = "off, and suspended", .reason = Reason::Pruning, .prunes = false, .suspended = true},
      {.why = "waits for a second look", .reason = Reason::Pruning, .prunes = true},
      {.why = "withheld", .reason = Reason::PruneGuard, .prunes = true},
      {.why = "moves", .reason = Reason::Moved, .prunes = true, .later = 1},
      {.why = "moves, and nothing runs", .reason = Reason::Moved, .prunes = true, .runs = false},
  };
  for (const Kept& kept : cases) {
    SCOPED_TRACE(kept.why);
    Scene scene;
    scene.runOurs("shop/old");
    if (!kept.runs) scene.observed.unikernels.clear();
    auto instance = scene.desired.spec();
    instance.suspend = kept.suspended;
    scene.setInstance(instance);
    scene.desired.absences[keyOf("shop/old")] = {Absence::Verdict::Keep, kept.reason, "Why."};
    scene.desired.prunes = kept.prunes;

    const Plan plan = scene.next();

    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_THAT(plan.unpruned, SizeIs(kept.unpruned));
    ASSERT_THAT(plan.later, SizeIs(kept.later));
    if (kept.later > 0) {
      EXPECT_EQ(plan.later[0].verb, Verb::Destroy);
    }
  }
}

/// An entry that an object in a cluster has, on a server where the credential's domain is `base`. The root
/// namespace is sys.
struct Claim {
  const char* object;
  const char* name;
  std::vector<std::string> base;
  bool counts;
  const char* root = "kubernetes";
};

TEST(Removal, IsNotForWhoeverSaysThatItIsHis) {
  const std::vector<Claim> claims = {
      {"shop/web", "shop:web", {}, true},
      {"shop/web", "org:shop:web", {"org"}, true},
      {"sys/dns", ":dns", {}, true},
      {"sys/dns", "org:dns", {"org"}, true},
      {"shop/web", "shop:web", {"shop"}, true},  // it was in the domain below the root, which was the base
      {"evil/web", "shop:web", {}, false},
      {"evil/web", "org:shop:web", {"org"}, false},
      {"evil/dns", ":dns", {}, false},
      {"evil/dns", "org:dns", {"org"}, false},
      {"sys/web", "shop:web", {}, false},
      {"db/dns", ":dns", {}, true, "/manifests"},  // nobody but we can have written that
  };
  for (const Claim& claim : claims) {
    Scene scene;
    const albatross::Name name = *albatross::Name::parse(claim.name);
    scene.observed.base.path = claim.base;
    scene.observed.policies[{name.path, std::nullopt}] = makePolicy(10, 1'024);
    scene.observed.unikernels[name] = infoOf({}, digestOf('a'), name, 1'000);
    Entry entry;
    entry.serverKey = "key";
    entry.name = name;
    entry.instance = "eu-1";
    entry.object = keyOf(claim.object);
    entry.root = claim.root;
    entry.digests = {digestOf('a')};
    entry.confirmed = true;
    scene.memory.inventory[name] = entry;
    scene.undeclare(claim.object);

    const Plan plan = scene.next();

    EXPECT_THAT(plan.steps, SizeIs(claim.counts ? 1 : 0)) << claim.object << " has " << claim.name;
    EXPECT_EQ(plan.memory.inventory.contains(name), claim.counts) << claim.object << " has " << claim.name;
    if (claim.counts) continue;
    EXPECT_THAT(plan.errors, ElementsAre(testing::Field(&Error::reason, Reason::NotOwned)));
  }
}

TEST(Removal, OfAnotherNamespaceSaysNothingAboutWhatIsDeclared) {
  Scene scene;
  scene.declare("shop/web", [](Spec& spec, DesiredUnikernel& unikernel) {
    spec.adopt = Spec::Adopt::Never;
    unikernel.arguments.memory = 64;
  });
  scene.runOurs("shop/web");
  scene.memory.inventory.at(Scene::name("shop/web")).object = keyOf("evil/web");

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, Reason::NotOwned);
}

TEST(Removal, ThatCannotBeDoneSaysWhy) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web");
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step,
                std::unexpected(albatross::CallError{{Reason::StateUnwritable, "The disk is full."}, false}));

  const Error error = scene.next().removals.at(keyOf("shop/web"));

  EXPECT_EQ(error.reason, Reason::StateUnwritable);
  EXPECT_THAT(error.message, HasSubstr("The disk is full."));
}

/// What keeps the old name of a renamed unikernel, and whether that ends by itself.
struct Leaving {
  Reason reason;
  bool prunes;
  bool resolves;
};

TEST(Removal, ThatWaitsAndWhatWaitsForItsRoomNameEachOther) {
  for (const Leaving& leaving :
       {Leaving{Reason::PruneGuard, true, false}, Leaving{Reason::Pruning, true, true},
        Leaving{Reason::Pruning, false, false}}) {
    Scene scene;
    scene.observed.policies[Scene::domain("shop")] = makePolicy(1, 1'024);
    scene.runOurs("shop/old");
    scene.desired.absences[keyOf("shop/old")] = {Absence::Verdict::Keep, leaving.reason,
                                                 "Confirm it with ID."};
    scene.desired.prunes = leaving.prunes;
    scene.declare("shop/new");

    const Plan plan = scene.next();

    const ObjectState& fresh = plan.objects.at(keyOf("shop/new"));
    EXPECT_EQ(scene.ready(plan, "shop/new").reason, Reason::PolicyExceeded);
    EXPECT_THAT(scene.ready(plan, "shop/new").message, HasSubstr("Unikernel shop/old"));
    EXPECT_THAT(scene.ready(plan, "shop/new").message, HasSubstr("Confirm it with ID."));
    EXPECT_EQ(fresh.settled, !leaving.resolves);
    const Error& old = plan.removals.at(keyOf("shop/old"));
    EXPECT_THAT(old.message, HasSubstr("Confirm it with ID. Unikernel shop/new has no room"));
  }
}

// -- What cannot be written down
// ------------------------------------------------------------------------------------------------------

const Error unwritten{Reason::StateUnwritable, "It cannot be written down."};

TEST(Withheld, IsOnlyWhatCouldNotBeWrittenDown) {
  Scene scene;
  for (const char* path : {"shop/changes", "shop/other"}) {
    scene.declare(path, withArgument);
    scene.runOurs(path);
  }
  scene.declare("shop/rests");
  scene.runOurs("shop/rests");
  scene.runOurs("shop/leaves");
  scene.undeclare("shop/leaves");
  Plan plan = scene.next();
  ASSERT_THAT(plan.steps, SizeIs(3));

  withhold(plan,
           {{Scene::name("shop/changes"), unwritten},
            {Scene::name("shop/rests"), unwritten},
            {Scene::name("shop/leaves"), unwritten},
            {Scene::name("shop/forgotten"), unwritten}},
           scene.now);

  for (const Step& step : plan.steps)
    EXPECT_EQ(step.notBefore <= scene.now, step.object == keyOf("shop/other")) << step.object.toString();
  EXPECT_EQ(scene.ready(plan, "shop/changes").reason, Reason::StateUnwritable);
  EXPECT_EQ(scene.ready(plan, "shop/changes").status, Ready::False);
  EXPECT_TRUE(plan.objects.at(keyOf("shop/changes")).settled);
  EXPECT_EQ(scene.ready(plan, "shop/other").reason, Reason::Reconciling);
  EXPECT_EQ(scene.ready(plan, "shop/rests").status, Ready::True) << "it is as it should be";
  EXPECT_THAT(scene.ready(plan, "shop/rests").message, HasSubstr(unwritten.message));
  EXPECT_EQ(plan.removals.at(keyOf("shop/leaves")), unwritten);
}

TEST(Removal, IsImpossibleWhereNoPolicyIsKnown) {
  Scene scene;
  scene.runOurs("shop/web");
  scene.undeclare("shop/web");
  scene.observed.policies.erase(Scene::domain("shop"));

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.errors, ElementsAre(testing::Field(&Error::reason, Reason::NoPolicy)));
}

// -- Domains and policies
// --------------------------------------------------------------------------------------------

TEST(Domains, TheRootNamespaceNeedsNoPolicyAndNoIntermediate) {
  Scene scene;
  scene.declare("sys/dns");
  scene.authority.subDomain = std::unexpected(broken(Reason::CredentialCannotIssue));

  const Step step = scene.next().steps.at(0);

  EXPECT_EQ(step.name, (albatross::Name{{}, "dns"}));
  EXPECT_THAT(step.domains, IsEmpty());
}

TEST(Domains, ACommandCarriesThePolicyThatWasObserved) {
  Scene scene;
  scene.declare("shop/web");

  EXPECT_THAT(scene.next().steps.at(0).domains,
              ElementsAre(albatross::Domain{"shop", makePolicy(10, 1'024)}));
}

TEST(Domains, AUnikernelOfTheRootMustNotHaveTheNameOfADomain) {
  Scene scene;
  scene.declare("sys/shop");
  EXPECT_EQ(scene.ready(scene.next(), "sys/shop").reason, Reason::NameConflict) << "it has a policy";

  scene.observed.policies.erase(Scene::domain("shop"));
  EXPECT_EQ(scene.next().steps.at(0).verb, Verb::Create);

  scene.run("shop/web");
  EXPECT_EQ(scene.ready(scene.next(), "sys/shop").reason, Reason::NameConflict) << "something lives in it";
}

/// What one look makes of the policy of shop.
const api::Condition& policyReady(const Plan& plan) {
  return *plan.objects.at({api::Kind::UnikernelPolicy, "shop", "limits"})
              .status.condition(api::Condition::Type::Ready);
}

TEST(Policies, InForceNeedNothing) {
  Scene scene;
  scene.declarePolicy("shop", makePolicy(10, 1'024));

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(policyReady(plan).status, Ready::True);
}

TEST(Policies, AreSetBeforeWhatNeedsThem) {
  Scene scene;
  scene.observed.policies.erase(Scene::domain("shop"));
  scene.declarePolicy("shop", makePolicy(1, 32));
  scene.declare("shop/web");

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(2));
  EXPECT_EQ(plan.steps[0].verb, Verb::ApplyPolicy);
  EXPECT_EQ(plan.steps[0].name, Scene::domain("shop"));
  EXPECT_THAT(plan.steps[0].domains, ElementsAre(albatross::Domain{"shop", makePolicy(1, 32)}));
  EXPECT_EQ(plan.steps[0].fields.at(0).oldValue, nullptr);
  EXPECT_EQ(plan.steps[1].verb, Verb::Create);
}

TEST(Policies, AreLoweredAfterWhatIsInTheirWayIsGone) {
  Scene scene;
  scene.runOurs("shop/a");
  scene.runOurs("shop/b");
  scene.declare("shop/a");
  scene.undeclare("shop/b");
  scene.declarePolicy("shop", makePolicy(1, 32));

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(2));
  EXPECT_EQ(plan.steps[0].verb, Verb::Destroy);
  EXPECT_THAT(plan.steps[0].domains, ElementsAre(albatross::Domain{"shop", makePolicy(10, 1'024)}))
      << "as observed";
  EXPECT_EQ(plan.steps[1].verb, Verb::ApplyPolicy);
  scene.take(plan.steps[0]);
  EXPECT_EQ(scene.next().steps.at(0).domains.at(0).policy, makePolicy(1, 32));
}

TEST(Policies, AreWidenedFirstWhereTheyAreRaisedAndLoweredAtOnce) {
  Scene scene;
  scene.observed.policies[Scene::domain("shop")] = makePolicy(2, 64);
  scene.runOurs("shop/a");
  scene.runOurs("shop/b");
  scene.undeclare("shop/a");
  scene.undeclare("shop/b");
  scene.declare("shop/large", [](Spec&, DesiredUnikernel& unikernel) { unikernel.arguments.memory = 128; });
  scene.declarePolicy("shop", makePolicy(1, 128));

  std::vector<Verb> verbs;
  for (int i = 0; i < 10; ++i) {
    const Plan plan = scene.next();
    if (plan.steps.empty()) break;
    verbs.push_back(plan.steps[0].verb);
    scene.take(plan.steps[0]);
  }

  EXPECT_THAT(verbs,
              ElementsAre(Verb::ApplyPolicy, Verb::Destroy, Verb::ApplyPolicy, Verb::Destroy, Verb::Create))
      << "widened, and lowered as soon as it can be";
  EXPECT_EQ(scene.observed.policies.at(Scene::domain("shop")), makePolicy(1, 128));
}

TEST(Policies, BelowPresentUsageAreRefused) {
  Scene scene;
  scene.run("shop/foreign");
  scene.declarePolicy("shop", makePolicy(1, 16));

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(policyReady(plan).reason, Reason::PolicyExceeded);
  EXPECT_THAT(policyReady(plan).message, HasSubstr("spec.memory"));
}

TEST(Policies, CannotBeSetOnTheRootNamespace) {
  Scene scene;
  scene.declarePolicy("sys", makePolicy(1, 32));

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.objects.at({api::Kind::UnikernelPolicy, "sys", "limits"}).status.conditions.at(0).reason,
            Reason::PolicyInvalid);
}

TEST(Policies, ThatAreNoLongerDeclaredStayAsTheyAre) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");

  EXPECT_THAT(scene.next().steps, IsEmpty());
}

TEST(Policies, ThatTheServerDoesNotKeepAreNotSetForEver) {
  Scene scene;
  scene.declarePolicy("shop", makePolicy(5, 512));
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, created());

  const Plan plan = scene.next();

  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(policyReady(plan).reason, Reason::NotConverging);
}

// It was restarted without its state, before anybody looked. One that always answers so is asked ever later.
TEST(Policies, ThatTheServerHasLostAreSetAgain) {
  Scene scene;
  scene.declarePolicy("lab", makePolicy(5, 512));
  const auto begin = scene.now;
  int sent = 0;
  while (scene.now - begin < std::chrono::hours(1)) {
    const Plan plan = scene.next();
    ASSERT_THAT(plan.steps, SizeIs(1)) << "nothing else will set it";
    scene.now = std::max(scene.now, plan.steps[0].notBefore);
    ++sent;
    scene.beginStep(plan.steps[0]);
    scene.endStep(plan.steps[0], created());
    if (sent == 1) EXPECT_EQ(scene.now, begin) << "it waits for nothing the first time";
  }
  EXPECT_LT(sent, 30);
}

TEST(Policies, ThatWereRefusedTravelWithNoOtherCommand) {
  Scene scene;
  scene.declarePolicy("shop", makePolicy(5, 512));
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("policy above allows less"));
  scene.declare("shop/web");

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(2));
  EXPECT_GT(plan.steps[0].notBefore, scene.now);
  EXPECT_EQ(plan.steps[1].verb, Verb::Create);
  EXPECT_EQ(plan.steps[1].domains.at(0).policy, makePolicy(10, 1'024));
}

// -- What is shown
// ---------------------------------------------------------------------------------------------------

TEST(Status, TellsWhatRunsNotWhatIsPlanned) {
  Scene scene;
  scene.declare("shop/web", withImage);
  scene.runOurs("shop/web");

  const Plan plan = scene.next();

  const api::Status& status = plan.objects.at(keyOf("shop/web")).status;
  EXPECT_EQ(status.instance, "eu-1");
  EXPECT_EQ(status.digest, image::toHex(digestOf('a')));
  EXPECT_TRUE(status.startedAt);
  EXPECT_THAT(status.history, ElementsAre(image::toHex(digestOf('a'))));
  EXPECT_TRUE(status.condition(api::Condition::Type::Reconciling));
  EXPECT_FALSE(status.condition(api::Condition::Type::Stalled));
}

TEST(Status, CountsByNamespaceAndState) {
  Scene scene;
  scene.declare("shop/ready");
  scene.runOurs("shop/ready");
  scene.declare("shop/new");
  scene.declare("shop/frozen", [](Spec& spec, DesiredUnikernel&) { spec.suspend = true; });
  scene.declare("db/broken", [](Spec&, DesiredUnikernel& unikernel) {
    unikernel.error = broken(Reason::ReferenceNotFound);
  });
  scene.run("shop/foreign");
  scene.run("sys/foreign");

  const Plan plan = scene.next();

  EXPECT_THAT(plan.counts,
              (testing::UnorderedElementsAre(testing::Pair(std::pair("shop", UnikernelState::Ready), 1),
                                             testing::Pair(std::pair("shop", UnikernelState::Progressing), 1),
                                             testing::Pair(std::pair("shop", UnikernelState::Suspended), 1),
                                             testing::Pair(std::pair("shop", UnikernelState::Unmanaged), 1),
                                             testing::Pair(std::pair("sys", UnikernelState::Unmanaged), 1),
                                             testing::Pair(std::pair("db", UnikernelState::Failed), 1))));
}

TEST(Secrets, AreInNothingThatIsShown) {
  Scene scene;
  const auto secret = [](const std::string& password) {
    return [password](Spec& spec, DesiredUnikernel& unikernel) {
      spec.arguments = {"--user=web", "--password=$(DB_PASSWORD)"};
      unikernel.arguments.arguments = {{"--user=web", "--password=" + password}};
    };
  };
  scene.declare("shop/web", secret("hunter2"));
  scene.runOurs("shop/web", scene.desired.unikernels.at(keyOf("shop/web")).arguments);
  EXPECT_THAT(scene.next().steps, IsEmpty());
  scene.declare("shop/web", secret("hunter3"));

  const Plan plan = scene.next();

  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].verb, Verb::Restart) << "a rotated secret is a changed argument";
  std::string shown = plan.steps[0].message + scene.ready(plan, "shop/web").message;
  for (const FieldChange& field : plan.steps[0].fields)
    shown += field.oldValue.dump() + field.newValue.dump();
  EXPECT_THAT(shown, Not(HasSubstr("hunter")));
  EXPECT_THAT(shown, HasSubstr("--user=web"));
}

TEST(Plan, ForgetsWhatNobodyKnowsAnyMore) {
  Scene scene;
  scene.declare("shop/web", [](Spec&, DesiredUnikernel& unikernel) {
    unikernel.error = broken(Reason::ReferenceNotFound);
  });
  scene.next();
  ASSERT_THAT(scene.memory.objects, SizeIs(1));
  scene.undeclare("shop/web");
  scene.next();
  EXPECT_THAT(scene.memory.objects, IsEmpty());
}

// -- An image that nobody knows yet
// --------------------------------------------------------------------------------------------------------

class UnsettledImage : public testing::TestWithParam<Reason> {
 protected:
  static void unsettle(api::Unikernel&, DesiredUnikernel& unikernel) {
    unikernel.missing = image::Missing{{GetParam(), "Image web.hvt is not known yet."}};
    unikernel.image = std::unexpected(unikernel.missing->error);
  }
  static const api::Condition* reconciling(const Plan& plan) {
    return plan.objects.at(keyOf("shop/web")).status.condition(api::Condition::Type::Reconciling);
  }
};

TEST_P(UnsettledImage, LeavesWhatRunsAsItIsAndSaysSo) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.now += std::chrono::minutes(1);
  ASSERT_EQ(scene.ready(scene.next(), "shop/web").reason, Reason::Running);

  scene.declare("shop/web", unsettle);
  const Plan plan = scene.next();
  EXPECT_TRUE(plan.steps.empty());
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Ready::True) << "what it was counts";
  ASSERT_NE(reconciling(plan), nullptr);
  EXPECT_EQ(reconciling(plan)->reason, GetParam());
  EXPECT_EQ(reconciling(plan)->message,
            "Image web.hvt is not known yet. Until then what runs is left as it is.");
  EXPECT_FALSE(plan.objects.at(keyOf("shop/web")).settled);
}

// As after a restart of the controller, which has not seen it run as declared.
TEST_P(UnsettledImage, LeavesWhatRunsAloneAlsoWhereNothingIsRemembered) {
  Scene scene;
  scene.declare("shop/web", unsettle);
  scene.runOurs("shop/web", {}, 'z');
  const Plan plan = scene.next();
  EXPECT_TRUE(plan.steps.empty());
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Ready::Unknown);
  EXPECT_NE(reconciling(plan), nullptr);
}

TEST_P(UnsettledImage, IsNotCreatedFrom) {
  Scene scene;
  scene.declare("shop/web", unsettle);
  const Plan plan = scene.next();
  EXPECT_TRUE(plan.steps.empty());
  EXPECT_EQ(scene.ready(plan, "shop/web").status, Ready::False);
  EXPECT_EQ(scene.ready(plan, "shop/web").reason, GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, UnsettledImage, testing::Values(Reason::BeingWritten, Reason::ImageBeingRead),
                         [](const auto& test) { return std::string(toString(test.param)); });

// -- What may be taken without a look in between
// ---------------------------------------------------------------------

Step stepOf(Verb verb, const std::string& path, SystemTime notBefore = {}) {
  Step step;
  step.verb = verb;
  step.object = keyOf(path);
  step.name = Scene::name(path);
  step.notBefore = notBefore;
  return step;
}

TEST(Takeable, IsWhatIsDueInItsOrder) {
  const SystemTime now(1h);
  const std::vector<Step> taken = takeable(
      {stepOf(Verb::Destroy, "shop/old"), stepOf(Verb::Create, "shop/later", now + 1s),
       stepOf(Verb::Create, "shop/never", SystemTime::max()), stepOf(Verb::Restart, "shop/web", now)},
      now);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].object, keyOf("shop/old"));
  EXPECT_EQ(taken[1].object, keyOf("shop/web"));
}

TEST(Takeable, EndsWithAPolicyThatIsSet) {
  const std::vector<Step> taken =
      takeable({stepOf(Verb::Create, "sys/dns"), stepOf(Verb::ApplyPolicy, "shop/main"),
                stepOf(Verb::Create, "shop/web")},
               SystemTime(1h));
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken.back().verb, Verb::ApplyPolicy);
}

// It runs under another name now, and changes there.
TEST(Takeable, EndsBeforeASecondStepAboutTheSameObject) {
  const std::vector<Step> taken =
      takeable({stepOf(Verb::Destroy, "shop/web"), stepOf(Verb::Restart, "shop/web"),
                stepOf(Verb::Create, "shop/cart")},
               SystemTime(1h));
  EXPECT_EQ(taken.size(), 1u);
}

TEST(SendsTheSame, IsAboutWhatTheServerGetsToSee) {
  Step step = stepOf(Verb::Create, "shop/web");
  step.wanted = Wanted{{}, digestOf('a')};
  step.image = makeImage('a');
  Step other = step;
  other.message = "Another reason.";
  EXPECT_TRUE(sendsTheSame(step, other));
  other.wanted.edit([](Wanted& wanted) { wanted.arguments.memory = 64; });
  EXPECT_FALSE(sendsTheSame(step, other));
  other = step;
  other.domains = {{"shop", makePolicy(10, 512)}};
  EXPECT_FALSE(sendsTheSame(step, other)) << "it would bring another policy along";
}

}  // namespace
}  // namespace rookery::plan
