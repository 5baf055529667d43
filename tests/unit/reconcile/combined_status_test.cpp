#include "reconcile/combined_status.h"

#include <gmock/gmock.h>

#include <map>
#include <string>

#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using api::Condition;
using testing::ElementsAre;
using testing::HasSubstr;

api::Status seenOn(const std::string& instance, Condition::Status ready, Reason reason = Reason::Running,
                   const std::string& message = "It runs as declared.") {
  api::Status status;
  status.instance = instance;
  status.observedGeneration = 2;
  status.digest = "digest of " + instance;
  status.restarts = 1;
  status.updated = reason == Reason::Running;
  status.conditions = {{Condition::Type::Ready, ready, reason, message, {}}};
  if (ready == Condition::Status::False && reason != Reason::Reconciling)
    status.conditions.push_back({Condition::Type::Stalled, Condition::Status::True, reason, message, {}});
  if (reason == Reason::Reconciling)
    status.conditions.push_back({Condition::Type::Reconciling, Condition::Status::True, reason, message, {}});
  return status;
}

/// shop/web on eu-1 to eu-3, of which nothing was seen.
class Combined : public testing::Test {
 protected:
  const Condition& see(const api::Status& seen) {
    status_ = combinedStatus(status_, seen, replicas_, {});
    return *status_.condition(Condition::Type::Ready);
  }
  void seeAll() {
    for (const std::string& instance : replicas_.instances) see(seenOn(instance, Condition::Status::True));
  }

  plan::Replicas replicas_{.wanted = 3, .instances = {"eu-1", "eu-2", "eu-3"}, .revision = "r"};
  api::Status status_;
};

TEST_F(Combined, IsNotKnownBeforeAllWereSeen) {
  const Condition& ready = see(seenOn("eu-2", Condition::Status::True));
  EXPECT_EQ(ready.status, Condition::Status::Unknown);
  EXPECT_EQ(ready.message, "1 of 3 are Ready. eu-1: Not looked at yet.");
  EXPECT_EQ(status_.observedGeneration, 0) << "that of the one that knows least";
  EXPECT_NE(status_.condition(Condition::Type::Reconciling), nullptr);
}

TEST_F(Combined, IsReadyWhereAllAre) {
  seeAll();
  const Condition& ready = *status_.condition(Condition::Type::Ready);
  EXPECT_EQ(ready.status, Condition::Status::True);
  EXPECT_EQ(ready.reason, Reason::Running);
  EXPECT_EQ(ready.message, "3 of 3 are Ready.");
  EXPECT_EQ(status_.instance, "eu-1");
  EXPECT_EQ(status_.restarts, 3);
  EXPECT_EQ(status_.rollout->updated, 3);
  EXPECT_EQ(status_.observedGeneration, 2);
}

TEST_F(Combined, SaysWhatElseThereIsToSayOfOne) {
  seeAll();
  const Condition& ready = see(seenOn("eu-2", Condition::Status::True, Reason::Running,
                                      "It runs as declared. This is what its manifest said before."));
  EXPECT_EQ(ready.status, Condition::Status::True);
  EXPECT_EQ(ready.message,
            "3 of 3 are Ready. eu-2: It runs as declared. This is what its manifest said before.");
}

TEST_F(Combined, SaysWhatTheWorstSays) {
  seeAll();
  see(seenOn("eu-1", Condition::Status::False, Reason::Reconciling, "It starts."));
  const Condition& ready =
      see(seenOn("eu-3", Condition::Status::False, Reason::RolledBack, "It was put back."));
  EXPECT_EQ(ready.status, Condition::Status::False);
  EXPECT_EQ(ready.reason, Reason::RolledBack);
  EXPECT_EQ(ready.message, "1 of 3 are Ready. eu-3: It was put back.");
  EXPECT_EQ(status_.condition(Condition::Type::Stalled), nullptr) << "eu-1 will become otherwise";
}

TEST_F(Combined, IsReadyAndWaitsWhereOneWaits) {
  seeAll();
  const Condition& ready =
      see(seenOn("eu-2", Condition::Status::True, Reason::UpdatePending, "It waits for eu-1."));
  EXPECT_EQ(ready.status, Condition::Status::True);
  EXPECT_EQ(ready.reason, Reason::UpdatePending);
  EXPECT_EQ(status_.rollout->updated, 2);
}

TEST_F(Combined, IsNotReadyWhereThereAreTooFewInstances) {
  replicas_.wanted = 5;
  seeAll();
  const Condition& ready = *status_.condition(Condition::Type::Ready);
  EXPECT_EQ(ready.status, Condition::Status::False);
  EXPECT_EQ(ready.reason, Reason::InstanceNotFound);
  EXPECT_THAT(ready.message, HasSubstr("3 of 5 are Ready. It is to run on 5 instances"));
  EXPECT_NE(status_.condition(Condition::Type::Stalled), nullptr);
}

TEST_F(Combined, ForgetsWhereItIsNotAnyMore) {
  seeAll();
  replicas_ = {.wanted = 2, .instances = {"eu-1", "eu-3"}, .revision = "r"};
  see(seenOn("eu-3", Condition::Status::True));
  EXPECT_EQ(status_.placements.size(), 2u);
  EXPECT_EQ(status_.placementOn("eu-2"), nullptr);
  EXPECT_EQ(status_.seenOn("eu-3")->digest, "digest of eu-3");
  EXPECT_FALSE(status_.seenOn("eu-2"));
}

TEST_F(Combined, SaysOfAnInstanceThatCannotBeUsedWhy) {
  replicas_.unusable.emplace("eu-2", Error{Reason::InstanceNotFound, "Its manifest has an error."});
  seeAll();
  EXPECT_EQ(status_.placementOn("eu-2")->message, "Its manifest has an error.");
}

TEST(ObjectStorePlacements, OfOtherControllersAreTakenFromThem) {
  ObjectStore objects;
  Listener listener;
  const auto web = plan::makeObject("shop", "web", api::Unikernel{});
  objects.declare(web, {.uid = "1", .creationTimestamp = {}, .deletionTimestamp = {}, .generation = 2}, {});
  const plan::Replicas replicas{.wanted = 2, .instances = {"eu-1", "eu-2"}, .revision = "r"};
  objects.report(web->key(), seenOn("eu-1", Condition::Status::True), replicas, {}, listener);
  EXPECT_FALSE(objects.find(web->key())->status.ready());
  api::Status told = combinedStatus({}, seenOn("eu-2", Condition::Status::True), replicas, {});
  objects.mirror(web->key(), told, {});
  const auto view = objects.find(web->key());
  EXPECT_TRUE(view->ours);
  EXPECT_TRUE(view->status.ready()) << "and what it told of eu-1 does not count";
  objects.disown(web->key(), "eu-1");
  EXPECT_FALSE(objects.find(web->key())->ours);
}

}  // namespace
}  // namespace rookery::reconcile
