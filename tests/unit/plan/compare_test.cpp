#include "plan/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using albatross::Arguments;
using albatross::UnikernelInfo;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const albatross::Name theName{{"shop"}, "web"};

/// A unikernel with everything that can be given.
Arguments full() {
  Arguments arguments;
  arguments.failBehaviour = {true, {2, 3}};
  arguments.startup = 40;
  arguments.cpuIDs = {0, 1};
  arguments.memory = 64;
  arguments.blocks = {{"storage", "data", 4'096}, {"swap", std::nullopt, std::nullopt}};
  arguments.bridges = {{"service", "br0", albatross::Mac{2, 0, 0, 0, 0, 1}},
                       {"admin", std::nullopt, std::nullopt}};
  arguments.arguments = {{"--a=1", "--b=2"}};
  return arguments;
}

struct Change {
  std::string name;
  std::function<void(Arguments& wanted, UnikernelInfo& running)> edit;
  std::string path;  // of the field that differs; empty: none
  bool memory = false;
  friend std::ostream& operator<<(std::ostream& out, const Change& change) { return out << change.name; }
};

class Compare : public testing::TestWithParam<Change> {};

TEST_P(Compare, SeesWhatDiffersAndNothingElse) {
  Arguments wanted = full();
  UnikernelInfo running = infoOf(wanted, digestOf('a'), theName, 1);
  GetParam().edit(wanted, running);

  const Difference difference = compare(wanted, digestOf('a'), running, theName, {"--a=1", "--b=2"});

  EXPECT_EQ(fingerprintOf(wanted, theName) == fingerprintOf(running, theName), !difference.arguments);
  if (GetParam().path.empty()) {
    EXPECT_THAT(difference.fields, IsEmpty());
    EXPECT_FALSE(difference.any());
    return;
  }
  ASSERT_THAT(difference.fields, SizeIs(1));
  EXPECT_EQ(difference.fields[0].path, GetParam().path);
  EXPECT_NE(difference.fields[0].oldValue, difference.fields[0].newValue);
  EXPECT_FALSE(difference.image);
  EXPECT_EQ(difference.memory, GetParam().memory);
  EXPECT_EQ(difference.arguments, !GetParam().memory);
}

const std::vector<Change> same = {
    {"as it was sent", [](auto&, auto&) {}, ""},
    {"addName is not shown", [](auto& wanted, auto&) { wanted.addName = false; }, ""},
    {"numcpus is ignored", [](auto&, auto& running) { running.numcpus = 2; }, ""},
    {"the order of devices is lost",
     [](auto&, auto& running) {
       std::swap(running.blocks[0], running.blocks[1]);
       std::swap(running.bridges[0], running.bridges[1]);
     },
     ""},
    {"the size of a block device is not in the manifest",
     [](auto&, auto& running) { running.blocks[0].size = 7; }, ""},
    {"absent arguments equal none",
     [](auto& wanted, auto& running) {
       wanted.arguments.reset();
       running.arguments.emplace();
     },
     ""},
    {"no arguments equal absent ones",
     [](auto& wanted, auto& running) {
       wanted.arguments.emplace();
       running.arguments.reset();
     },
     ""},
    {"exit codes say nothing without restart",
     [](auto& wanted, auto& running) {
       wanted.failBehaviour = {false, {2}};
       running.failBehaviour = {false, {}};
     },
     ""},
};
INSTANTIATE_TEST_SUITE_P(Same, Compare, testing::ValuesIn(same));

const std::vector<Change> different = {
    {"memory", [](auto& wanted, auto&) { wanted.memory = 32; }, "spec.memory", true},
    {"cpuIDs", [](auto& wanted, auto&) { wanted.cpuIDs = {1}; }, "spec.cpuIDs"},
    {"startup", [](auto& wanted, auto&) { wanted.startup.reset(); }, "spec.startup"},
    {"quit", [](auto& wanted, auto&) { wanted.failBehaviour = {}; }, "spec.failBehaviour"},
    {"on any exit code", [](auto& wanted, auto&) { wanted.failBehaviour.exitCodes = {}; },
     "spec.failBehaviour"},
    {"order of arguments", [](auto& wanted, auto&) { wanted.arguments = {{"--b=2", "--a=1"}}; },
     "spec.arguments"},
    {"a name that the user gave is an argument",
     [](auto& wanted, auto&) { wanted.arguments = {{"--name=x", "--a=1", "--b=2"}}; }, "spec.arguments"},
    {"volume", [](auto& wanted, auto&) { wanted.blocks[1].device = "other"; }, "spec.blockDevices"},
    {"sector size", [](auto&, auto& running) { running.blocks[1].sectorSize = 4'096; }, "spec.blockDevices"},
    {"one device less", [](auto& wanted, auto&) { wanted.blocks.pop_back(); }, "spec.blockDevices"},
    {"bridge", [](auto&, auto& running) { running.bridges[1].hostDevice = "br1"; }, "spec.networkInterfaces"},
    {"mac", [](auto& wanted, auto&) { wanted.bridges[0].mac->at(5) = 9; }, "spec.networkInterfaces"},
    {"a mac that the server would not derive",
     [](auto&, auto& running) { running.bridges[1].mac = albatross::derivedMac("admin", {{"db"}, "web"}); },
     "spec.networkInterfaces"},
};
INSTANTIATE_TEST_SUITE_P(Different, Compare, testing::ValuesIn(different));

TEST(CompareImage, SaysBothDigests) {
  const Difference difference =
      compare(full(), digestOf('b'), infoOf(full(), digestOf('a'), theName, 1), theName, {});

  EXPECT_TRUE(difference.image);
  EXPECT_FALSE(difference.arguments);
  EXPECT_THAT(difference.fields, ElementsAre(FieldChange{"spec.image.sha256", image::toHex(digestOf('a')),
                                                         image::toHex(digestOf('b'))}));
}

TEST(CompareImage, SaysNothingWhereTheWantedOneIsNotKnown) {
  EXPECT_FALSE(compare(full(), "", infoOf(full(), digestOf('a'), theName, 1), theName, {}).any());
}

TEST(CompareArguments, ShowsOnlyWhatIsInTheManifestLiterally) {
  Arguments wanted = full();
  wanted.arguments = {{"--a=1", "--token=new"}};
  UnikernelInfo running = infoOf(full(), digestOf('a'), theName, 1);
  running.arguments = {{"--a=1", "--token=old", "--foreign"}};

  const Difference difference =
      compare(wanted, digestOf('a'), running, theName, {"--a=1", "--token=$(TOKEN)"});

  const std::string hidden(redacted);
  EXPECT_THAT(difference.fields,
              ElementsAre(FieldChange{"spec.arguments", {"--a=1", hidden, hidden}, {"--a=1", hidden}}));
}

TEST(ComparePolicy, SeesEachField) {
  const albatross::Policy present = {{0}, 2, 64, std::nullopt, {"br0"}};
  EXPECT_FALSE(compare(present, present).any());

  const Difference difference = compare({{0, 1}, 3, 128, 10, {}}, present);

  EXPECT_THAT(
      difference.fields,
      ElementsAre(FieldChange{"spec.unikernels", 2, 3}, FieldChange{"spec.memory", "64Mi", "128Mi"},
                  FieldChange{"spec.cpuIDs", {0}, {0, 1}}, FieldChange{"spec.blockStorage", nullptr, "10Mi"},
                  FieldChange{"spec.bridges", {"br0"}, nlohmann::json::array()}));
}

}  // namespace
}  // namespace rookery::plan
