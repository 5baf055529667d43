// What plan does of an update that fails, where it is to be taken back.

#include "plan/rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/syntax.h"
#include "plan/plan.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Status = api::Condition::Status;

const std::string web = "shop/web";

/// shop/web runs image 'a' with --a, is healthy, and is to be taken back when an update fails.
class Updates : public testing::Test {
 protected:
  Updates() {
    keep('a');
    want('a', "--a");
    take();
    getHealthy();
  }

  void want(char image, const std::string& argument, bool rollback = true) {
    scene_.declare(web, [&](api::Unikernel& spec, DesiredUnikernel& unikernel) {
      spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{"10.0.42.20:80"}, .timeout = 30s};
      spec.healthCheck->rollback = rollback;
      unikernel.image = makeImage(image);
      unikernel.arguments.arguments = {{argument}};
    });
  }
  /// There is a copy of the image here.
  void keep(char image) { scene_.observed.kept[digestOf(image)] = makeImage(image); }

  Plan next() { return scene_.next(); }
  /// The one step of the next plan, with success.
  Step take() {
    const Plan plan = next();
    EXPECT_THAT(plan.steps, SizeIs(1));
    if (plan.steps.empty()) return {};
    scene_.take(plan.steps[0]);
    scene_.observed.health.erase(Scene::name(web));  // of another life
    EXPECT_THAT(next().steps, IsEmpty()) << "it is seen";
    return plan.steps[0];
  }
  void say(Health::State state, const std::string& failure = "") {
    scene_.observed.health[Scene::name(web)] = {state, state == Health::State::Healthy, failure};
  }
  void getHealthy() {
    say(Health::State::Healthy);
    scene_.now += 3s;
    EXPECT_EQ(scene_.ready(next(), web).status, Status::True);
  }
  api::Condition ready() {
    const Plan plan = next();
    return scene_.ready(plan, web);
  }
  void end() { scene_.observed.unikernels.erase(Scene::name(web)); }
  /// By itself, at its server.
  void restart() {
    auto& info = scene_.observed.unikernels.at(Scene::name(web));
    info.started = albatross::Time(std::chrono::milliseconds(++scene_.lastStarted));
    scene_.observed.health.erase(Scene::name(web));
  }
  const albatross::UnikernelInfo& running() { return scene_.observed.unikernels.at(Scene::name(web)); }
  const Rollback& remembered() { return *scene_.memory.inventory.at(Scene::name(web)).rollback; }

  /// What was well before runs again, and nothing is done any more.
  void expectPutBack(Verb verb, const std::string& why) {
    const Plan plan = next();
    ASSERT_THAT(plan.steps, SizeIs(1));
    const Step step = plan.steps[0];
    EXPECT_EQ(step.verb, verb);
    EXPECT_EQ(step.reason, Reason::RolledBack);
    EXPECT_LE(step.notBefore, scene_.now) << "at once";
    EXPECT_EQ(*step.wanted, (Wanted{.arguments = argumentsOfA(), .digest = digestOf('a')}));
    if (verb != Verb::Restart) EXPECT_EQ(step.image->digest, digestOf('a'));
    EXPECT_THAT(plan.rolledBack, ElementsAre(keyOf(web)));
    EXPECT_THAT(scene_.ready(plan, web).message, HasSubstr("is put back"));
    EXPECT_FALSE(plan.objects.at(keyOf(web)).settled) << "it is under way";
    scene_.take(step);
    say(Health::State::Healthy);
    scene_.now += 3s;
    expectTold(why);
  }
  void expectTold(const std::string& why) {
    const Plan plan = next();
    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_THAT(plan.rolledBack, IsEmpty()) << "that is told once";
    EXPECT_TRUE(plan.objects.at(keyOf(web)).settled);
    const api::Condition seen = scene_.ready(plan, web);
    EXPECT_EQ(seen.status, Status::False);
    EXPECT_EQ(seen.reason, Reason::RolledBack);
    EXPECT_THAT(seen.message, AllOf(HasSubstr(why), HasSubstr("runs again")));
    EXPECT_EQ(running().digest, digestOf('a'));
    EXPECT_EQ(running().arguments, argumentsOfA().arguments);
  }
  static albatross::Arguments argumentsOfA() {
    albatross::Arguments arguments;
    arguments.arguments = {{"--a"}};
    return arguments;
  }

  Scene scene_;
};

TEST_F(Updates, ThatFailAreTakenBackAlsoWhileNoMaintenanceWindowIsOpen) {
  want('b', "--b");
  take();
  api::AlbatrossInstance instance = scene_.desired.spec();
  instance.maintenanceWindows = {{*schedule::Cron::parse("0 0 29 2 *"), 1min}};
  scene_.setInstance(instance);
  say(Health::State::Unhealthy);
  scene_.now += 31s;
  expectPutBack(Verb::ForceCreate, "It did not get healthy within 30 s.");
}

TEST_F(Updates, ThatGetHealthyAreWhatIsPutBackNext) {
  want('b', "--b");
  EXPECT_EQ(take().verb, Verb::ForceCreate);
  EXPECT_EQ(ready().reason, Reason::Reconciling);
  getHealthy();
  EXPECT_FALSE(remembered().trial);
  EXPECT_EQ(remembered().good->digest, digestOf('b'));
}

TEST_F(Updates, ThatEndAreTakenBack) {
  want('b', "--b");
  take();
  end();
  scene_.observed.lastLines[Scene::name(web)] = "Fatal error";
  expectPutBack(Verb::Create, "It ended. The last line that it printed is: \"Fatal error\".");
}

TEST_F(Updates, ThatDoNotGetHealthyInTimeAreTakenBack) {
  want('b', "--b");
  take();
  say(Health::State::Unhealthy, "10.0.42.20:80: Connection refused.");
  const Plan waiting = next();
  EXPECT_THAT(waiting.steps, IsEmpty());
  EXPECT_EQ(scene_.ready(waiting, web).reason, Reason::Reconciling);
  ASSERT_TRUE(waiting.wakeAt);
  EXPECT_LE(*waiting.wakeAt, scene_.now + 2s) << "it is watched closely";
  scene_.now += 30s;
  expectPutBack(Verb::ForceCreate, "It did not get healthy within 30 s. 10.0.42.20:80: Connection refused.");
}

/// The reply may have come late, or the server could not be reached.
TEST_F(Updates, ThatAreSeenLateAreAskedBeforeTheyAreTakenBack) {
  want('b', "--b");
  take();
  scene_.now += 10min;
  EXPECT_THAT(next().rolledBack, IsEmpty()) << "nobody has asked";
  say(Health::State::Unknown, "10.0.42.20:80: Connection refused.");
  EXPECT_THAT(next().rolledBack, IsEmpty()) << "one check that fails is not enough";
  say(Health::State::Healthy);
  EXPECT_EQ(ready().status, Status::True);
  EXPECT_FALSE(remembered().trial);
}

TEST_F(Updates, ThatLoopAreTakenBack) {
  want('b', "--b");
  take();
  for (std::size_t i = 1; i < restartsOfALoop; ++i) {
    restart();
    scene_.now += 1s;
    EXPECT_THAT(next().steps, IsEmpty());
  }
  restart();
  expectPutBack(Verb::ForceCreate, "It does not stay up");
}

TEST_F(Updates, ThatTheServerRefusesAfterItEndedWhatRanAreTakenBack) {
  want('b', "--b");
  const Step step = next().steps.at(0);
  scene_.beginStep(step);
  end();  // as a force-create does
  scene_.endStep(step, refused("no more memory"));
  expectPutBack(Verb::Create, "It did not start. no more memory");
}

TEST_F(Updates, ThatWereNeverSentHarmNobody) {
  want('b', "--b");
  const Step step = next().steps.at(0);
  scene_.memory = sending(std::move(scene_.memory), step, scene_.desired, scene_.observed, scene_.now);
  scene_.endStep(step, refused("ah, well"));
  scene_.now += 31s;
  const Plan plan = next();
  EXPECT_THAT(plan.rolledBack, IsEmpty());
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('b')) << "it is tried again";
}

/// The connection broke before anything had happened.
TEST_F(Updates, ThatFailedAreStillTakenBackWhereThatWasNotSent) {
  want('b', "--b");
  take();
  say(Health::State::Unhealthy, "It refuses.");
  scene_.now += 31s;
  const Step step = next().steps.at(0);
  EXPECT_EQ(step.reason, Reason::RolledBack);
  scene_.memory = sending(std::move(scene_.memory), step, scene_.desired, scene_.observed, scene_.now);
  scene_.endStep(step, refused("ah, well"));
  scene_.now += 31s;
  const Plan plan = next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('a'));
}

TEST_F(Updates, OfArgumentsAreTakenBackByARestart) {
  want('a', "--b");
  EXPECT_EQ(take().verb, Verb::Restart);
  say(Health::State::Unhealthy);
  scene_.now += 30s;
  expectPutBack(Verb::Restart, "It did not get healthy within 30 s.");
}

TEST_F(Updates, ThatFailedAreTriedAgainOnceTheManifestChanges) {
  want('b', "--b");
  take();
  end();
  expectPutBack(Verb::Create, "It ended.");
  scene_.now += 24h;
  expectTold("It ended.");
  want('b', "--c");
  const Plan plan = next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('b'));
  EXPECT_NE(plan.steps[0].reason, Reason::RolledBack);
}

TEST_F(Updates, TwoBadOnesInARowEndAtTheLastGoodOne) {
  want('b', "--b");
  take();
  end();
  expectPutBack(Verb::Create, "It ended.");
  want('c', "--c");
  EXPECT_EQ(take().verb, Verb::ForceCreate);
  say(Health::State::Unhealthy);
  scene_.now += 30s;
  expectPutBack(Verb::ForceCreate, "It did not get healthy");
}

TEST_F(Updates, ANewerManifestEndsTheWaitForAnOlderOne) {
  want('b', "--b");
  take();
  scene_.now += 29s;
  next();
  want('c', "--c");
  take();
  say(Health::State::Unhealthy);
  scene_.now += 29s;
  EXPECT_THAT(next().rolledBack, IsEmpty()) << "it has its own time";
  scene_.now += 1s;
  expectPutBack(Verb::ForceCreate, "It did not get healthy");  // and not the one in between
}

TEST_F(Updates, TakenBackByTheManifestAreNoFailure) {
  want('b', "--b");
  take();
  end();
  expectPutBack(Verb::Create, "It ended.");
  want('a', "--a");
  EXPECT_EQ(ready().status, Status::True) << "what runs is what is declared";
  EXPECT_FALSE(remembered().trial);
}

TEST_F(Updates, ThatDieLaterAreNotTakenBack) {
  want('b', "--b");
  take();
  getHealthy();
  scene_.now += 1min;
  end();
  const Plan plan = next();
  EXPECT_THAT(plan.rolledBack, IsEmpty());
  EXPECT_EQ(scene_.ready(plan, web).reason, Reason::CrashLoopBackOff);
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('b'));
}

TEST_F(Updates, ThatAreWellAndDoNotStayUpAreTakenBack) {
  want('b', "--b");
  take();
  getHealthy();
  for (std::size_t i = 0; i < restartsOfALoop; ++i) {
    EXPECT_THAT(next().rolledBack, IsEmpty());
    scene_.now += 1min;
    restart();
    say(Health::State::Healthy);
    if (i + 1 < restartsOfALoop) next();
  }
  expectPutBack(Verb::ForceCreate, "It was Ready, but was restarted more than 3 times within 10 min since.");
}

TEST_F(Updates, ThatWereWellForLongAreNotTakenBackForALoop) {
  want('b', "--b");
  take();
  getHealthy();
  scene_.now += loopWindow;
  for (std::size_t i = 0; i < restartsOfALoop; ++i) {
    restart();
    scene_.now += 1s;
    EXPECT_THAT(next().rolledBack, IsEmpty());
  }
  EXPECT_EQ(ready().reason, Reason::CrashLoopBackOff);
  EXPECT_EQ(running().digest, digestOf('b'));
}

TEST_F(Updates, AreTakenBackByWhoStartsInTheMiddle) {
  want('b', "--b");
  take();
  const auto restartController = [&] {
    Memory memory;
    for (const auto& [name, entry] : scene_.memory.inventory)
      memory.inventory.emplace(name, entryFromJson(toJson(entry)));
    EXPECT_EQ(memory.inventory, scene_.memory.inventory) << "it is all on the disk";
    scene_.memory = std::move(memory);
  };
  restartController();
  EXPECT_THAT(next().steps, IsEmpty());
  restartController();
  say(Health::State::Unhealthy);
  scene_.now += 30s;
  next();  // it has failed: that is on the disk before anything is sent
  restartController();
  const Plan plan = next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('a'));
  scene_.take(plan.steps[0]);
  restartController();
  say(Health::State::Healthy);
  scene_.now += 3s;
  expectTold("It did not get healthy");
}

TEST_F(Updates, WithoutRollbackAreOnlyTold) {
  want('b', "--b", false);
  take();
  say(Health::State::Unhealthy, "10.0.42.20:80: Connection refused.");
  scene_.now += 30s;
  const Plan plan = next();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.rolledBack, IsEmpty());
  EXPECT_EQ(scene_.ready(plan, web).reason, Reason::Unhealthy);
  EXPECT_EQ(running().digest, digestOf('b'));
}

TEST_F(Updates, WaitForACopyOfWhatTheyReplace) {
  want('b', "--b");
  EXPECT_THAT(next().steps.at(0).keeps, IsEmpty()) << "there is one";
  scene_.observed.kept.clear();
  EXPECT_EQ(next().steps.at(0).keeps, digestOf('a'));
}

TEST_F(Updates, WhoseImageOfBeforeIsNotThereAreToldOf) {
  want('b', "--b");
  take();
  scene_.observed.kept.clear();
  scene_.now += 30s;
  say(Health::State::Unhealthy, "It refuses.");
  const Plan plan = next();
  EXPECT_THAT(plan.steps, IsEmpty());
  const api::Condition seen = scene_.ready(plan, web);
  EXPECT_EQ(seen.reason, Reason::Unhealthy);
  EXPECT_THAT(seen.message, HasSubstr("cannot be put back, as it is not kept here."));
}

TEST_F(Updates, SecretArgumentsStandOnNoObjectOfACluster) {
  auto& entry = scene_.memory.inventory.at(Scene::name(web));
  entry.root = "kubernetes:";  // relative: no folder
  scene_.change(web, [](DesiredUnikernel& unikernel) {
    auto object = std::make_shared<api::Object>(*unikernel.object);
    object->origin.root = "kubernetes:";
    unikernel.object = object;
    unikernel.secrets = {"--secret"};
    unikernel.arguments.arguments = {{"--secret"}};
  });
  take();
  getHealthy();
  EXPECT_FALSE(remembered().good->arguments);
  EXPECT_THAT(toJson(entry).dump(), Not(HasSubstr(api::encodeBase64("--secret"))));
  // The same with another image: they are those that the manifest still says.
  scene_.change(web, [](DesiredUnikernel& unikernel) { unikernel.image = makeImage('b'); });
  take();
  end();
  const Plan plan = next();
  ASSERT_THAT(plan.steps, SizeIs(1));
  EXPECT_EQ(plan.steps[0].wanted->digest, digestOf('a'));
  EXPECT_THAT(*plan.steps[0].wanted->arguments.arguments, ElementsAre("--secret"));
}

TEST(FirstUpdate, WhereTheCheckIsNewTakesWhatRunsForGood) {
  Scene scene;
  scene.declare("shop/web");
  scene.take(scene.next().steps.at(0));
  scene.now += 10s;
  scene.next();
  scene.declare("shop/web", [](api::Unikernel& spec, DesiredUnikernel& unikernel) {
    spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{"10.0.42.20:80"}, .rollback = true};
    unikernel.image = makeImage('b');
  });
  const Plan plan = scene.next();
  EXPECT_EQ(plan.steps.at(0).keeps, digestOf('a'));
  EXPECT_EQ(plan.memory.inventory.at(Scene::name("shop/web")).rollback->good->digest, digestOf('a'));
}

TEST(FirstUpdate, OfOneThatWasNeverWellHasNothingToGoBackTo) {
  Scene scene;
  const auto want = [&](char image) {
    scene.declare("shop/web", [&](api::Unikernel& spec, DesiredUnikernel& unikernel) {
      spec.healthCheck = api::HealthCheck{.target = api::TcpCheck{"10.0.42.20:80"}, .rollback = true};
      unikernel.image = makeImage(image);
    });
  };
  want('a');
  scene.take(scene.next().steps.at(0));
  scene.now += 2min;
  scene.next();
  want('b');
  scene.take(scene.next().steps.at(0));
  scene.now += 2min;
  const Plan plan = scene.next();
  EXPECT_THAT(plan.rolledBack, IsEmpty());
  EXPECT_THAT(plan.steps, IsEmpty());
}

}  // namespace
}  // namespace rookery::plan
