#include "reconcile/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/serve/views.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using serve::publish;
using serve::unikernelView;
using testing::ElementsAre;
using testing::SizeIs;

class Events : public testing::Test {
 protected:
  Events() { publish(objects_, unikernelView("shop", "web", true, Reason::Running, "It runs.")); }

  json all() const {
    json events = json::array();
    for (const auto& event : recorder_.events().list({}, [](const auto&) { return true; }).views)
      events.push_back(toJson(*event));
    return events;
  }

  const api::ObjectKey web_{api::Kind::Unikernel, "shop", "web"};
  ObjectStore objects_;
  api::SystemTime now_{1'700'000'000s};
  EventRecorder recorder_{objects_, [this] { return now_; }};
};

TEST_F(Events, TellWhatHappenedToWhat) {
  recorder_.stepStarted("eu-1", web_, plan::Verb::ForceCreate, Reason::ImageDiffers, "The image differs.");
  const json event = all().at(0);
  EXPECT_EQ(event["kind"], "Event");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["reason"], "ImageDiffers");
  EXPECT_EQ(event["message"], "forceCreate on eu-1: The image differs.");
  EXPECT_EQ(event["metadata"]["namespace"], "shop");
  EXPECT_EQ(event["involvedObject"], json({{"kind", "Unikernel"},
                                           {"name", "web"},
                                           {"namespace", "shop"},
                                           {"apiVersion", "rookery.dev/v1alpha1"},
                                           {"uid", objects_.find(web_)->identity.uid}}));
  EXPECT_EQ(event["firstTimestamp"], "2023-11-14T22:13:20Z");
}

TEST_F(Events, TellWhereAVolumeLeftItsBlockDevice) {
  recorder_.volumeMoved("eu-2", {api::Kind::UnikernelVolume, "shop", "data"}, "It is left on eu-1.");
  const json event = all().at(0);
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "Moved");
  EXPECT_EQ(event["involvedObject"]["kind"], "UnikernelVolume");
  EXPECT_EQ(event["message"], "It is on eu-2 from now on. It is left on eu-1.");
}

TEST_F(Events, NameTheCommitThatAChangeComesFrom) {
  source::Snapshot snapshot;
  snapshot.roots = {{.path = objects_.find(web_)->object->origin.root, .complete = true}};
  snapshot.roots[0].revision = source::Revision{.branch = "main", .commit = std::string(40, 'a')};
  recorder_.scanned(snapshot);
  recorder_.stepStarted("eu-1", web_, plan::Verb::Create, Reason::Absent, "It is missing.");
  EXPECT_EQ(all().at(0)["message"],
            "create on eu-1, as of main@sha1:" + std::string(40, 'a') + ": It is missing.");
  recorder_.revisionApplied("eu-1", "/live", *snapshot.roots[0].revision);
  const json events = all();
  const auto applied =
      std::ranges::find_if(events, [](const json& event) { return event["reason"] == "RevisionApplied"; });
  ASSERT_NE(applied, events.end());
  EXPECT_EQ((*applied)["involvedObject"]["kind"], "AlbatrossInstance");
}

TEST_F(Events, TellOutcomes) {
  recorder_.stepEnded("eu-1", web_, plan::Verb::Create, {});
  now_ += 1s;
  reconcile::CommandResult failed;
  failed.error = Error{Reason::Refused, "No."};
  recorder_.stepEnded("eu-1", web_, plan::Verb::Restart, failed);
  std::map<std::string, std::string> seen;
  for (const json& event : all())
    seen[event["type"]] = event["reason"].get<std::string>() + ": " + event["message"].get<std::string>();
  EXPECT_EQ(seen["Normal"], "Created: create on eu-1 succeeded.");
  EXPECT_EQ(seen["Warning"], "Refused: restart on eu-1 failed: No.");
}

TEST_F(Events, TellAFailedStepOnce) {
  reconcile::CommandResult failed;
  failed.error = Error{Reason::Refused, "There is no room."};
  const auto attempt = [&](const std::string& next) {
    recorder_.stepEnded("eu-1", web_, plan::Verb::Create, failed);
    recorder_.readyChanged(web_, false, Reason::Refused,
                           "There is no room. The next attempt is at " + next + ".");
  };
  attempt("12:00");
  attempt("12:01");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0]["message"], "create on eu-1 failed: There is no room.");
  EXPECT_EQ(all()[0]["count"], 2);

  recorder_.readyChanged(web_, false, Reason::Refused, "Something else.");
  recorder_.readyChanged(web_, false, Reason::NoPolicy, "There is no room.");
  recorder_.readyChanged({api::Kind::Unikernel, "shop", "api"}, false, Reason::Refused, "There is no room.");
  EXPECT_THAT(all(), SizeIs(4)) << "of that, nothing was said";
}

TEST_F(Events, TellAgainWhatKeepsAnObjectAfterItsStepSucceeded) {
  reconcile::CommandResult failed;
  failed.error = Error{Reason::ImageUnreadable, "The image cannot be read."};
  recorder_.stepEnded("eu-1", web_, plan::Verb::Create, failed);
  recorder_.stepEnded("eu-1", web_, plan::Verb::Create, {});
  recorder_.readyChanged(web_, false, Reason::ImageUnreadable, "The image cannot be read.");
  EXPECT_THAT(all(), SizeIs(3));
}

TEST_F(Events, OfAnInstanceAreInTheDefaultNamespace) {
  recorder_.warned("eu-1", Reason::PolicyInvalid, "It carries a policy.");
  recorder_.warned("", Reason::StateUnwritable, "Not about an object.");
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0]["metadata"]["namespace"], "default");
  EXPECT_EQ(all()[0]["involvedObject"]["kind"], "AlbatrossInstance");
}

TEST_F(Events, CountWhatHappensAgain) {
  for (int i = 0; i < 3; ++i) {
    recorder_.readyChanged(web_, false, Reason::CrashLoopBackOff, "It ended.");
    now_ += 10s;
  }
  ASSERT_THAT(all(), SizeIs(1));
  EXPECT_EQ(all()[0]["count"], 3);
  EXPECT_EQ(all()[0]["firstTimestamp"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(all()[0]["lastTimestamp"], "2023-11-14T22:13:40Z");
}

TEST_F(Events, AreBoundedInNumberAndTime) {
  for (std::size_t i = 0; i < EventRecorder::maxEvents + 50; ++i) {
    now_ += 1ms;
    recorder_.readyChanged(web_, false, Reason::Refused, "message " + std::to_string(i));
  }
  const json kept = all();
  EXPECT_THAT(kept, SizeIs(EventRecorder::maxEvents));
  EXPECT_TRUE(std::ranges::none_of(kept, [](const json& event) { return event["message"] == "message 49"; }));
  now_ += EventRecorder::lifetime + 1s;
  recorder_.readyChanged(web_, true, Reason::Running, "It runs.");
  EXPECT_THAT(all(), SizeIs(1));
}

}  // namespace
}  // namespace rookery::reconcile
