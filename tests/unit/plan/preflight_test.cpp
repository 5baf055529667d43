#include "plan/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using testing::HasSubstr;

api::ObjectPtr unikernelWith(const std::string& path, std::int64_t memory,
                             const std::string& bridge = "br0") {
  api::Unikernel spec;
  spec.memory = memory;
  spec.networkInterfaces = {{.name = "service", .bridge = bridge, .mac = std::nullopt}};
  const api::ObjectKey key = keyOf(path);
  return makeObject(key.nameSpace, key.name, spec);
}

std::optional<Reason> reasonFor(const Scene& scene, const api::ObjectPtr& unikernel) {
  const auto error = cannotRun(scene.desired, scene.observed, *unikernel);
  return error ? std::optional(error->reason) : std::nullopt;
}

TEST(Preflight, HoldsAUnikernelAgainstThePolicyThatWasSeen) {
  const Scene scene;
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/web", 1'024)), std::nullopt);
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/web", 1'025)), Reason::PolicyExceeded);
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/web", 32, "br1")), Reason::PolicyExceeded);
  EXPECT_EQ(reasonFor(scene, unikernelWith("sys/dns", 32, "br1")), std::nullopt) << "the machine's own";
  EXPECT_EQ(reasonFor(scene, unikernelWith("sys/dns", 32, "br2")), Reason::BridgeNotFound);
}

TEST(Preflight, CountsWhatRunsButForWhatIsReplaced) {
  Scene scene;
  albatross::Arguments arguments;
  arguments.memory = 1'000;
  scene.observed.unikernels[Scene::name("shop/web")] =
      infoOf(arguments, digestOf('a'), Scene::name("shop/web"), 1);
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/web", 1'024)), std::nullopt);
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/other", 32)), Reason::PolicyExceeded);
}

TEST(Preflight, ADeclaredPolicyCountsBeforeItIsSet) {
  Scene scene;
  const auto none = cannotRun(scene.desired, scene.observed, *unikernelWith("new/web", 32));
  ASSERT_TRUE(none);
  EXPECT_EQ(none->reason, Reason::NoPolicy);
  EXPECT_THAT(none->message, HasSubstr("Declare a UnikernelPolicy in namespace new with instance: eu-1"));

  const auto declare = [&](const std::string& nameSpace, std::int64_t memory) {
    const auto object = makeObject(nameSpace, "limits", api::UnikernelPolicy{});
    scene.desired.policies.insert_or_assign(nameSpace, DesiredPolicy{object, {}, makePolicy(10, memory)});
  };
  declare("new", 64);
  EXPECT_EQ(reasonFor(scene, unikernelWith("new/web", 64)), std::nullopt);
  EXPECT_EQ(reasonFor(scene, unikernelWith("new/web", 65)), Reason::PolicyExceeded);
  declare("shop", 2'048);
  EXPECT_EQ(reasonFor(scene, unikernelWith("shop/web", 2'000)), std::nullopt) << "it is about to be raised";
}

TEST(Preflight, NothingSpeaksAgainstWhatIsSuspended) {
  Scene scene;
  api::Unikernel spec;
  spec.suspend = true;
  EXPECT_EQ(reasonFor(scene, makeObject("new", "web", spec)), std::nullopt);
  EXPECT_EQ(reasonFor(scene, unikernelWith("new/web", 32)), Reason::NoPolicy);
  api::AlbatrossInstance instance;
  instance.suspend = true;
  scene.setInstance(instance);
  EXPECT_EQ(reasonFor(scene, unikernelWith("new/web", 32)), std::nullopt);
}

}  // namespace
}  // namespace rookery::plan
