#include "plan/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using albatross::Arguments;
using albatross::Name;
using albatross::Policy;
using testing::HasSubstr;

Arguments withMemory(std::int64_t memory) {
  Arguments arguments;
  arguments.memory = memory;
  return arguments;
}

Arguments withVolumes(const std::vector<std::string>& volumes) {
  Arguments arguments;
  for (const auto& volume : volumes) arguments.blocks.push_back({"on-" + volume, volume, std::nullopt});
  return arguments;
}

const Name shopNamespace{{"shop"}, std::nullopt};
const Name shopWeb{{"shop"}, "web"};

const Observed& empty() {
  static const Observed nothing = [] {
    Observed observed;
    observed.policies[{}] = {{0, 1, 2, 3}, 1'000'000, 4'096, 1'024, {"br0", "br1"}};
    observed.policies[shopNamespace] = makePolicy(3, 128);
    return observed;
  }();
  return nothing;
}

/// The reason, or nothing.
std::optional<Reason> reasonOf(const std::optional<Error>& error) {
  return error ? std::optional(error->reason) : std::nullopt;
}

TEST(World, CountsWhatRunsWhereItRunsAndBelow) {
  World world(empty());
  EXPECT_FALSE(world.cannotRun(shopWeb, withMemory(128)));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(129))), Reason::PolicyExceeded);

  world.run({{"shop"}, "other"}, withMemory(32), digestOf('a'));
  world.run({{"shop", "inner"}, "deep"}, withMemory(32), digestOf('a'));
  world.run({{"shopping"}, "elsewhere"}, withMemory(64), digestOf('a'));
  EXPECT_FALSE(world.cannotRun(shopWeb, withMemory(64)));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(65))), Reason::PolicyExceeded);

  world.run({{}, "shop"}, withMemory(1), digestOf('a'));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(1))), Reason::PolicyExceeded)
      << "`:shop` counts as the third of `shop:`";

  world.remove({{"shop"}, "other"});
  EXPECT_FALSE(world.cannotRun(shopWeb, withMemory(95)));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(96))), Reason::PolicyExceeded);
}

TEST(World, SaysWhichLimitIsExceededAndWhatToDo) {
  World world(empty());
  world.run({{"shop"}, "other"}, withMemory(32), digestOf('a'));
  const auto refusedWith = [&](auto edit) {
    Arguments arguments = withMemory(32);
    edit(arguments);
    const auto error = world.cannotRun(shopWeb, arguments);
    return error ? error->message : "";
  };
  EXPECT_EQ(
      refusedWith([](Arguments& arguments) { arguments.memory = 97; }),
      "spec.memory asks for 97 Mi, but the policy of domain shop allows 128 Mi, of which 32 Mi are used by "
      "others. Lower spec.memory, or raise memory in the UnikernelPolicy.");
  EXPECT_EQ(refusedWith([](Arguments& arguments) { arguments.cpuIDs = {0, 7}; }),
            "spec.cpuIDs names 7, but the policy of domain shop allows 0, 1.");
  EXPECT_EQ(refusedWith([](Arguments& arguments) { arguments.bridges = {{"service", "br1", {}}}; }),
            "spec.networkInterfaces names the bridge br1, but the policy of domain shop allows br0.");
  world.run({{"shop"}, "third"}, withMemory(1), digestOf('a'));
  world.run({{"shop"}, "fourth"}, withMemory(1), digestOf('a'));
  EXPECT_EQ(refusedWith([](Arguments&) {}),
            "The policy of domain shop allows 3 unikernels, and as many run there. Raise unikernels in its "
            "UnikernelPolicy, or remove one.");
}

TEST(World, DoesNotCountWhatIsReplaced) {
  World world(empty());
  world.run(shopWeb, withMemory(128), digestOf('a'));
  EXPECT_FALSE(world.cannotRun(shopWeb, withMemory(128)));

  world.run(shopWeb, withMemory(32), digestOf('a'));
  EXPECT_FALSE(world.cannotRun({{"shop"}, "other"}, withMemory(96)))
      << "another run takes the place of the one before";
}

TEST(World, ChecksThePolicyOfTheImmediateDomainOnly) {
  World world(empty());
  EXPECT_FALSE(world.cannotRun({{"shop", "inner"}, "deep"}, withMemory(129)));
}

TEST(World, ChecksTheMachineWhereItCanSeeIt) {
  Observed observed = empty();
  observed.policies[shopNamespace] = makePolicy(10, 10'000);
  World world(observed);
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(4'097))), Reason::PolicyExceeded);
  EXPECT_EQ(reasonOf(world.cannotRun({{}, "dns"}, withMemory(4'097))), Reason::PolicyExceeded);
  world.run({{"db"}, "main"}, withMemory(4'000), digestOf('a'));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withMemory(97))), Reason::PolicyExceeded);

  observed.policies.erase(Name{});
  EXPECT_FALSE(World(observed).cannotRun(shopWeb, withMemory(4'097)));
}

TEST(World, ChecksBridges) {
  const World world(empty());
  const auto on = [](const std::string& bridge) {
    Arguments arguments;
    arguments.bridges = {{"service", bridge, std::nullopt}};
    return arguments;
  };
  EXPECT_FALSE(world.cannotRun(shopWeb, on("br0")));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, on("br1"))), Reason::PolicyExceeded);
  EXPECT_FALSE(world.cannotRun({{}, "dns"}, on("br1")));
  EXPECT_EQ(reasonOf(world.cannotRun({{}, "dns"}, on("br2"))), Reason::BridgeNotFound);
  Arguments ownName;
  ownName.bridges = {{"br0", std::nullopt, std::nullopt}};
  EXPECT_FALSE(world.cannotRun(shopWeb, ownName)) << "a bridge without a name has the interface's";
}

TEST(World, ChecksBlockDevices) {
  Observed observed = empty();
  observed.blockDevices = {
      {{{"shop"}, "free"}, {10, false}}, {{{"shop"}, "held"}, {10, true}}, {{{"db"}, "data"}, {10, false}}};
  World world(observed);
  EXPECT_FALSE(world.cannotRun(shopWeb, withVolumes({"free"})));
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withVolumes({"data"}))), Reason::BlockDeviceNotFound)
      << "it is another domain's";
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withVolumes({"held"}))), Reason::BlockDeviceInUse);
  EXPECT_EQ(reasonOf(world.cannotRun(shopWeb, withVolumes({"free", "free"}))), Reason::BlockDeviceInUse);

  world.run({{"shop"}, "other"}, withVolumes({"free"}), digestOf('a'));
  const auto error = world.cannotRun(shopWeb, withVolumes({"free"}));
  ASSERT_EQ(reasonOf(error), Reason::BlockDeviceInUse);
  EXPECT_THAT(error->message, HasSubstr("shop:other"));
  EXPECT_FALSE(world.cannotRun({{"shop"}, "other"}, withVolumes({"free"}))) << "its own";

  world.remove({{"shop"}, "other"});
  EXPECT_FALSE(world.cannotRun(shopWeb, withVolumes({"free"})));
}

TEST(World, DoesNotCheckBlockDevicesThatItWasNotTold) {
  EXPECT_FALSE(World(empty()).cannotRun(shopWeb, withVolumes({"data"})));
}

TEST(World, KnowsDomainsByWhatIsInThem) {
  World world(empty());
  EXPECT_TRUE(world.hasDomain("shop"));
  EXPECT_FALSE(world.hasDomain("db"));
  world.run({{"db", "inner"}, "deep"}, {}, digestOf('a'));
  EXPECT_TRUE(world.hasDomain("db"));
  EXPECT_FALSE(world.hasDomain("d"));
}

TEST(World, RefusesAPolicyBelowWhatIsUsed) {
  Observed observed = empty();
  observed.blockDevices = {{{{"shop"}, "data"}, {10, false}}};
  World world(observed);
  Arguments arguments = withMemory(64);
  arguments.cpuIDs = {1};
  arguments.bridges = {{"service", "br0", std::nullopt}};
  world.run(shopWeb, arguments, digestOf('a'));
  world.run({{"shop"}, "other"}, withMemory(16), digestOf('a'));
  const Policy enough = {{0, 1}, 2, 80, 10, {"br0"}};
  EXPECT_FALSE(world.cannotSet(shopNamespace, enough));

  const auto refusedWith = [&](auto edit) {
    Policy policy = enough;
    edit(policy);
    const auto error = world.cannotSet(shopNamespace, policy);
    return error ? error->message : "";
  };
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.unikernels = 1; }), HasSubstr("spec.unikernels"));
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.memory = 79; }), HasSubstr("spec.memory"));
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.block = 9; }), HasSubstr("spec.blockStorage"));
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.block.reset(); }), HasSubstr("spec.blockStorage"));
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.cpuIDs = {0}; }), HasSubstr("CPU 1"));
  EXPECT_THAT(refusedWith([](Policy& policy) { policy.bridges = {}; }), HasSubstr("bridge br0"));
}

TEST(World, RefusesAPolicyAboveTheOneOverItOrBelowTheOneUnderIt) {
  Observed observed;
  observed.base = {{"tenant"}, std::nullopt};
  observed.policies[observed.base] = makePolicy(10, 512);
  observed.policies[Name{{"tenant", "shop", "inner"}, std::nullopt}] = makePolicy(2, 64);
  const World world(observed);
  const Name domain{{"tenant", "shop"}, std::nullopt};

  EXPECT_FALSE(world.cannotSet(domain, makePolicy(10, 512)));
  EXPECT_EQ(reasonOf(world.cannotSet(domain, makePolicy(10, 513))), Reason::PolicyExceeded);
  EXPECT_EQ(reasonOf(world.cannotSet(domain, {{0, 1}, 5, 256, 1, {"br0"}})), Reason::PolicyExceeded)
      << "block storage";
  EXPECT_FALSE(world.cannotSet(domain, makePolicy(2, 64)));
  EXPECT_EQ(reasonOf(world.cannotSet(domain, makePolicy(2, 63))), Reason::PolicyExceeded);
}

TEST(World, DoesNotCompareAPolicyWithTheRoots) {
  EXPECT_FALSE(World(empty()).cannotSet(shopNamespace, makePolicy(10, 10'000)));
}

}  // namespace
}  // namespace rookery::plan
