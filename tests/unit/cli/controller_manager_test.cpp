#include "cli/controller_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures/temp_dir.h"

namespace rookery::cli {
namespace {

using namespace std::chrono_literals;

class Manager : public testing::Test {
 protected:
  Manager() {
    folder_.write("manifests/empty.yaml", "");
    options_.fleet.roots = {folder_.path() / "manifests"};
    options_.fleet.stateDir = folder_.path() / "state";
    options_.server.listen = "127.0.0.1:0";
  }

  Result<void> open() { return ControllerManager(options_, 30s).open(); }

  fixtures::TempDir folder_;
  RunOptions options_;
};

TEST_F(Manager, AnswersHttpOnceItIsOpenAndLeavesAllToTheNextOne) {
  options_.apiStore = folder_.path() / "store";
  for (int i = 0; i < 2; ++i) {
    ControllerManager manager(options_, 30s);
    const auto opened = manager.open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_NE(manager.port(), 0);
  }
}

TEST_F(Manager, RefusesAFolderThatIsNotThere) {
  options_.fleet.roots.push_back(folder_.path() / "typo");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("typo is not there"));
}

TEST_F(Manager, RefusesNotificationsThatAreNone) {
  options_.notifications = folder_.write("notifications.yaml", "receivers: [{name: ops}]\n");
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("notifications.yaml:1:13: receivers[0]: must have"));
  folder_.write("notifications.yaml", "receivers: []\n");
  EXPECT_TRUE(open());
}

TEST_F(Manager, SaysWhatItCannotHave) {
  const auto file = folder_.write("file", "");
  options_.server.listen = "nowhere";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, Reason::UsageError);
  options_.apiStore = file / "store";
  EXPECT_FALSE(open()) << "its folder cannot be made";
  options_.fleet.stateDir = file / "state";
  EXPECT_FALSE(open()) << "neither can that of the state";
}

}  // namespace
}  // namespace rookery::cli
