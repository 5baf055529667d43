#include "reconcile/wanted_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures/temp_dir.h"
#include "plan/desired.h"
#include "state/state_dir.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

TEST(WantedImages, AreThoseWithAURLWhereSomethingMayBeDone) {
  const fixtures::TempDir folder;
  const auto state = state::StateDir::open(folder.path());
  ASSERT_TRUE(state);
  ObjectStore objects;
  Listener nobody;
  const Environment environment{
      .state = **state, .objects = objects, .listener = nobody, .holds = [](const std::string& instance) {
        return instance == "eu-1";
      }};
  plan::Scene scene;
  const auto pulled = [](const std::string& name) {
    return [name](api::Unikernel& spec, plan::DesiredUnikernel&) {
      spec.image = {.path = {}, .url = "https://builds.example.org/" + name, .sha256 = std::string(64, 'a')};
    };
  };
  scene.declare("sys/file");
  scene.declare("sys/web", pulled("web"));
  scene.declare("sys/broken", [&](api::Unikernel& spec, plan::DesiredUnikernel& unikernel) {
    pulled("broken")(spec, unikernel);
    unikernel.error = Error{Reason::ReferenceNotFound, "There is no such Secret."};
  });
  plan::Scene elsewhere;
  elsewhere.declare("sys/dns", pulled("dns"));
  const std::set<image::Remote> wanted =
      wantedImages(environment, {{"eu-1", std::make_shared<plan::Desired>(scene.desired)},
                                 {"us-1", std::make_shared<plan::Desired>(elsewhere.desired)}});
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(wanted.begin()->url, "https://builds.example.org/web");
}

}  // namespace
}  // namespace rookery::reconcile
