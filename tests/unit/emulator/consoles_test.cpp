#include "emulator/consoles.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "server_harness.h"

namespace rookery::emulator {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const albatross::Name web{{"shop"}, "web"};
const albatross::Time midnight{std::chrono::days(20'000)};

std::vector<std::string> textsOf(const std::vector<Consoles::Line>& lines) {
  std::vector<std::string> texts;
  for (const auto& line : lines) texts.push_back(line.line);
  return texts;
}

/// The last lines of what one has printed.
std::vector<std::string> kept(Consoles& consoles, const albatross::Name& name,
                              std::int64_t lines = 1'000'000) {
  const auto subscription = consoles.subscribe(name, lines, [](const Consoles::Line*) {});
  consoles.unsubscribe(name, subscription.reader);
  return textsOf(subscription.replay);
}

TEST(EmulatedConsoles, KeepTheLastLines) {
  Consoles consoles;
  for (int i = 1; i <= 1100; ++i) consoles.print(web, midnight, std::to_string(i));
  const auto all = kept(consoles, web);
  EXPECT_THAT(all, SizeIs(1024));
  EXPECT_EQ(all.front(), "77");
  EXPECT_EQ(all.back(), "1100");
  EXPECT_THAT(kept(consoles, web, 2), ElementsAre("1099", "1100"));
  EXPECT_THAT(kept(consoles, web, 0), IsEmpty());
  EXPECT_THAT(kept(consoles, web, -5), IsEmpty());
}

TEST(EmulatedConsoles, ReplayWhatWasPrintedSinceATime) {
  Consoles consoles;
  for (int i = 0; i < 4; ++i) consoles.print(web, midnight + milliseconds(i), std::to_string(i));
  const auto since = [&](milliseconds after) {
    return textsOf(consoles.subscribe(web, midnight + after, [](const Consoles::Line*) {}).replay);
  };
  EXPECT_THAT(since(milliseconds(2)), ElementsAre("2", "3"));
  EXPECT_THAT(since(milliseconds(4)), IsEmpty());
  EXPECT_THAT(since(milliseconds(-1)), SizeIs(4));
}

TEST(EmulatedConsoles, DropTheOldestReaderForASixth) {
  Consoles consoles;
  std::vector<std::string> told(7);
  std::vector<std::uint64_t> readers;
  for (std::string& each : told) {
    readers.push_back(
        consoles
            .subscribe(web, std::int64_t{0},
                       [&each](const Consoles::Line* line) { each += line == nullptr ? "over" : line->line; })
            .reader);
  }
  EXPECT_EQ(consoles.readers(web), 5);
  consoles.unsubscribe(web, readers.back());
  consoles.print(web, midnight, "hello");
  EXPECT_THAT(told, ElementsAre("over", "over", "hello", "hello", "hello", "hello", ""));
}

albatross::Config printing(std::vector<std::string> arguments) { return configOf(std::move(arguments)); }

TEST(EmulatedConsoles, SurviveWhatPrintedOnThem) {
  ServerHarness harness;
  const albatross::Name name{{}, "a"};
  const auto subscribe = [&] {
    return harness.say(":a", albatross::ConsoleCommand(albatross::console::Subscribe{std::int64_t{9}}));
  };
  EXPECT_EQ(subscribe(), "waiting for VM");
  harness.create(":a", printing({"say=hello world", "every=100"}));
  EXPECT_EQ(subscribe(), "subscribed");
  harness.pass(milliseconds(250));
  harness.destroy(":a");
  harness.pass(milliseconds(250));
  EXPECT_EQ(subscribe(), "subscribed");
  harness.create(":a", printing({"exit=3", "after=10"}));
  harness.pass(milliseconds(10));
  EXPECT_THAT(kept(harness.server.consoles(), name),
              ElementsAre("hello world", "tick 1", "tick 2", "Solo5: solo5_exit(3) called"));
}

TEST(EmulatedConsoles, AreInactiveWhereNothingRuns) {
  ServerHarness harness;
  const auto inactive = [&](const std::string& path) {
    std::vector<std::string> names;
    const Answer answer = harness.submit(path, albatross::ConsoleCommand(albatross::console::ListInactive{}));
    for (const auto& name :
         std::get<albatross::success::Consoles>(std::get<albatross::Success>(*answer)).names)
      names.push_back(name.toString());
    return names;
  };
  harness.applyPolicies({{{"shop"}, policyOf(5, 500)}});
  harness.create("shop:runs", configOf());
  harness.create("shop:ended", configOf());
  harness.destroy("shop:ended");
  harness.say("shop:never", albatross::ConsoleCommand(albatross::console::Subscribe{std::int64_t{9}}));
  EXPECT_THAT(inactive("shop:"), ElementsAre(":ended"));
  EXPECT_THAT(inactive(":"), ElementsAre("shop:ended"));
  EXPECT_THAT(inactive("other:"), IsEmpty());
}

TEST(EmulatedConsoles, PrintNoMoreThanTheyKeepWhenNobodyLooked) {
  ServerHarness harness;
  harness.create(":a", printing({"every=1"}));
  harness.pass(std::chrono::hours(24 * 365));
  const auto all = kept(harness.server.consoles(), {{}, "a"});
  EXPECT_THAT(all, SizeIs(1024));
  EXPECT_EQ(all.back(), fmt::format("tick {}", 365LL * 24 * 3'600'000));
}

TEST(EmulatedStatistics, TellOfWhatRunsBelowAPath) {
  ServerHarness harness;
  harness.applyPolicies({{{"shop"}, policyOf(5, 500)}});
  albatross::Config config = configOf({}, {.networks = {"service"}});
  config.arguments.bridges = {{.netif = "service", .bridge = "br0", .mac = {}}};
  ASSERT_EQ("created unikernel", harness.create("shop:web", config));
  ASSERT_EQ("created unikernel", harness.create(":root", configOf()));
  harness.pass(milliseconds(2'000));
  const auto ofShop = harness.server.statistics({"shop"}, harness.now);
  ASSERT_THAT(ofShop, SizeIs(1));
  EXPECT_EQ(ofShop[0].first.toString(), ":web");
  const auto& statistics = ofShop[0].second;
  EXPECT_EQ(statistics.rusage.stime, (albatross::Timeval{0, 40'000}));
  EXPECT_EQ(statistics.rusage.utime, (albatross::Timeval{0, 10'000}));
  EXPECT_EQ(statistics.kinfo->rss, 32 * 256 / 4);
  ASSERT_THAT(statistics.interfaces, SizeIs(1));
  EXPECT_EQ(statistics.interfaces[0].bridge, "br0");
  EXPECT_EQ(statistics.interfaces[0].inputBytes, 2'000);
  EXPECT_EQ(statistics.interfaces[0].outputBytes, 6'000);
  EXPECT_THAT(harness.server.statistics({}, harness.now), SizeIs(2));
  EXPECT_THAT(harness.server.statistics({"other"}, harness.now), IsEmpty());
  harness.destroy("shop:web");
  EXPECT_THAT(harness.server.statistics({"shop"}, harness.now), IsEmpty());
}

}  // namespace
}  // namespace rookery::emulator
