#include "notify/rules.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace rookery::notify {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"};
const api::ObjectKey eu{api::Kind::AlbatrossInstance, "", "eu-1"};

class RulesTest : public testing::Test {
 protected:
  void ready(Reason reason = Reason::Running, const api::ObjectKey& object = web) {
    rules_.ready({.object = object, .ready = true, .reason = reason, .message = "It runs."}, now_);
  }
  void lost(Reason reason, const api::ObjectKey& object = web) {
    rules_.ready({.object = object, .ready = false, .reason = reason, .message = "It does not run."}, now_);
  }
  /// What is told when so long has passed.
  std::vector<std::string> after(std::chrono::seconds time) {
    now_ += time;
    std::vector<std::string> told;
    for (const Notification& each : rules_.take(now_))
      told.push_back(std::string(toString(each.type)) + " " + each.object->name);
    for (auto& [key, value] : rules_.takeNotes()) {
      if (value) {
        notes_[key] = *value;
      } else {
        notes_.erase(key);
      }
    }
    return told;
  }
  /// The process ends, and another begins.
  void restart() { rules_ = Rules({.settle = 10s, .between = 5min}, notes_); }

  SystemTime now_{1'700'000'000s};
  Rules::Notes notes_;
  Rules rules_{{.settle = 10s, .between = 5min}, {}};
};

TEST_F(RulesTest, TellWhatIsLostForLongerThanAMoment) {
  ready();
  lost(Reason::CrashLoopBackOff);
  EXPECT_EQ(rules_.due(), now_ + 10s);
  EXPECT_THAT(after(9s), IsEmpty());
  EXPECT_THAT(after(1s), ElementsAre("ReadyLost web"));
  EXPECT_THAT(after(1h), IsEmpty());
  ready();
  EXPECT_THAT(after(10s), ElementsAre("ReadyRegained web"));
  EXPECT_THAT(after(1h), IsEmpty());
}

TEST_F(RulesTest, TellNothingOfWhatComesBackAtOnce) {
  lost(Reason::CrashLoopBackOff);
  EXPECT_THAT(after(5s), IsEmpty());
  ready();
  EXPECT_THAT(after(1h), IsEmpty());
}

TEST_F(RulesTest, TellOfOneThatFlapsLessOftenAndInTheEndTheTruth) {
  std::size_t told = 0;
  for (int i = 0; i < 60; ++i) {
    lost(Reason::CrashLoopBackOff);
    told += after(30s).size();
    ready();
    told += after(30s).size();
  }
  EXPECT_LE(told, 26U) << "an hour has twelve times five minutes; each time it is lost and regained";
  EXPECT_GE(told, 12U);
  lost(Reason::CrashLoopBackOff);
  after(10min);
  restart();
  lost(Reason::CrashLoopBackOff);
  EXPECT_THAT(after(1h), IsEmpty()) << "that was told last";
}

TEST_F(RulesTest, RememberWhatWasToldBeyondTheProcess) {
  lost(Reason::ImageNotFound);
  EXPECT_THAT(after(10s), ElementsAre("ReadyLost web"));
  restart();
  lost(Reason::Reconciling);
  lost(Reason::ImageNotFound);
  EXPECT_THAT(after(1min), IsEmpty());
  restart();
  ready();
  EXPECT_THAT(after(10s), ElementsAre("ReadyRegained web"));
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(RulesTest, TellOfAnInstanceOnceAndNotOfAllThatIsOnIt) {
  ready();
  lost(Reason::ConnectionFailed, eu);
  lost(Reason::InstanceUnavailable);
  EXPECT_THAT(after(1h), ElementsAre("InstanceDown eu-1"));
  ready(Reason::Succeeded, eu);
  ready();
  EXPECT_THAT(after(1h), ElementsAre("InstanceUp eu-1"));
}

TEST_F(RulesTest, TellNothingOfWhatIsProgressOrMeant) {
  for (const Reason reason : {Reason::Reconciling, Reason::ImagePulling, Reason::Suspended, Reason::InDoubt,
                              Reason::InstanceSuspended, Reason::PruneGuard}) {
    lost(reason);
    EXPECT_THAT(after(1h), IsEmpty()) << toString(reason);
  }
}

TEST_F(RulesTest, TellOfWhatIsGoneOnlyThatWhatWasToldHasPassed) {
  const api::ObjectKey unseen{api::Kind::Unikernel, "shop", "new"};
  lost(Reason::NoPolicy);
  lost(Reason::ConnectionFailed, eu);
  EXPECT_THAT(after(10s), UnorderedElementsAre("ReadyLost web", "InstanceDown eu-1"));
  lost(Reason::NoPolicy, unseen);
  const auto isKnown = [](const api::ObjectKey&) { return false; };
  rules_.keepOnly(isKnown, now_);
  EXPECT_EQ(rules_.due(), SystemTime::min());
  EXPECT_THAT(after(1h), UnorderedElementsAre("ReadyRegained web", "InstanceUp eu-1"));
  EXPECT_THAT(notes_, IsEmpty());
  rules_.keepOnly(isKnown, now_);
  EXPECT_THAT(after(1h), IsEmpty());
}

TEST_F(RulesTest, TellThatWhatAFormerProcessToldHasPassed) {
  lost(Reason::NoPolicy);
  after(10s);
  restart();
  rules_.keepOnly([](const api::ObjectKey& object) { return object == web; }, now_);
  EXPECT_THAT(after(1h), IsEmpty());
  rules_.keepOnly([](const api::ObjectKey&) { return false; }, now_);
  EXPECT_THAT(after(0s), ElementsAre("ReadyRegained web"));
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(RulesTest, TellNothingOfARemovalThatTakesASecondAttempt) {
  lost(Reason::DeadlineExceeded);
  EXPECT_THAT(after(1s), IsEmpty());
  lost(Reason::Pruning);
  EXPECT_THAT(after(1h), IsEmpty());
}

TEST_F(RulesTest, TellOfARemovalThatFailsAndThatItGoesOn) {
  lost(Reason::Pruning);
  lost(Reason::InstanceNotFound);
  EXPECT_THAT(after(10s), ElementsAre("ReadyLost web"));
  lost(Reason::Pruning);
  EXPECT_THAT(after(10s), ElementsAre("ReadyRegained web"));
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(RulesTest, TellOfEachSetThatWaitsOnce) {
  const auto waits = [&](const std::string& id, const std::string& count) {
    rules_.pruneWaits("eu-1", count + " unikernels vanished: rookery confirm-prune " + id + ".", now_);
  };
  waits("0123456789ab", "5 of 5");
  waits("0123456789ab", "5 of 6");
  EXPECT_THAT(after(0s), ElementsAre("PruneWaits eu-1"));
  restart();
  waits("0123456789ab", "5 of 5");
  EXPECT_THAT(after(0s), IsEmpty());
  waits("ba9876543210", "5 of 5");
  EXPECT_THAT(after(0s), ElementsAre("PruneWaits eu-1"));
  ready(Reason::PruneGuard, eu);
  waits("0123456789ab", "5 of 5");
  EXPECT_THAT(after(0s), IsEmpty());
  ready(Reason::Succeeded, eu);
  waits("0123456789ab", "5 of 5");
  EXPECT_THAT(after(0s), ElementsAre("PruneWaits eu-1")) << "it was answered, and vanished again";
}

TEST_F(RulesTest, TellTheSameOccasionOnceInAWhile) {
  const auto warn = [&](const std::string& message) {
    rules_.occasion({.id = {}, .time = {}, .type = Type::Warning, .object = eu, .message = message}, now_);
  };
  warn("The disk is full.");
  warn("The disk is full.");
  warn("It is slow.");
  EXPECT_THAT(after(0s), ElementsAre("Warning eu-1", "Warning eu-1"));
  warn("The disk is full.");
  EXPECT_THAT(after(Rules::repetition), IsEmpty());
  warn("The disk is full.");
  EXPECT_THAT(after(0s), ElementsAre("Warning eu-1"));
}

TEST_F(RulesTest, HaveABound) {
  for (std::size_t i = 0; i < 3 * Rules::mostOccasions; ++i) {
    rules_.occasion({.id = {}, .time = {}, .type = Type::Warning, .object = eu, .message = std::to_string(i)},
                    now_);
  }
  EXPECT_EQ(after(0s).size(), Rules::mostOccasions);
  EXPECT_EQ(rules_.dropped(), 2 * Rules::mostOccasions);
}

TEST_F(RulesTest, SayWhatOfARootIsInTrouble) {
  lost(Reason::NoPolicy);
  const auto concerned = [](const api::ObjectKey& key) { return key == web; };
  EXPECT_FALSE(rules_.troubleOf(concerned)) << "it may pass";
  after(10s);
  ASSERT_TRUE(rules_.troubleOf(concerned));
  EXPECT_EQ(rules_.troubleOf(concerned)->message, "It does not run.");
  EXPECT_FALSE(rules_.troubleOf([](const api::ObjectKey&) { return false; }));
}

TEST(NotificationJson, IsReadAsItWasWritten) {
  const Notification all{.id = "id",
                         .time = SystemTime(1'700'000'000s),
                         .type = Type::CommitStatus,
                         .object = web,
                         .labels = {{"app", "web"}},
                         .instance = "eu-1",
                         .reason = "Running",
                         .message = "It runs.",
                         .revision = "main@sha1:a",
                         .root = "/live",
                         .commit = "a",
                         .state = "success"};
  EXPECT_EQ(notificationFrom(toJson(all)), all);
  EXPECT_EQ(notificationFrom({{"type", "Sundry"}, {"id", "x"}, {"time", "2027-01-31T00:00:00Z"}}),
            std::nullopt);
  EXPECT_EQ(notificationFrom(nullptr), std::nullopt);
}

}  // namespace
}  // namespace rookery::notify
