#include "reconcile/object_store.h"

#include <gtest/gtest.h>

#include "reconcile/listener.h"
#include "unit/serve/views.h"

namespace rookery::reconcile {
namespace {

class Objects : public testing::Test {
 protected:
  std::shared_ptr<api::Object> copy() const { return std::make_shared<api::Object>(*view_->object); }
  ObjectViewPtr find() const { return objects_.find(view_->object->key()); }

  const ObjectViewPtr view_ = serve::unikernelView("shop", "web", true, Reason::Running, "It runs.");
  ObjectStore objects_;
  Listener nobody_;
};

TEST_F(Objects, ThatAreReadAgainAreNoChange) {
  objects_.declare(view_->object, view_->identity, {});
  const auto version = objects_.resourceVersion();
  const auto again = copy();
  again->origin.line = 7;
  objects_.declare(again, view_->identity, {});
  EXPECT_EQ(objects_.resourceVersion(), version);
  EXPECT_EQ(find()->object, again) << "what is said of its place is true";
  const auto changed = copy();
  nlohmann::json manifest = changed->manifest.unpack();
  manifest["spec"]["memory"] = "64Mi";
  changed->manifest = manifest;
  objects_.declare(changed, view_->identity, {});
  EXPECT_GT(objects_.resourceVersion(), version);
}

TEST_F(Objects, AreListedWhateverKindTheyAreOf) {
  const auto instance = std::make_shared<api::Object>();
  instance->metadata.name = "eu-1";
  instance->spec = api::AlbatrossInstance{};
  objects_.declare(instance, {}, {});
  objects_.declare(view_->object, view_->identity, {});
  const auto listed = objects_.list();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0]->object, instance);
  EXPECT_EQ(listed[1]->object, view_->object);
}

TEST_F(Objects, AreAsOthersSeeThemUntilTheyAreOurs) {
  objects_.declare(view_->object, view_->identity, {});
  objects_.mirror(view_->object->key(), view_->status, {});
  EXPECT_TRUE(find()->status.ready());
  EXPECT_FALSE(find()->ours);
  api::Status status = view_->status;
  status.conditions[0].status = api::Condition::Status::False;
  objects_.report(view_->object->key(), status, nobody_);
  EXPECT_TRUE(find()->ours);
  objects_.mirror(view_->object->key(), view_->status, {});
  EXPECT_FALSE(find()->status.ready()) << "we know better";
  objects_.disown(view_->object->key());
  objects_.mirror(view_->object->key(), view_->status, {});
  EXPECT_TRUE(find()->status.ready());
}

/// What nobody of this process has looked at is Unknown, too, but not since now.
TEST_F(Objects, HaveBeenAsTheyAreSinceOthersSawThemSo) {
  const api::SystemTime now = view_->status.conditions[0].lastTransitionTime + std::chrono::hours(1);
  api::Status told = view_->status;
  told.conditions[0].status = api::Condition::Status::Unknown;
  objects_.declare(view_->object, view_->identity, now);
  objects_.mirror(view_->object->key(), told, now);
  EXPECT_EQ(find()->status, told);
  api::Status seen = told;
  seen.conditions[0].lastTransitionTime = now;
  objects_.report(view_->object->key(), seen, nobody_);
  EXPECT_EQ(find()->status, told);
}

}  // namespace
}  // namespace rookery::reconcile
