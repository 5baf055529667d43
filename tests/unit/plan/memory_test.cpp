#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "plan/desired.h"
#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

albatross::CallResult said(const std::string& text) {
  return albatross::Reply{"key", {}, albatross::success::Text{text}};
}

struct AnswerCase {
  Verb verb;
  albatross::CallResult answer;
  bool success;
  friend std::ostream& operator<<(std::ostream& out, const AnswerCase& item) {
    return out << toString(item.verb);
  }
};

class Answer : public testing::TestWithParam<AnswerCase> {};

TEST_P(Answer, IsSuccessOrNot) {
  EXPECT_EQ(!failureOf(GetParam().verb, GetParam().answer), GetParam().success);
}

const std::vector<AnswerCase> answers = {
    {Verb::Create, created(), true},
    {Verb::ForceCreate, created(), true},
    {Verb::Restart, created(), true},
    {Verb::Restart, said("destroyed: removed from restarting"), false},
    {Verb::Create, said("something else"), false},
    {Verb::Create, albatross::Reply{"key", {}, albatross::success::Empty{}}, false},
    {Verb::Create, refused("destroy: not found"), false},
    {Verb::Destroy, said("destroyed unikernel"), true},
    {Verb::Destroy, said("destroyed: removed from restarting"), true},
    {Verb::Destroy, refused("destroy: not found"), true},
    {Verb::Destroy, refused("no"), false},
    {Verb::Destroy, lost(), false},
    {Verb::ApplyPolicy, albatross::Reply{"key", {}, albatross::success::PolicyList{}}, true},
    {Verb::ApplyPolicy, refused("no"), false},
};
INSTANTIATE_TEST_SUITE_P(Memory, Answer, testing::ValuesIn(answers));

TEST(Memory, ALifeBeginsWithEachCreate) {
  Scene scene;
  const auto since = [&] { return scene.memory.inventory.at(Scene::name("shop/web")).since; };
  scene.declare("shop/web");
  scene.take(scene.next().steps.at(0));
  EXPECT_EQ(since(), scene.now);
  const SystemTime first = scene.now;
  scene.now += 1h;
  scene.undeclare("shop/web");
  scene.take(scene.next().steps.at(0));
  EXPECT_EQ(since(), first);
  scene.declare("shop/web");
  scene.take(scene.next().steps.at(0));
  EXPECT_EQ(since(), scene.now);
}

TEST(Memory, ALifeBeginsWhenATombstoneIsWantedAgain) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  scene.memory.inventory.at(Scene::name("shop/web")).destroyedAt = scene.now;
  scene.next();
  const Entry& entry = scene.memory.inventory.at(Scene::name("shop/web"));
  EXPECT_EQ(entry.since, scene.now);
  EXPECT_FALSE(entry.destroyedAt);
}

/// A create of shop/web that is about to be sent.
class Create : public testing::Test {
 protected:
  Create() {
    scene_.declare("shop/web");
    step_ = scene_.next().steps.at(0);
    scene_.memory = sending(scene_.memory, step_, scene_.desired, scene_.observed, scene_.now);
  }
  Entry& entry() { return scene_.memory.inventory.at(step_.name); }

  Scene scene_;
  Step step_;
};

TEST_F(Create, IsWrittenDownBeforeItIsSent) {
  EXPECT_EQ(entry().serverKey, "key");
  EXPECT_EQ(entry().name, step_.name);
  EXPECT_EQ(entry().instance, "eu-1");
  EXPECT_EQ(entry().object, keyOf("shop/web"));
  EXPECT_EQ(entry().file, "/manifests/shop.yaml");
  EXPECT_THAT(entry().digests, IsEmpty());
  EXPECT_TRUE(entry().sent(digestOf('a')));
  EXPECT_FALSE(entry().confirmed);
  EXPECT_EQ(entry().pending, (Pending{Verb::Create, false, scene_.now, "", std::nullopt, digestOf('a'),
                                      fingerprintOf(step_.wanted->arguments, step_.name)}));
}

TEST_F(Create, IsCommittedWhenItsImageIsComplete) {
  scene_.memory = committing(scene_.memory, step_);
  EXPECT_TRUE(entry().pending->committed);
}

TEST_F(Create, ThatSucceededIsOurs) {
  scene_.endStep(step_, created());
  EXPECT_TRUE(entry().confirmed);
  EXPECT_FALSE(entry().pending);
  EXPECT_THAT(entry().digests, ElementsAre(digestOf('a')));
  const auto& action = scene_.memory.objects.at(keyOf("shop/web")).lastAction;
  ASSERT_TRUE(action);
  EXPECT_EQ(action->verb, "create");
}

TEST_F(Create, ThatWasRefusedSentNothing) {
  scene_.endStep(step_, refused("no"));
  EXPECT_FALSE(entry().confirmed);
  EXPECT_FALSE(entry().pending);
  EXPECT_THAT(entry().digests, IsEmpty());
}

TEST_F(Create, WhoseAnswerWasLostIsInDoubtFromThenOn) {
  scene_.memory = committing(scene_.memory, step_);
  scene_.now += 1min;
  scene_.endStep(step_, lost());
  ASSERT_TRUE(entry().pending);
  EXPECT_EQ(entry().pending->since, scene_.now);
  EXPECT_TRUE(entry().sent(digestOf('a')));
}

TEST(Sending, AForceCreateRemembersTheLastFiveImages) {
  Scene scene;
  scene.declare("shop/web");
  scene.runOurs("shop/web");
  for (const char image : {'b', 'c', 'd', 'e', 'f', 'c'}) {
    scene.declare("shop/web",
                  [&](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.image = makeImage(image); });
    scene.take(scene.next().steps.at(0));
  }
  EXPECT_THAT(scene.memory.inventory.at(Scene::name("shop/web")).digests,
              ElementsAre(digestOf('c'), digestOf('f'), digestOf('e'), digestOf('d'), digestOf('b')));
}

TEST(Sending, ARestartIsCommittedAtOnce) {
  Scene scene;
  scene.declare("shop/web",
                [](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.arguments.memory = 64; });
  const auto started = scene.runOurs("shop/web").started;
  const Step step = scene.next().steps.at(0);
  const Memory memory = sending(scene.memory, step, scene.desired, scene.observed, scene.now);
  EXPECT_EQ(memory.inventory.at(step.name).pending,
            (Pending{Verb::Restart, true, scene.now, digestOf('a'), started, "",
                     fingerprintOf(step.wanted->arguments, step.name)}));
}

TEST(Sending, AnOldImageThatIsRefusedNowStaysOneThatWeSent) {
  Scene scene;
  scene.declare("shop/web",
                [](api::Unikernel&, DesiredUnikernel& unikernel) { unikernel.image = makeImage('b'); });
  scene.runOurs("shop/web");
  Entry& entry = scene.memory.inventory.at(Scene::name("shop/web"));
  entry.digests = {digestOf('a'), digestOf('b')};
  const Step step = scene.next().steps.at(0);
  scene.beginStep(step);
  scene.endStep(step, refused("no"));
  EXPECT_THAT(scene.memory.inventory.at(step.name).digests, ElementsAre(digestOf('a'), digestOf('b')));
}

TEST(Sending, AnAdoptionNeedsNoAnswer) {
  Scene scene;
  scene.declare("shop/web");
  scene.run("shop/web");
  const Step step = scene.next().steps.at(0);
  const Memory memory = sending(scene.memory, step, scene.desired, scene.observed, scene.now);
  const Entry& entry = memory.inventory.at(step.name);
  EXPECT_TRUE(entry.confirmed);
  EXPECT_FALSE(entry.pending);
  EXPECT_THAT(entry.digests, ElementsAre(digestOf('a')));
}

TEST(Sending, APolicyNeedsNoEntry) {
  Scene scene;
  scene.declarePolicy("shop", makePolicy(5, 512));
  const Step step = scene.next().steps.at(0);
  EXPECT_THAT(sending(scene.memory, step, scene.desired, scene.observed, scene.now).inventory, IsEmpty());
}

TEST(Backoff, DoublesFromASecondToFiveMinutesGiveOrTakeAFifth) {
  for (unsigned attempts = 0; attempts < 40; ++attempts) {
    const std::chrono::milliseconds base =
        attempts < 9 ? 1s * (1 << attempts) : std::chrono::milliseconds(5min);
    EXPECT_GE(backoff(attempts, "web"), base * 8 / 10) << attempts;
    EXPECT_LE(backoff(attempts, "web"), base * 12 / 10) << attempts;
  }
  EXPECT_NE(backoff(8, "web"), backoff(8, "db"));
  EXPECT_EQ(backoff(8, "web"), backoff(8, "web"));
}

}  // namespace
}  // namespace rookery::plan
