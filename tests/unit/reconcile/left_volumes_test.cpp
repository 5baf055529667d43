#include "reconcile/left_volumes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Moves : public Listener {
 public:
  void volumeMoved(const std::string& instance, const api::ObjectKey& volume,
                   const std::string& message) override {
    told.push_back(volume.name + " to " + instance + ": " + message);
  }
  std::vector<std::string> told;
};

class LeftVolumesTest : public testing::Test {
 protected:
  LeftVolumesTest() {
    plan::Entry entry;
    entry.instance = "eu-1";
    entry.object = volume_;
    volumes_["key"].set(plan::Scene::name("shop/data"), entry);
  }
  /// The volume is to be there.
  void placeOn(const std::string& instance) {
    plan::Scene scene;
    if (!instance.empty()) scene.declareVolume("shop/data");
    left_.tell(volumes_, {{instance, std::make_shared<plan::Desired>(scene.desired)}}, moves_);
  }

  const api::ObjectKey volume_ = plan::Scene::volumeKey("shop/data");
  plan::Inventories volumes_;
  Moves moves_;
  LeftVolumes left_;
};

TEST_F(LeftVolumesTest, AreToldOnce) {
  placeOn("eu-1");
  EXPECT_THAT(moves_.told, IsEmpty());
  placeOn("eu-2");
  placeOn("eu-2");
  EXPECT_THAT(moves_.told,
              ElementsAre(testing::AllOf(HasSubstr("data to eu-2: "), HasSubstr("is left on eu-1"))));
}

TEST_F(LeftVolumesTest, AreToldAgainWhereTheyWereBackInBetween) {
  placeOn("eu-2");
  placeOn("eu-1");
  placeOn("eu-2");
  EXPECT_EQ(moves_.told.size(), 2u);
}

TEST_F(LeftVolumesTest, AreNoneOfAVolumeThatIsNotDeclared) {
  placeOn("");
  EXPECT_THAT(moves_.told, IsEmpty());
}

}  // namespace
}  // namespace rookery::reconcile
