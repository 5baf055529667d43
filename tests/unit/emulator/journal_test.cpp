#include "emulator/journal.h"

#include <gtest/gtest.h>

namespace rookery::emulator {
namespace {

TEST(Journal, WritesLogfmtAndCounts) {
  std::string line;
  Journal journal([&](const Journal::Entry& entry) { line = entry.logfmt(); });
  journal.add({"force-create", "shop:web", 4096, Outcome::Ok, "created unikernel"});
  EXPECT_EQ(R"(command=force-create name=shop:web bytes=4096 outcome=ok result="created unikernel")", line);
  journal.add({"info", "shop:", 0, Outcome::Failed, "a \"quote\"\nand a line"});
  EXPECT_EQ(R"(command=info name=shop: bytes=0 outcome=failed result="a \"quote\"?and a line")", line);
  journal.add({"none", "", 7, Outcome::Aborted, ""});
  EXPECT_EQ(R"(command=none name= bytes=7 outcome=aborted result="")", line);
  journal.countImageBytes(4096);

  EXPECT_EQ(1U, journal.count("force-create"));
  EXPECT_EQ(0U, journal.count("destroy"));
  EXPECT_EQ(1U, journal.mutations());
  EXPECT_EQ(4096U, journal.imageBytes());
  EXPECT_EQ(3U, journal.entries().size());
}

TEST(Journal, NamesCommands) {
  EXPECT_EQ("restart", kindOf(albatross::UnikernelCommand(albatross::unikernel::Restart{})));
  EXPECT_EQ("policy-info", kindOf(albatross::PolicyCommand(albatross::policy::Info{})));
  EXPECT_EQ("block-set", kindOf(albatross::BlockCommand(albatross::block::Set{false})));
  EXPECT_EQ("block-add", kindOf(albatross::BlockCommand(albatross::block::OldAdd{1, false, std::nullopt})));
  EXPECT_EQ("console-subscribe", kindOf(albatross::ConsoleCommand(albatross::console::Subscribe{3})));
  EXPECT_EQ("stats-initial", kindOf(albatross::StatsCommand(albatross::stats::Initial{})));
}

}  // namespace
}  // namespace rookery::emulator
