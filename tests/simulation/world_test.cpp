#include "simulation/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "simulation/minimise.h"
#include "simulation/settings.h"

namespace rookery::simulation {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

Tally run(const Replay& replay) {
  World world;
  try {
    world.run(replay.actions());
  } catch (const Wrong& wrong) {
    ADD_FAILURE() << wrong.what() << "\n\nAgain:  ROOKERY_SIMULATION_REPLAY=" << replay.toString()
                  << " build/asan/bin/simulation-test --gtest_filter=World.Replays\nThe few that matter:  "
                     "ROOKERY_SIMULATION_MINIMISE="
                  << replay.toString() << " build/asan/bin/simulation-test --gtest_filter=World.IsMinimised";
  }
  return world.tally();
}

/// ROOKERY_SIMULATION_SEEDS, for a longer search than a test can afford.
TEST(World, EverySeedEndsInTheDeclaredState) {
  const auto first = std::stoull(environment("ROOKERY_SIMULATION_FIRST", "1"));
  const auto seeds = std::stoull(environment("ROOKERY_SIMULATION_SEEDS", "8"));
  constexpr std::size_t mostViolations = 3;
  Tally tally;
  for (std::uint64_t seed = first; seed < first + seeds && tally.violations < mostViolations; ++seed)
    tally += run({seed, std::nullopt});
  report(tally);
}

/// What has gone wrong once.
const std::vector<Action> found[] = {
    // A command was sent to the machine that came back behind the address.
    {{111'427ms, Happening::Suspend, 7, 0},
     {131'023ms, Happening::FolderGone, 0, 0},
     {132'559ms, Happening::ExchangeServer, 470'961'532, 0},
     {141'342ms, Happening::RotatePassword, 0, 0},
     {233'809ms, Happening::Mend, 0, 0},
     {234'103ms, Happening::ServersMended, 0, 0}},
    // The last line of a console was told with a password in it that had become another before.
    {{100s, Happening::DiskBroken},
     {110s, Happening::RotatePassword},
     {120s, Happening::StrangerRedeploys, 0, 2},
     {130s, Happening::DiskMended}},
    // The same by a controller that began when it was another already.
    {{100s, Happening::DiskBroken},
     {110s, Happening::RotatePassword},
     {112s, Happening::Killed},
     {120s, Happening::StrangerRedeploys, 0, 2},
     {130s, Happening::DiskMended}},
    // What may go elsewhere left a server for good whose manifest had a mistake when the controller began.
    {{100s, Happening::MistakeInFile, 2}, {110s, Happening::PowerCut}, {150s, Happening::LookNow}},
};

TEST(World, StaysMended) {
  for (const auto& actions : found) EXPECT_NO_THROW(World().run(actions));
}

TEST(World, TellsAVolumeAsAWholeOrThatItIsNot) {
  World world;
  world.run({{100s, Happening::SomebodyDumps},  // it is used
             {110s, Happening::Remove},         // by the first
             {240s, Happening::SomebodyDumps},
             {300s, Happening::SomebodyDumps},
             {315s, Happening::StreamsBreak},
             {320s, Happening::SomebodyDumps},
             {335s, Happening::StreamsStall},
             {420s, Happening::ServersMended},
             {430s, Happening::SomebodyDumps},
             {440s, Happening::RestartServer},
             {460s, Happening::SomebodyDumps},
             {470s, Happening::Killed}});
  EXPECT_EQ(world.read().whole, 2u) << "and the one in peace";
  EXPECT_EQ(world.read().broken, 4u);
}

TEST(World, EndsAConsoleThatIsTaken) {
  World world;
  world.run({{100s, Happening::SomebodyFollows},
             {130s, Happening::ConsoleTaken},
             {150s, Happening::SomebodyFollows},
             {160s, Happening::StreamsBreak}});
  EXPECT_GE(world.read().lines, 2u);
  EXPECT_EQ(world.read().ended, 2u);
}

TEST(World, IsTheSameForTheSameSeed) {
  const auto storyOf = [](std::uint64_t seed) {
    World world;
    world.run(historyOf(seed));
    return world.story();
  };
  const auto story = storyOf(3);
  EXPECT_THAT(story, Not(IsEmpty()));
  EXPECT_EQ(story, storyOf(3));
}

TEST(World, Replays) {
  const std::string wanted = environment("ROOKERY_SIMULATION_REPLAY");
  if (wanted.empty()) GTEST_SKIP() << "ROOKERY_SIMULATION_REPLAY=SEED or SEED:PLACE,… says what";
  const auto replay = Replay::parse(wanted);
  ASSERT_TRUE(replay) << replay.error().message;
  report(run(*replay));
}

TEST(World, IsMinimised) {
  const std::string wanted = environment("ROOKERY_SIMULATION_MINIMISE");
  if (wanted.empty()) GTEST_SKIP() << "ROOKERY_SIMULATION_MINIMISE=SEED or SEED:PLACE,… says what";
  const auto replay = Replay::parse(wanted);
  ASSERT_TRUE(replay) << replay.error().message;
  ASSERT_TRUE(goesWrong(*replay)) << "nothing goes wrong";
  const Replay few = minimised(*replay, goesWrong);
  for (const Action& action : few.actions())
    std::printf("%8lld ms %s\n", static_cast<long long>(action.at.count()), toString(action.what).data());
  std::printf("ROOKERY_SIMULATION_REPLAY=%s\n", few.toString().c_str());
}

/// How many rows of one that were committed are there after a power cut.
int rowsAfterPowerCut(const std::string& synchronous) {
  const fixtures::TempDir temp;
  Disk disk;
  const auto ask = [&](const std::string& sql) {
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open((temp.path() / "rows.db").c_str(), &database), SQLITE_OK);
    int answer = 0;
    const auto take = [](void* into, int, char** values, char**) {
      *static_cast<int*>(into) = std::atoi(values[0]);
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), take, &answer, nullptr), SQLITE_OK) << sql;
    disk.freeze();
    sqlite3_close(database);
    disk.thaw(true);
    return answer;
  };
  ask("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (number);");
  ask("PRAGMA synchronous = " + synchronous + "; INSERT INTO rows VALUES (1);");
  return ask("SELECT count(*) FROM rows;");
}

TEST(Disk, ForgetsWhatWasNotMadeSureOf) {
  EXPECT_EQ(rowsAfterPowerCut("FULL"), 1);
  EXPECT_EQ(rowsAfterPowerCut("OFF"), 0);
}

TEST(Minimised, LeavesTheFewThatMatter) {
  const auto wrong = [](const Replay& replay) {
    return replay.only->contains(3) && replay.only->contains(11);
  };
  EXPECT_THAT(*minimised({7, std::nullopt}, wrong).only, ElementsAre(3, 11));
}

TEST(Replay, IsWrittenAsItIsRead) {
  for (const char* text : {"17", "17:3,5,9", "17:"}) EXPECT_EQ(Replay::parse(text)->toString(), text);
  for (const char* text : {"", "x", "17:x", "17:3,,x"}) EXPECT_FALSE(Replay::parse(text)) << text;
  EXPECT_EQ(Replay::parse("17:0,2")->actions().at(1).at, historyOf(17).at(2).at);
}

}  // namespace
}  // namespace rookery::simulation
