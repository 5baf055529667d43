#include "reconcile/leftovers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fixtures/temp_dir.h"
#include "plan/desired.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Unikernel sys/web runs on eu-1, and nobody declares it any more.
class OneLeft : public testing::Test {
 protected:
  OneLeft() : state_(*state::StateDir::open(folder_.path())) {
    entry_.serverKey = "key";
    entry_.name = plan::Scene::name("sys/web");
    entry_.instance = "eu-1";
    entry_.object = key_;
    entry_.root = "/manifests";
    auto desired = std::make_shared<plan::Desired>(plan::Scene().desired);
    standing_.desired = desired;
    last_.desired = desired;
    standing_.last = &last_;
    snapshot_.roots = {{"/manifests", true, false, 1}};
    snapshot_.declared = {{api::Kind::AlbatrossInstance, "", "eu-1"}};
  }

  /// What is said of it, once `absence` was judged.
  const api::Condition* said(const plan::Absence& absence) {
    EXPECT_TRUE(state_->put(entry_));
    Absences absences;
    absences.at(entry_) = absence;
    leftovers_.note(std::make_shared<source::Snapshot>(snapshot_), std::move(absences),
                    {.strays = {{&entry_, false}}, .forEachAtHome = {}});
    leftovers_.declare();
    leftovers_.reportAll();
    const ObjectViewPtr view = objects_.find(key_);
    status_ = view == nullptr ? api::Status{} : view->status;
    return status_.condition(api::Condition::Type::Stalled);
  }

  const api::ObjectKey key_ = plan::keyOf("sys/web");
  const plan::Absence goes_{plan::Absence::Verdict::Destroy, Reason::ManifestRemoved,
                            "sys/web is not declared."};
  fixtures::TempDir folder_;
  std::unique_ptr<state::StateDir> state_;
  ObjectStore objects_;
  struct Told : Listener {
    void objectForgotten(const api::ObjectKey& object) override { forgotten.push_back(object); }
    std::vector<api::ObjectKey> forgotten;
  } told_;
  Environment environment_{.state = *state_, .objects = objects_, .listener = told_};
  plan::Entry entry_;
  RoundEnd last_;
  Standing standing_;
  source::Snapshot snapshot_;
  Leftovers leftovers_{environment_, [this](const std::string&) { return standing_; }};
  api::Status status_;
};

TEST_F(OneLeft, IsShownUntilItIsGone) {
  EXPECT_EQ(said(goes_), nullptr) << "nothing is in its way";
  EXPECT_NE(objects_.find(key_), nullptr) << "whoever starts anew knows no manifest of it";
  EXPECT_THAT(told_.forgotten, IsEmpty());
  ASSERT_TRUE(state_->erase(entry_));
  leftovers_.forgetGone();
  EXPECT_EQ(objects_.find(key_), nullptr);
  EXPECT_THAT(told_.forgotten, ElementsAre(key_));
}

TEST_F(OneLeft, IsNotAnInstanceOfWhichNothingIsLeft) {
  const auto instance = std::make_shared<api::Object>();
  instance->metadata.name = "us-1";
  instance->spec = api::AlbatrossInstance{};
  objects_.declare(instance, {}, {});
  leftovers_.note(std::make_shared<source::Snapshot>(snapshot_), {}, {});
  leftovers_.forgetGone();
  EXPECT_EQ(objects_.find(instance->key()), nullptr);
}

TEST_F(OneLeft, IsNotSpokenOfBeforeItsLoopHasSaidWhatItSees) {
  last_.removals[key_] = {Reason::Refused, "The server refused."};
  standing_.awaited = true;
  EXPECT_EQ(said(goes_), nullptr);
  standing_.awaited = false;
  leftovers_.report("us-1");
  EXPECT_FALSE(objects_.find(key_)->ours) << "it is not on that one";
  leftovers_.report("eu-1");
  const api::Condition* stalled = objects_.find(key_)->status.condition(api::Condition::Type::Stalled);
  ASSERT_NE(stalled, nullptr);
  EXPECT_EQ(stalled->reason, Reason::Refused);
}

TEST_F(OneLeft, WaitsForAnInstanceThatIsNotDeclared) {
  standing_ = {};
  snapshot_.declared.clear();
  const api::Condition* stalled = said(goes_);
  ASSERT_NE(stalled, nullptr);
  EXPECT_EQ(stalled->reason, Reason::InstanceNotFound);
  EXPECT_THAT(stalled->message, HasSubstr("is not declared any more. Declare it again."));
}

TEST_F(OneLeft, WaitsForAnInstanceWithAMistake) {
  standing_ = {};
  const api::Condition* stalled = said(goes_);
  ASSERT_NE(stalled, nullptr);
  EXPECT_THAT(stalled->message, HasSubstr("has an error in its manifest. Correct that first."));
}

TEST_F(OneLeft, IsForOthersToSpeakOfWhoHoldItsInstance) {
  environment_.holds = [](const std::string&) { return false; };
  last_.removals[key_] = {Reason::Refused, "The server refused."};
  EXPECT_EQ(said(goes_), nullptr);
}

}  // namespace
}  // namespace rookery::reconcile
