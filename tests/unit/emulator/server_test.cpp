#include "emulator/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server_harness.h"

namespace rookery::emulator {
namespace {

using albatross::Config;
using std::chrono::milliseconds;
using testing::IsEmpty;
using testing::SizeIs;

const char* const created = "created unikernel";

Config restarting(std::set<std::int64_t> codes, std::vector<std::string> arguments) {
  Config config = configOf(std::move(arguments));
  config.arguments.failBehaviour = {true, std::move(codes)};
  return config;
}

// -- Guests that end by themselves
// ----------------------------------------------------------------------------------

struct Ending {
  int code;
  bool restart;
  std::set<std::int64_t> codes;
  bool runsAgain;
};

class EndOfAGuest : public testing::TestWithParam<Ending> {};

TEST_P(EndOfAGuest, IsFollowedByAnotherLifeWhereItsBehaviourSaysSo) {
  const Ending& ending = GetParam();
  ServerHarness harness;
  Config config = configOf({"exit=" + std::to_string(ending.code), "after=300"});
  config.arguments.addName = false;
  config.arguments.failBehaviour = {ending.restart, ending.codes};
  ASSERT_EQ(created, harness.create(":a", config));
  const auto first = harness.started(":a");
  harness.pass(milliseconds(299));
  EXPECT_EQ(first, harness.started(":a"));
  harness.pass(milliseconds(1));
  const auto second = harness.started(":a");
  EXPECT_EQ(ending.runsAgain, second.has_value());
  EXPECT_NE(first, second);
  EXPECT_EQ(ending.runsAgain ? second->time_since_epoch() + milliseconds(300) : milliseconds(0),
            harness.server.nextEvent().value_or(albatross::Time{}).time_since_epoch());
}

INSTANTIATE_TEST_SUITE_P(Table, EndOfAGuest,
                         testing::Values(Ending{0, false, {}, false}, Ending{2, false, {}, false},
                                         Ending{0, true, {}, true}, Ending{2, true, {}, true},
                                         Ending{255, true, {}, true}, Ending{1, true, {}, false},
                                         Ending{1, true, {1}, false}, Ending{60, true, {60}, false},
                                         Ending{64, true, {64}, false}, Ending{59, true, {}, true},
                                         Ending{65, true, {}, true}, Ending{3, true, {3, 4}, true},
                                         Ending{5, true, {3, 4}, false}));

TEST(Server, StartsAgainWithoutItsNameWhatDoesNotKnowTheArgument) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", configOf({"exit=64", "after=100"})));  // quit, --name added
  const auto first = harness.started(":a");
  harness.pass(milliseconds(100));
  EXPECT_TRUE(harness.started(":a").has_value());
  EXPECT_NE(first, harness.started(":a"));
  harness.pass(milliseconds(100));
  EXPECT_EQ(std::nullopt, harness.started(":a"));
}

TEST(Server, StartsEveryLifeAtAMomentOfItsOwn) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", configOf()));
  const auto first = harness.started(":a");
  ASSERT_EQ(created, harness.restart(":a"));  // the clock has not moved
  EXPECT_GT(harness.started(":a"), first);
}

TEST(Server, SaysNotFoundOfWhatEndedByItself) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", configOf({"exit=0", "after=10"})));
  harness.pass(milliseconds(10));
  EXPECT_EQ("destroy: not found", harness.destroy(":a"));
  ASSERT_EQ(created, harness.create(":a", configOf()));
  EXPECT_EQ("destroyed unikernel", harness.destroy(":a"));
  EXPECT_EQ("destroyed: removed from restarting", harness.restart(":a"));
  EXPECT_EQ("destroy: not found", harness.restart(":a"));
}

TEST(Server, DoesNotStartAgainWhatWasDestroyed) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", restarting({}, {"exit=2", "after=1000"})));
  EXPECT_EQ("destroyed unikernel", harness.destroy(":a"));
  harness.pass(milliseconds(10'000));
  EXPECT_THAT(harness.info(":"), IsEmpty());
}

// -- Replacing
// ------------------------------------------------------------------------------------------------------

TEST(Server, LetsOthersInWhileAnOldProcessEnds) {
  ServerHarness harness;
  harness.server.faults().stopAfter = milliseconds(500);
  ASSERT_EQ(created, harness.create(":a", configOf({"old"})));
  EXPECT_EQ("pending", harness.forceCreate(":a", configOf({"second"})));
  EXPECT_EQ(std::vector<std::string>{"old"}, harness.info(":a").front().second.arguments);
  EXPECT_EQ("Unikernel with same name is already running", harness.create(":a", configOf()));
  EXPECT_EQ("pending", harness.forceCreate(":a", configOf({"third"})));
  harness.pass(milliseconds(500));
  EXPECT_EQ(std::vector<std::string>{"third"}, harness.info(":a").front().second.arguments);
  EXPECT_EQ(std::nullopt, harness.answers[1]) << "the first is replaced and never answered";
  EXPECT_EQ(created, harness.answers[4]);
}

TEST(Server, LetsADestroyTakeTheReplacementsPlace) {
  ServerHarness harness;
  harness.server.faults().stopAfter = milliseconds(500);
  ASSERT_EQ(created, harness.create(":a", configOf()));
  EXPECT_EQ("pending", harness.restart(":a"));
  EXPECT_EQ("pending", harness.destroy(":a"));
  harness.pass(milliseconds(500));
  EXPECT_EQ(std::nullopt, harness.answers[1]);
  EXPECT_EQ("destroyed unikernel", harness.answers[2]);
  EXPECT_THAT(harness.info(":"), IsEmpty());
}

struct BadUpdate {
  const char* what;
  Config config;
  const char* said;
  bool survives;
};

std::vector<BadUpdate> badUpdates() {
  std::vector<BadUpdate> updates;
  updates.push_back({"ForAnotherTender", configOf({}, {.target = 6}), "unsupported solo5 target xen", false});
  updates.push_back(
      {"ForAnotherAbi", configOf({}, {.abiVersion = 3}),
       "unexpected solo5 tender --version output, expected one line with 'ABI version 3', got ABI version 2",
       false});
  updates.push_back(
      {"WithoutTheDeviceThatItWants", configOf({}, {.blocks = {"data"}}),
       "specified block device(s) does not match with manifest. Devices present in manifest: block \"data\"",
       false});
  Config bridge = configOf({}, {.networks = {"service"}});
  bridge.arguments.bridges = {{"service", "br9", std::nullopt}};
  updates.push_back({"OnABridgeThatIsNotThere", bridge, "interface br9 does not exist", false});
  Config block = configOf({}, {.blocks = {"data"}});
  block.arguments.blocks = {{"data", std::nullopt, std::nullopt}};
  updates.push_back({"WithABlockDeviceThatIsNotThere", block, "block device free:data not found", true});
  return updates;
}

class ForceCreate : public testing::TestWithParam<BadUpdate> {};

TEST_P(ForceCreate, ChecksPolicyAndBlocksBeforeItKillsAndTheRestAfter) {
  const BadUpdate& update = GetParam();
  ServerHarness harness;  // the domain has no policy: nothing is checked there but what the machine has
  ASSERT_EQ(created, harness.create("free:a", configOf()));
  EXPECT_EQ(update.said, harness.forceCreate("free:a", update.config));
  EXPECT_EQ(update.survives, harness.started("free:a").has_value());
}

INSTANTIATE_TEST_SUITE_P(Table, ForceCreate, testing::ValuesIn(badUpdates()),
                         [](const auto& test) { return std::string(test.param.what); });

TEST(Server, ChecksARestartAgainstThePolicyOnlyWhenItHasKilled) {
  ServerHarness harness;
  ASSERT_EQ("policies: 1", harness.applyPolicies({{{"shop"}, policyOf(4, 100)}}));
  ASSERT_EQ(created, harness.create("shop:a", configOf()));
  albatross::Arguments more;
  more.cpuIDs = {7};
  EXPECT_EQ("CPUids 7 are not allowed by policy", harness.restart("shop:a", more));
  EXPECT_THAT(harness.info("shop:"), IsEmpty());
}

TEST(Server, RunsCompressedImagesAndHandsThemOutEitherWay) {
  ServerHarness harness;
  const Config plain = configOf();
  Config config = plain;
  config.compressed = true;
  config.image = compress(plain.image, 6);
  ASSERT_EQ(created, harness.create(":zipped", config));
  ASSERT_EQ(created, harness.create(":plain", plain));
  EXPECT_EQ(harness.info(":plain").front().second.digest, harness.info(":zipped").front().second.digest);
  const auto get = [&](const char* name, std::int64_t level) {
    const Answer answer = harness.submit(name, albatross::UnikernelCommand(albatross::unikernel::Get{level}));
    return std::get<albatross::success::UnikernelImage>(std::get<albatross::Success>(*answer));
  };
  for (const auto* name : {":plain", ":zipped"}) {
    EXPECT_EQ((albatross::success::UnikernelImage{false, plain.image}), get(name, 0)) << name;
    EXPECT_TRUE(get(name, 9).compressed) << name;
    EXPECT_EQ(plain.image, uncompress(get(name, 9).image)) << name;
  }
  EXPECT_EQ("no answer", harness.say(":plain", albatross::UnikernelCommand(albatross::unikernel::Get{10})));
}

TEST(Server, SaysWhatIsWrongWithCompressedBytes) {
  const std::string good = compress(std::string(5000, 'x'), 9);
  EXPECT_EQ("failed to uncompress: Unexpected end of input", uncompress(good.substr(0, 10)).error().message);
  EXPECT_EQ("failed to uncompress: Unexpected end of input", uncompress("").error().message);
  EXPECT_EQ("failed to uncompress: Invalid Zlib header", uncompress("text").error().message);
}

// -- Policies
// ---------------------------------------------------------------------------------------------------------

TEST(Server, AppliesTheChainsPoliciesFromTheRootDown) {
  ServerHarness harness;
  EXPECT_EQ("policies: 1", harness.applyPolicies({{{"a"}, policyOf(4, 100)}, {{"a", "b"}, policyOf(2, 50)}}));
  EXPECT_EQ("policies: 1",
            harness.applyPolicies({{{"a"}, policyOf(40, 1000)}, {{"a", "b"}, policyOf(20, 500)}}));
  EXPECT_EQ("policies: 2", harness.applyPolicies({{{"a"}, policyOf(40, 1000)}}));
}

struct BadPolicy {
  const char* what;
  std::vector<std::pair<Path, albatross::Policy>> policies;
  const char*
      said;  // behind "expected success when adding policy, got: host [unikernel: …]: command failed "
};

std::vector<BadPolicy> badPolicies() {
  const auto changed = [](auto change) {
    albatross::Policy policy = policyOf(4, 100);
    change(policy);
    return policy;
  };
  return {
      {"FewerUnikernelsThanRun",
       {{{"a"}, policyOf(0, 100)}},
       "a:]: command failed unikernel would exceed running unikernel limit set by policy to 0, running 1"},
      {"LessMemoryThanIsUsed",
       {{{"a"}, policyOf(4, 31)}},
       "a:]: command failed unikernel would exceed running memory limit set by policy to 31 MB, used 32 MB"},
      {"NoBlockStorage",
       {{{"a"}, changed([](auto& policy) { policy.block.reset(); })}},
       "a:]: command failed unikernel would exceed running block storage limit set by policy to 0 MB, used "
       "10 MB"},
      {"WithoutACpuInUse",
       {{{"a"}, changed([](auto& policy) { policy.cpuIDs = {1}; })}},
       "a:]: command failed policy does not allow CPUids 0"},
      {"WithoutABridgeInUse",
       {{{"a"}, changed([](auto& policy) { policy.bridges = {"br1"}; })}},
       "a:]: command failed policy allows bridges br1, which is not a superset of br0"},
      {"MoreMemoryThanAbove",
       {{{"a"}, policyOf(4, 100)}, {{"a", "c"}, policyOf(1, 101)}},
       "a:c:]: command failed policy above allows 100 MB memory, which is fewer than 101 MB"},
      {"OtherCpusThanAbove",
       {{{"a"}, policyOf(4, 100)}, {{"a", "c"}, changed([](auto& policy) { policy.cpuIDs = {5, 6}; })}},
       "a:c:]: command failed policy above does not allow CPUids 5, 6"},
      {"OtherBridgesThanAbove",
       {{{"a"}, policyOf(4, 100)}, {{"a", "c"}, changed([](auto& policy) { policy.bridges = {"br7"}; })}},
       "a:c:]: command failed policy above allows bridge(s) br0, which is not a superset of br7"},
      {"MoreBlockStorageThanAbove",
       {{{"a"}, policyOf(4, 100)}, {{"a", "c"}, changed([](auto& policy) { policy.block = 101; })}},
       "a:c:]: command failed policy above allows 100 MB block storage, which is fewer than 101 MB"},
      {"SmallerThanOneBelow",
       {{{"a"}, policyOf(4, 100)}, {{"a", "b"}, policyOf(2, 50)}, {{"a"}, policyOf(1, 100)}},
       "a:]: command failed policy above allows 1 unikernels, which is fewer than 2"},
  };
}

class Policies : public testing::TestWithParam<BadPolicy> {};

TEST_P(Policies, ThatAreRefusedFailTheCommandThatCarriesThem) {
  ServerHarness harness;
  ASSERT_EQ("policies: 1", harness.applyPolicies({{{"a"}, policyOf(4, 100)}}));
  ASSERT_EQ("added block device", harness.addBlock("a:data", 10));
  Config config = configOf({}, {.networks = {"service"}});
  config.arguments.bridges = {{"service", "br0", std::nullopt}};
  ASSERT_EQ(created, harness.create("a:u", config));
  const auto destroy = albatross::UnikernelCommand(albatross::unikernel::Destroy{});
  EXPECT_EQ(std::string("expected success when adding policy, got: host [unikernel: ") + GetParam().said,
            harness.say("a:u", destroy, GetParam().policies));
  EXPECT_TRUE(harness.started("a:u").has_value());
}

INSTANTIATE_TEST_SUITE_P(Table, Policies, testing::ValuesIn(badPolicies()),
                         [](const auto& test) { return std::string(test.param.what); });

TEST(Server, HoldsTheRootDomainToTheMachine) {
  ServerHarness harness;
  Config config = configOf();
  config.arguments.memory = 1025;
  EXPECT_EQ("maximum allowed memory (1024, used 0) would be exceeded (requesting 1025)",
            harness.create(":a", config));
  EXPECT_EQ(created, harness.create("unlimited:a", config));
  EXPECT_EQ("maximum allowed memory (1024, used 1025) would be exceeded (requesting 32)",
            harness.create(":a", configOf()));
}

TEST(Server, SurvivesSumsBeyondItsIntegers) {
  ServerHarness harness;
  Config config = configOf();
  config.arguments.memory = (std::int64_t{1} << 62) - 1;
  for (const auto* name : {"free:a", "free:b", "free:c", "free:d"})
    EXPECT_EQ(created, harness.create(name, config));
  EXPECT_EQ("overflow while computing bytes", harness.addBlock("free:huge", std::int64_t{1} << 42));
  EXPECT_EQ("overflow while computing bytes", harness.addBlock("free:less", -5));
}

// -- Names, lists, devices
// --------------------------------------------------------------------------------------------

TEST(Server, KeepsAUnikernelAndTheDomainOfItsNameInOnePlace) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":shop", configOf()));
  EXPECT_EQ(
      "expected success when adding policy, got: host [unikernel: shop:]: command failed unikernel would "
      "exceed "
      "running unikernel limit set by policy to 0, running 1",
      harness.applyPolicies({{{"shop"}, policyOf(0, 100)}}));
  ASSERT_EQ("policies: 1", harness.applyPolicies({{{"shop"}, policyOf(1, 100)}}));
  const auto listed = harness.info("shop:");
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(":", listed.front().first.toString());
  EXPECT_EQ(":shop", harness.info(":").front().first.toString());
  EXPECT_EQ("maximum amount of unikernels (1) reached", harness.create("shop:web", configOf()));
  EXPECT_EQ("Unikernel with same name is already running", harness.create("shop:", configOf()));
}

TEST(Server, ListsFromTheLastToTheFirstAndOuterBeforeInner) {
  ServerHarness harness;
  for (const auto* name : {"a:x", ":b", "a:y:z", "a:c"}) ASSERT_EQ(created, harness.create(name, configOf()));
  std::vector<std::string> names;
  for (const auto& [name, info] : harness.info(":")) names.push_back(name.toString());
  EXPECT_THAT(names, testing::ElementsAre(":b", "a:y:z", "a:x", "a:c"));
  names.clear();
  for (const auto& [name, info] : harness.info("a:")) names.push_back(name.toString());
  EXPECT_THAT(names, testing::ElementsAre("y:z", ":x", ":c"));
}

TEST(Server, TellsTheSizeOfABlockDeviceOnlyByName) {
  ServerHarness harness;
  ASSERT_EQ("added block device", harness.addBlock("shop:disk", 10));
  Config config = configOf({}, {.blocks = {"data"}});
  config.arguments.blocks = {{"data", "disk", 4096}};
  ASSERT_EQ(created, harness.create("shop:a", config));
  const auto size = [](const auto& list) { return list.front().second.blocks.front().size; };
  EXPECT_EQ(10, size(harness.info("shop:a")));
  EXPECT_EQ(10, size(harness.info(":")));
  EXPECT_EQ(0, size(harness.info("shop:")));  // looked up beside `:a`, where the list has it
  EXPECT_EQ("remove block: is in use",
            harness.say("shop:disk", albatross::BlockCommand(albatross::block::Remove{})));
}

TEST(Server, WritesTheContentOfABlockDevice) {
  ServerHarness harness;
  EXPECT_EQ("writing block data", harness.setBlock(":disk", "text"));
  ASSERT_EQ("added block device", harness.addBlock(":disk", 1));
  const auto content = [&] { return harness.server.resources().content({{}, "disk"})->bytes; };
  EXPECT_EQ("set block device", harness.setBlock(":disk", "some content"));
  EXPECT_EQ("set block device", harness.setBlock(":disk", compress("else", 9), true));
  EXPECT_EQ("else content", content());
  EXPECT_EQ("failed to uncompress: Invalid Zlib header", harness.setBlock(":disk", "no zlib", true));
  const std::size_t size = std::size_t{1} << 20;
  EXPECT_EQ("pending", harness.setBlock(":disk", std::string(size + 1, 'A'))) << "nobody is ever told";
  EXPECT_EQ(std::string(size, 'A'), content());
}

TEST(Server, DumpsABlockDeviceThatIsNotInUse) {
  ServerHarness harness;
  const auto dump = [&](std::int64_t level) {
    return harness.say(":disk", albatross::BlockCommand(albatross::block::Dump{level}));
  };
  EXPECT_EQ("dump block: not found", dump(0));
  ASSERT_EQ("added block device", harness.addBlock(":disk", 1));
  EXPECT_EQ("success", dump(0));
  EXPECT_EQ("no answer", dump(10));
  Config config = configOf({}, {.blocks = {"data"}});
  config.arguments.blocks = {{"data", "disk", std::nullopt}};
  ASSERT_EQ(created, harness.create(":web", config));
  EXPECT_EQ("dump block: is in use", dump(0));
  EXPECT_EQ("writing block data", harness.setBlock(":disk", "text"));
}

TEST(Server, DoesNotGiveABlockDeviceTwice) {
  ServerHarness harness;
  ASSERT_EQ("added block device", harness.addBlock(":disk", 10));
  Config config = configOf({}, {.blocks = {"one", "two"}});
  config.arguments.blocks = {{"one", "disk", std::nullopt}, {"two", "disk", std::nullopt}};
  EXPECT_EQ("could not create unikernel: console failed", harness.create(":a", config));
  EXPECT_THAT(harness.info(":"), IsEmpty());
}

TEST(Server, AnswersOlderQuestionsAsLongAsItCan) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", configOf()));
  const auto info5 = albatross::UnikernelCommand(albatross::unikernel::Info{albatross::Era::V26});
  EXPECT_EQ("unikernels: 1", harness.say(":", info5));
  albatross::Arguments two;
  two.cpuIDs = {0, 1};
  ASSERT_EQ(created, harness.restart(":a", two));
  EXPECT_EQ("no answer", harness.say(":", info5));
}

TEST(Server, TakesBhyveMachinesAsTheyAre) {
  ServerHarness harness;
  Config config;
  config.type = albatross::UnikernelType::Bhyve;
  ASSERT_EQ(created, harness.create(":a", config));
  ASSERT_EQ(created, harness.restart(":a"));
  EXPECT_EQ(albatross::UnikernelType::Bhyve, harness.info(":a").front().second.type);
}

// -- Faults and memory
// ------------------------------------------------------------------------------------------------

TEST(Server, RefusesEveryMutationAndAnswersQuestions) {
  ServerHarness harness;
  ASSERT_EQ("policies: 1", harness.applyPolicies({{{"shop"}, policyOf(4, 100)}}));
  ASSERT_EQ(created, harness.create("shop:a", configOf()));
  harness.server.faults().refuse = true;
  EXPECT_EQ("refused by the emulator", harness.create("shop:b", configOf()));
  EXPECT_EQ("refused by the emulator", harness.forceCreate("shop:a", configOf()));
  EXPECT_EQ("refused by the emulator", harness.restart("shop:a"));
  EXPECT_EQ("refused by the emulator", harness.destroy("shop:a"));
  EXPECT_EQ("refused by the emulator", harness.addBlock("shop:b", 1));
  EXPECT_EQ("policies: 1", harness.applyPolicies({{{"shop"}, policyOf(4, 100)}}));
  EXPECT_EQ(
      "expected success when adding policy, got: host [unikernel: shop:]: command failed refused by the "
      "emulator",
      harness.applyPolicies({{{"shop"}, policyOf(5, 100)}}));
  EXPECT_THAT(harness.info("shop:"), SizeIs(1));
}

TEST(Server, CanForgetTheMemoryOfARestart) {
  ServerHarness harness;
  ASSERT_EQ(created, harness.create(":a", configOf()));
  albatross::Arguments arguments;
  arguments.memory = 48;
  arguments.cpuIDs = {1};
  harness.server.faults().restartIgnoresMemory = true;
  ASSERT_EQ(created, harness.restart(":a", arguments));
  EXPECT_EQ(32, harness.info(":a").front().second.memory);
  EXPECT_EQ(std::set<std::int64_t>{1}, harness.info(":a").front().second.cpuIDs);
  harness.server.faults().restartIgnoresMemory = false;
  ASSERT_EQ(created, harness.restart(":a", arguments));
  EXPECT_EQ(48, harness.info(":a").front().second.memory);
}

TEST(Server, CanEndEveryGuestAndLoseItsDaemon) {
  ServerHarness harness;
  harness.server.faults() = *Faults::parse("exit-after=20ms:3");
  ASSERT_EQ(created, harness.create(":a", configOf()));
  harness.pass(milliseconds(20));
  EXPECT_THAT(harness.info(":"), IsEmpty());
  harness.server.faults() = *Faults::parse("endpoint-error");
  EXPECT_EQ("couldn't reach service", harness.create(":b", configOf()));
  harness.server.faults() = {};
  EXPECT_THAT(harness.info(":"), IsEmpty());
}

TEST(Server, RemembersWhatAFailedForceCreateKilledUntilItWritesItsStateAgain) {
  std::size_t dumped = 0;
  ServerHooks hooks;
  hooks.dump = [&](const Resources& resources) { dumped = resources.unikernels().all().size(); };
  ServerHarness harness(hooks);
  ASSERT_EQ(created, harness.create(":a", configOf()));
  EXPECT_EQ("error during ELF parsing", harness.forceCreate(":a", Config{}));
  EXPECT_THAT(harness.info(":"), IsEmpty());
  EXPECT_EQ(1U, dumped);
  EXPECT_EQ("destroyed: removed from restarting", harness.destroy(":a"));
  EXPECT_EQ(0U, dumped);
}

TEST(Server, RestoresInTheOrderOfStartUp) {
  State state;
  state.policies = {{{"shop"}, policyOf(2, 100)}};
  state.blocks = {{{{"shop"}, "disk"}, 10}};
  for (const auto& [label, startup] :
       {std::pair{"default", std::optional<std::int64_t>()}, {"late", 51}, {"early", 1}}) {
    Config config = configOf();
    config.arguments.startup = startup;
    state.unikernels.emplace_back(
        albatross::Name{{"shop"}, label},
        Configuration{config.type, config.arguments, std::make_shared<GuestImage>(config.image, false)});
  }
  ServerHarness harness;
  harness.server.restore(state, harness.now);
  EXPECT_LT(harness.started("shop:early"), harness.started("shop:default"));
  EXPECT_EQ(std::nullopt, harness.started("shop:late")) << "the policy allows two";
  EXPECT_EQ("block device with same name already exists", harness.addBlock("shop:disk", 10));
}

}  // namespace
}  // namespace rookery::emulator
