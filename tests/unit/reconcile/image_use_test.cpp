#include "reconcile/image_use.h"

#include <gmock/gmock.h>

#include "fixtures/temp_dir.h"
#include "reconcile/listener.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using testing::Contains;
using testing::Not;

TEST(ImagesInUse, AreThoseThatManifestsNameAndThatRun) {
  const fixtures::TempDir dir;
  const auto state = state::StateDir::open(dir.path());
  ASSERT_TRUE(state);
  ObjectStore objects;
  EXPECT_FALSE(imagesInUse(objects, **state)) << "nobody has looked yet";
  objects.setReady();

  api::Unikernel spec;
  spec.image = {.path = "/state/images/" + std::string(64, 'a') + ".img", .sha256 = std::nullopt};
  objects.declare(plan::makeObject("shop", "path", spec), {}, {});
  spec.image = {.path = "/manifests/web.hvt", .sha256 = std::string(64, 'b')};
  objects.declare(plan::makeObject("shop", "pin", spec), {}, {});
  spec.image = {.path = {}, .url = "https://builds.example.org/web.hvt", .sha256 = std::string(64, 'd')};
  objects.declare(plan::makeObject("shop", "url", spec), {}, {});
  spec.image = {.sha256 = std::string(64, 'e')};
  objects.declare(plan::makeObject("shop", "stored", spec), {}, {});
  Listener nobody;
  api::Status status;
  status.digest = std::string(64, 'c');
  status.conditions = {
      {api::Condition::Type::Ready, api::Condition::Status::True, Reason::Running, "It runs.", {}}};
  objects.report(plan::keyOf("shop/pin"), status, nobody);
  plan::Entry entry;
  entry.serverKey = "key";
  entry.name = plan::Scene::name("shop/broken");
  entry.object = plan::keyOf("shop/broken");
  entry.digests = {plan::digestOf('1'), plan::digestOf('2')};
  ASSERT_TRUE((*state)->put(entry));

  const auto used = imagesInUse(objects, **state);
  ASSERT_TRUE(used);
  for (const char digit : {'a', 'b', 'c', 'd', 'e'}) EXPECT_THAT(*used, Contains(std::string(64, digit)));
  EXPECT_THAT(*used, Contains(image::toHex(plan::digestOf('1'))));
  EXPECT_THAT(*used, Not(Contains(image::toHex(plan::digestOf('2')))));
}

}  // namespace
}  // namespace rookery::reconcile
