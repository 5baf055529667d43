#include "reconcile/usage.h"

#include <gmock/gmock.h>

#include <limits>

#include "reconcile/servers.h"
#include "unit/plan/scene.h"
#include "unit/reconcile/fake_server.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const SystemTime noon{std::chrono::hours(24 * 365 * 55)};
const api::ObjectKey cart = plan::keyOf("shop/cart");

albatross::UnikernelInfo withBridges(std::vector<std::pair<std::string, std::string>> bridges) {
  albatross::UnikernelInfo running;
  running.memory = 32;
  for (auto& [device, bridge] : bridges) running.bridges.push_back({device, bridge, {}});
  return running;
}

albatross::IfData interfaceOn(std::string bridge, std::int64_t first) {
  albatross::IfData data;
  data.bridge = std::move(bridge);
  data.inputBytes = first;
  data.inputPackets = first + 1;
  data.inputErrors = first + 2;
  data.inputDropped = first + 3;
  data.outputBytes = first + 4;
  data.outputPackets = first + 5;
  data.outputErrors = first + 6;
  data.outputDropped = first + 7;
  return data;
}

std::vector<std::string> namesOf(const Usage& usage) {
  std::vector<std::string> names;
  for (const auto& interface : usage.interfaces) names.push_back(interface.name);
  return names;
}

TEST(UsageOf, IsSeenFromTheUnikernelsEnd) {
  albatross::data::Statistics statistics;
  statistics.rusage.utime = {2, 500'000};
  statistics.rusage.stime = {1, 1};
  statistics.rusage.minflt = 3;
  statistics.rusage.majflt = 4;
  statistics.kinfo.emplace().rss = 410;
  statistics.interfaces = {interfaceOn("br0", 100)};
  const Usage usage = usageOf(statistics, withBridges({{"service", "br0"}}), noon);
  EXPECT_EQ(usage.time, noon);
  EXPECT_EQ(usage.userTime, 2'500'000us);
  EXPECT_EQ(usage.systemTime, 1'000'001us);
  EXPECT_EQ(usage.residentBytes, 410 * 4096);
  EXPECT_EQ(usage.limitBytes, 32 << 20);
  EXPECT_EQ(usage.minorFaults, 3);
  EXPECT_EQ(usage.majorFaults, 4);
  const InterfaceUsage expected{.name = "service",
                                .receivedBytes = 104,
                                .receivedPackets = 105,
                                .receiveErrors = 106,
                                .receiveDrops = 107,
                                .sentBytes = 100,
                                .sentPackets = 101,
                                .sendErrors = 102,
                                .sendDrops = 103};
  EXPECT_THAT(usage.interfaces, ElementsAre(expected));
  EXPECT_EQ(usage.window, std::nullopt);
  EXPECT_EQ(usage.millicpu(), std::nullopt);
}

TEST(UsageOf, NamesInterfacesOnOneBridgeInTheOrderOfTheirNames) {
  albatross::data::Statistics statistics;
  statistics.interfaces = {interfaceOn("br1", 10), interfaceOn("br0", 20), interfaceOn("br1", 30),
                           interfaceOn("br9", 40)};
  const Usage usage =
      usageOf(statistics, withBridges({{"z", "br1"}, {"a", "br1"}, {"service", "br0"}}), noon);
  EXPECT_THAT(namesOf(usage), ElementsAre("a", "br9", "service", "z"));
  EXPECT_EQ(usage.interfaces[0].sentBytes, 10);
  EXPECT_EQ(usage.interfaces[3].sentBytes, 30);
}

TEST(UsageOf, TakesNoNumberThatNoMachineHas) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t odd : {most, least, std::int64_t{-1}}) {
    albatross::data::Statistics statistics;
    statistics.rusage.utime = {odd, odd};
    statistics.rusage.stime = {1, odd};
    statistics.rusage.minflt = odd;
    statistics.kinfo.emplace().rss = odd;
    statistics.interfaces = {interfaceOn("br0", odd == most ? most - 7 : odd)};
    albatross::UnikernelInfo running = withBridges({});
    running.memory = odd;
    const Usage usage = usageOf(statistics, running, noon);
    EXPECT_EQ(usage.userTime, 0us);
    EXPECT_EQ(usage.systemTime, 0us);
    EXPECT_EQ(usage.residentBytes, 0);
    EXPECT_EQ(usage.limitBytes, 0);
    EXPECT_EQ(usage.minorFaults, odd == most ? static_cast<std::uint64_t>(most) : 0);
    EXPECT_LE(usage.interfaces[0].receivedBytes, static_cast<std::uint64_t>(most));
  }
}

/// They become labels of metrics, and JSON.
TEST(UsageOf, TakesNoNameThatNobodyCanWrite) {
  albatross::data::Statistics statistics;
  for (const char* bridge : {"br\xff", "a\nb", "twice", "twice"})
    statistics.interfaces.push_back(interfaceOn(bridge, 1));
  statistics.interfaces.push_back(interfaceOn(std::string(100'000, 'x'), 1));
  const Usage usage = usageOf(statistics, withBridges({{"eth\x1b", "br\xff"}}), noon);
  EXPECT_THAT(namesOf(usage), ElementsAre("a\\nb", "eth\\u001b", "twice", testing::SizeIs(testing::Lt(100))));
  for (int i = 0; i < 10'000; ++i) statistics.interfaces.push_back(interfaceOn(std::to_string(i), 1));
  EXPECT_THAT(usageOf(statistics, withBridges({}), noon).interfaces, SizeIs(64));
}

// -- UsageStore
// --------------------------------------------------------------------------------------------------------

Usage usedAt(std::chrono::milliseconds after, std::chrono::microseconds user,
             std::chrono::microseconds system = 0us) {
  Usage usage{.time = noon + after};
  usage.userTime = user;
  usage.systemTime = system;
  return usage;
}

TEST(UsageStore, TellsWhatWasUsedSinceItWasToldBefore) {
  UsageStore usages;
  usages.tell("eu-1", cart, usedAt(0ms, 5s));
  EXPECT_EQ(usages.find(cart)->usage.millicpu(), std::nullopt);
  usages.tell("eu-1", cart, usedAt(10s, 5'200ms, 50ms));
  EXPECT_EQ(usages.find(cart)->usage.window, 10s);
  EXPECT_EQ(usages.find(cart)->usage.inWindow, 250ms);
  EXPECT_EQ(usages.find(cart)->usage.millicpu(), 25);
  usages.tell("eu-1", cart, usedAt(20s, 15'200ms, 50ms));
  EXPECT_EQ(usages.find(cart)->usage.millicpu(), 1'000);
}

TEST(UsageStore, HasNoWindowOverTwoLivesInstancesOrTimes) {
  for (const auto& [instance, next] :
       {std::pair{"eu-1", usedAt(10s, 1s)}, std::pair{"us-1", usedAt(10s, 6s)},
        std::pair{"eu-1", usedAt(0s, 6s)}, std::pair{"eu-1", usedAt(-10s, 6s)}}) {
    UsageStore usages;
    usages.tell("eu-1", cart, usedAt(0ms, 5s));
    usages.tell(instance, cart, next);
    const auto all = usages.all();
    EXPECT_EQ(all.at({cart, instance}).usage.window, std::nullopt);
  }
  UsageStore soon;
  soon.tell("eu-1", cart, usedAt(0ms, 5s));
  Usage next = usedAt(0ms, 5s);
  next.time += std::chrono::microseconds(1);
  soon.tell("eu-1", cart, next);
  EXPECT_EQ(soon.find(cart)->usage.millicpu(), std::nullopt);
}

TEST(UsageStore, ForgetsWhatIsNotKept) {
  UsageStore usages;
  usages.tell("eu-1", cart, usedAt(0ms, 5s));
  usages.tell("eu-1", plan::keyOf("shop/other"), usedAt(0ms, 5s));
  usages.tell("us-1", plan::keyOf("shop/there"), usedAt(0ms, 5s));
  usages.keepOnly("eu-1", [](const api::ObjectKey& key) { return key == cart; });
  EXPECT_THAT(usages.all(), SizeIs(2));
  usages.keepOnly("us-1", [](const api::ObjectKey&) { return false; });
  EXPECT_THAT(usages.all(), ElementsAre(Field(&UsageStore::All::value_type::first, Pair(cart, "eu-1"))));
  EXPECT_EQ(usages.find(plan::keyOf("shop/there")), std::nullopt);
}

// -- Servers
// -----------------------------------------------------------------------------------------------------------

class ServersTest : public testing::Test {
 protected:
  Server server() {
    return {client_, std::make_shared<plan::Desired>(scene_.desired), base_, scene_.observed.policies};
  }

  plan::Scene scene_;
  FakeServer fake_;
  std::shared_ptr<albatross::Client> client_ = fake_.connect();
  albatross::Name base_;
  Servers servers_;
};

TEST_F(ServersTest, AreKnownOnceTheyWereReachedAndUntilTheyAreForgotten) {
  EXPECT_EQ(servers_.find("eu-1"), nullptr);
  servers_.forget("eu-1");
  const ServerPtr first = servers_.reached(server());
  EXPECT_EQ(servers_.find("eu-1"), first);
  Server same = *first;
  EXPECT_EQ(servers_.reached(std::move(same)), first) << "who holds it sees that nothing has changed";
  scene_.observed.policies[scene_.domain("shop")].memory = 1;
  const ServerPtr second = servers_.reached(server());
  EXPECT_NE(second, first);
  EXPECT_EQ(servers_.find("eu-1"), second);
  EXPECT_EQ(servers_.find("us-1"), nullptr);
  servers_.forget("eu-1");
  EXPECT_EQ(servers_.find("eu-1"), nullptr);
}

TEST_F(ServersTest, AreAskedInTheChainThatHolds) {
  const auto request = server().about(cart);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->label, "cart");
  ASSERT_THAT(request->domains, SizeIs(1));
  EXPECT_EQ(request->domains[0].label, "shop");
  EXPECT_EQ(request->domains[0].policy, scene_.observed.policies[scene_.domain("shop")]);
  const auto ofRoot = server().about(plan::keyOf("sys/dns"));
  ASSERT_TRUE(ofRoot);
  EXPECT_EQ(ofRoot->label, "dns");
  EXPECT_THAT(ofRoot->domains, IsEmpty());
  const auto without = server().about(plan::keyOf("nowhere/web"));
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().reason, Reason::NoPolicy);
}

TEST_F(ServersTest, AreAskedBelowTheDomainOfTheCredential) {
  base_ = {{"tenant"}, std::nullopt};
  scene_.observed.policies = {{{{"tenant", "shop"}, std::nullopt}, plan::makePolicy(1, 32)}};
  const auto request = server().about(cart);
  ASSERT_TRUE(request);
  ASSERT_THAT(request->domains, SizeIs(1));
  EXPECT_EQ(request->domains[0].policy, plan::makePolicy(1, 32));
}

}  // namespace
}  // namespace rookery::reconcile
