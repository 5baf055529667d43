#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "api/manifest.h"
#include "fixtures/temp_dir.h"
#include "state/state_dir.h"
#include "unit/cli/invoke.h"
#include "unit/plan/scene.h"

namespace rookery::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class StateVerb : public testing::Test {
 protected:
  StateVerb() {
    plan::Entry web;
    web.serverKey = "5f";
    web.name = {{"shop"}, "web"};
    web.instance = "eu-1";
    web.object = plan::keyOf("shop/web");
    web.digests = {std::string(32, '\xab')};
    web.confirmed = true;
    web.since = api::SystemTime(std::chrono::seconds(1'700'000'000));
    EXPECT_TRUE(state_->put(web));
    web.name.label = "cart";
    web.object = plan::keyOf("shop/cart");
    web.pending = plan::Pending{};
    web.pending->since = web.since + std::chrono::hours(1);
    EXPECT_TRUE(state_->put(web));
    web.name.label = "old";
    web.object = plan::keyOf("shop/old");
    web.bury(web.since + std::chrono::hours(2));
    EXPECT_TRUE(state_->put(web));
  }
  void requestDeletion() {
    const auto parsed = api::parseManifest(
        "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web, namespace: shop}\n"
        "spec: {image: {path: web.hvt}, arguments: [--password=hunter2]}\n",
        {.root = "/manifests", .file = "/manifests/web.yaml"});
    const api::SystemTime time{std::chrono::seconds(1'700'000'000)};
    state_->identify(plan::keyOf("shop/web"), "x", time);
    EXPECT_TRUE(state_->requestDeletion(*parsed.objects.at(0), time));
  }
  Invocation show(const std::string& output = "table") const {
    return invoke({"state", "--state-dir", path_, "-o", output});
  }

  fixtures::TempDir folder_;
  std::string path_ = (folder_.path() / "state").string();
  std::unique_ptr<state::StateDir> state_ = *state::StateDir::open(path_);
};

TEST_F(StateVerb, ShowsWhatIsOursBesideTheController) {
  const Invocation shown = show();
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.err, IsEmpty());
  EXPECT_EQ(shown.out,
            "INSTANCE   OBJECT      NAME        IMAGE          STATE            SINCE\n"
            "eu-1       shop/cart   shop:cart   abababababab   pending create   2023-11-14T23:13:20Z\n"
            "eu-1       shop/old    shop:old    abababababab   destroyed        2023-11-15T00:13:20Z\n"
            "eu-1       shop/web    shop:web    abababababab   confirmed        2023-11-14T22:13:20Z\n");
}

TEST_F(StateVerb, ShowsWhatIsToBeDeletedAndNothingOfWhatItSays) {
  requestDeletion();
  const Invocation shown = show();
  EXPECT_THAT(shown.out, HasSubstr("\n\nTO BE DELETED        SINCE\n"
                                   "Unikernel shop/web   2023-11-14T22:13:20Z\n"));
  for (const char* output : {"table", "json", "yaml"})
    EXPECT_THAT(show(output).out, Not(HasSubstr("hunter2")));
}

TEST_F(StateVerb, ShowsItAsDocuments) {
  requestDeletion();
  const auto document = nlohmann::json::parse(show("json").out);
  ASSERT_EQ(document.at("entries").size(), 3u);
  EXPECT_EQ(document["entries"][2].at("name"), "shop:web");
  EXPECT_EQ(document.at("deletions").at(0).at("name"), "web");
  EXPECT_THAT(show("yaml").out, HasSubstr("name: shop:web\n"));
}

TEST_F(StateVerb, SaysThatNothingIsThere) {
  const std::string empty = (folder_.path() / "empty").string();
  const Invocation shown = invoke({"state", "--state-dir", empty});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, IsEmpty());
  EXPECT_EQ(shown.err, "Nothing is remembered in " + empty + ".\n");
  EXPECT_FALSE(std::filesystem::exists(empty));
}

TEST_F(StateVerb, FailsWhereItCannotBeRead) {
  const std::string file = folder_.write("unreadable/inventory", "a file where a folder should be");
  const Invocation shown = invoke({"state", "--state-dir", (folder_.path() / "unreadable").string()});
  EXPECT_EQ(shown.status, 1);
  EXPECT_THAT(shown.err, HasSubstr(file));
}

}  // namespace
}  // namespace rookery::cli
