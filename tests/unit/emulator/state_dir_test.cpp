#include "emulator/state_dir.h"

#include <gtest/gtest.h>

#include "fixtures/temp_dir.h"
#include "server_harness.h"

namespace rookery::emulator {
namespace {

namespace fs = std::filesystem;

/// A server that keeps its state in a folder.
ServerHooks keeping(const StateDir& folder) {
  ServerHooks hooks;
  hooks.dump = [folder](const Resources& resources) { EXPECT_TRUE(folder.save(resources)); };
  hooks.blocksChanged = [folder](const Resources& resources) { EXPECT_TRUE(folder.saveBlocks(resources)); };
  return hooks;
}

std::size_t imagesIn(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder / "images"), fs::directory_iterator()));
}

TEST(StateDir, BringsBackPoliciesBlockDevicesAndUnikernels) {
  const fixtures::TempDir temp;
  const auto folder = StateDir::open(temp.path() / "state");
  ASSERT_TRUE(folder) << folder.error().message;
  ServerHarness before(keeping(*folder));
  before.applyPolicies({{{"shop"}, policyOf(4, 500)}, {{"shop", "eu"}, policyOf(2, 50)}});
  before.addBlock("shop:disk", 10);
  ASSERT_EQ("set block device", before.setBlock("shop:disk", "content"));
  albatross::Config config = configOf({"--secret"}, {.networks = {"service"}, .blocks = {"data"}});
  config.arguments.bridges = {{"service", "br0", std::nullopt}};
  config.arguments.blocks = {{"data", "disk", 4096}};
  ASSERT_EQ("created unikernel", before.create("shop:web", config));
  albatross::Config compressed = configOf();
  compressed.image = compress(compressed.image, 9);
  compressed.compressed = true;
  ASSERT_EQ("created unikernel", before.create("shop:zipped", compressed));
  ASSERT_EQ("created unikernel", before.create(":gone", configOf()));
  ASSERT_EQ("destroyed unikernel", before.destroy(":gone"));

  const auto state = folder->load();
  ASSERT_TRUE(state) << state.error().message;
  ServerHarness after;
  after.server.restore(*state, before.now);
  EXPECT_EQ(2U, imagesIn(temp.path() / "state"));
  EXPECT_EQ("policies: 2", after.applyPolicies({{{"shop"}, policyOf(4, 500)}}));
  const auto sorted = [](albatross::Unikernels unikernels) {
    for (auto& [name, info] : unikernels) info.started.reset();
    return unikernels;
  };
  EXPECT_EQ(sorted(before.info(":")), sorted(after.info(":")));
  EXPECT_EQ("content", after.server.resources().content({{"shop"}, "disk"})->bytes);
  EXPECT_EQ("remove block: is in use",
            after.say("shop:disk", albatross::BlockCommand(albatross::block::Remove{})));
}

TEST(StateDir, IsForItsOwnerOnly) {
  const fixtures::TempDir temp;
  ASSERT_TRUE(StateDir::open(temp.path() / "state"));
  EXPECT_EQ(fs::perms::owner_all, fs::status(temp.path() / "state").permissions());
}

struct Damage {
  const char* file;
  const char* content;
};

class DamagedState : public testing::TestWithParam<Damage> {};

TEST_P(DamagedState, IsNotTakenForAnEmptyOne) {
  const fixtures::TempDir temp;
  const auto folder = StateDir::open(temp.path());
  ASSERT_TRUE(folder);
  EXPECT_TRUE(folder->load()) << "a new folder is an empty state";
  const fs::path file = temp.write(GetParam().file, GetParam().content);
  const auto state = folder->load();
  ASSERT_FALSE(state);
  EXPECT_EQ(Reason::ProtocolError, state.error().reason);
  EXPECT_EQ(file.string() + " is not a state that the emulator wrote; remove it to start without.",
            state.error().message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DamagedState,
    testing::Values(
        Damage{"state.json", ""}, Damage{"state.json", "{}"},
        Damage{"state.json", R"({"policies": [{"name": "a:", "policy": "00"}], "unikernels": []})"},
        Damage{"state.json",
               R"({"policies": [], "unikernels": [{"name": ":a", "create": "", "image": "no"}]})"},
        Damage{"blocks.json", R"({"blocks": [{"name": "", "size": 1}]})"},
        Damage{"blocks.json", R"({"blocks": [{"name": ":a", "size": "1"}]})"}));

}  // namespace
}  // namespace rookery::emulator
