#include "reconcile/rivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/desired.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::UnorderedElementsAre;

/// What an instance has of one unikernel, and of one policy where `policy` names its namespace.
std::shared_ptr<plan::Desired> instance(const std::string& name, const std::string& root,
                                        const std::string& path, const std::string& policy = "") {
  plan::Scene scene;
  api::AlbatrossInstance spec;
  spec.rootNamespace = root;
  scene.desired.instance = plan::makeObject("", name, spec);
  if (!path.empty()) scene.declare(path);
  if (!policy.empty()) {
    scene.desired.policies.emplace(
        policy,
        plan::DesiredPolicy{plan::makeObject(policy, "limits-" + name, api::UnikernelPolicy{}), {}, {}});
  }
  return std::make_shared<plan::Desired>(scene.desired);
}

const albatross::Name top{};

TEST(Rivals, AreNotKnownBeforeBothServersAre) {
  Rivals rivals;
  const plan::DesiredPtr a = instance("a", "default", "default/web"), b = instance("b", "other", "other/web");
  rivals.declare({{"a", a}, {"b", b}});
  EXPECT_TRUE(rivals.seen("a", "key", top));
  EXPECT_FALSE(rivals.seen("a", "key", top));
  EXPECT_THAT(rivals.clashesOf(*a), IsEmpty());
  EXPECT_TRUE(rivals.seen("b", "key", top));

  const auto ofA = rivals.clashesOf(*a), ofB = rivals.clashesOf(*b);
  ASSERT_THAT(ofA, UnorderedElementsAre(Key(plan::keyOf("default/web"))));
  ASSERT_THAT(ofB, UnorderedElementsAre(Key(plan::keyOf("other/web"))));
  for (const Error& error : {ofA.begin()->second, ofB.begin()->second}) {
    EXPECT_EQ(error.reason, Reason::DuplicateObject);
    EXPECT_THAT(error.message, HasSubstr("Unikernel default/web"));
    EXPECT_THAT(error.message, HasSubstr("Unikernel other/web"));
  }
}

/// Two instances, and whether what they have is the same thing.
struct Pair {
  const char* what;
  plan::DesiredPtr a, b;
  const char* serverOfB;
  albatross::Name baseOfB;
  bool clash;
};

TEST(Rivals, AreWhatHasOneNameOnOneServer) {
  const albatross::Name shop{{"shop"}, std::nullopt};
  const std::vector<Pair> pairs = {
      {"other servers", instance("a", "default", "default/web"), instance("b", "other", "other/web"),
       "another", top, false},
      {"other names", instance("a", "default", "default/web"), instance("b", "other", "other/dns"), "key",
       top, false},
      {"another domain", instance("a", "default", "default/web"), instance("b", "other", "default/web"),
       "key", top, false},
      {"a credential for a domain", instance("a", "sys", "shop/web"), instance("b", "other", "other/web"),
       "key", shop, true},
      {"two policies of one domain", instance("a", "sys", "", "shop"), instance("b", "sys", "", "shop"),
       "key", top, true},
      {"an object that moves", instance("a", "sys", "shop/web"), instance("b", "sys", "shop/web"), "key", top,
       false},
  };
  for (const Pair& pair : pairs) {
    Rivals rivals;
    rivals.declare({{"a", pair.a}, {"b", pair.b}});
    rivals.seen("a", "key", top);
    rivals.seen("b", pair.serverOfB, pair.baseOfB);
    EXPECT_EQ(!rivals.clashesOf(*pair.a).empty(), pair.clash) << pair.what;
    EXPECT_EQ(!rivals.clashesOf(*pair.b).empty(), pair.clash) << pair.what;
  }
}

TEST(Rivals, EndWhenOneIsNotDeclaredAnyMore) {
  Rivals rivals;
  const plan::DesiredPtr a = instance("a", "default", "default/web");
  rivals.declare({{"a", a}, {"b", instance("b", "other", "other/web")}});
  rivals.seen("a", "key", top);
  rivals.seen("b", "key", top);
  ASSERT_THAT(rivals.clashesOf(*a), testing::SizeIs(1));
  rivals.declare({{"a", a}, {"b", instance("b", "other", "other/dns")}});
  EXPECT_THAT(rivals.clashesOf(*a), IsEmpty());
}

}  // namespace
}  // namespace rookery::reconcile
