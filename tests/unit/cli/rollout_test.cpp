// `rookery rollout`, against a controller of which the test says what it answers.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "unit/cli/invoke.h"
#include "unit/cli/scripted_server.h"

namespace rookery::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

/// shop/web on eu-1 and eu-2, in the middle of a roll-out that pauses.
class RolloutVerb : public testing::Test {
 protected:
  RolloutVerb() {
    object_ = {
        {"metadata", {{"name", "web"}, {"namespace", "shop"}, {"generation", 3}, {"resourceVersion", "7"}}},
        {"spec", {{"image", {{"path", "web.hvt"}}}}},
        {"status",
         {{"observedGeneration", 3},
          {"digest", "new"},
          {"history", {"new", "old"}},
          {"conditions", json::array({{{"type", "Ready"}, {"status", "True"}}})},
          {"rollout", {{"revision", "abc"}, {"replicas", 2}, {"updated", 1}, {"ready", 2}}}}}};
    place("eu-1", "True", "Running", "It runs.", "new");
    place("eu-2", "True", "UpdatePending", "Its roll-out pauses.", "old");
    setReady("True", "UpdatePending", "2 of 2 are Ready. eu-2: Its roll-out pauses.");
  }
  void place(const std::string& instance, const std::string& ready, const std::string& reason,
             const std::string& message, const std::string& digest) {
    json& placements = object_["status"]["placements"];
    placements.push_back({{"instance", instance},
                          {"ready", ready},
                          {"reason", reason},
                          {"message", message},
                          {"digest", digest},
                          {"updated", digest == "new"}});
  }
  void setReady(const std::string& status, const std::string& reason, const std::string& message) {
    object_["status"]["conditions"][0] = {
        {"type", "Ready"}, {"status", status}, {"reason", reason}, {"message", message}};
  }
  Invocation call(std::vector<std::string> arguments) {
    const ScriptedServer server([this](const httplib::Request& request) -> ScriptedServer::Answer {
      if (request.path.ends_with("/source")) return {200, {R"({"file": "/manifests/web.yaml", "line": 4})"}};
      if (request.method != "PATCH") return {200, {object_.dump()}};
      patch_ = json::parse(request.body);
      return {refuse_ ? 403 : 200, {refuse_ ? R"({"message": "It is declared in a file."})" : "{}"}};
    });
    arguments.insert(arguments.begin(), "rollout");
    arguments.insert(arguments.end(), {"web", "-n", "shop", "--server", server.url()});
    return invoke(arguments);
  }
  json annotations() const { return patch_["metadata"]["annotations"]; }

  json object_, patch_;
  bool refuse_ = false;
};

TEST_F(RolloutVerb, StatusShowsHowFarItHasCome) {
  const Invocation told = call({"status"});
  EXPECT_EQ(told.status, 1) << "it is not done";
  EXPECT_THAT(told.out,
              AllOf(HasSubstr("1 of 2 updated, 2 Ready. 2 of 2 are Ready. eu-2: Its roll-out pauses."),
                    HasSubstr("Revision: abc"), HasSubstr("eu-2"), HasSubstr("UpdatePending")));
}

TEST_F(RolloutVerb, StatusEndsWellWhereAllIsUpdated) {
  object_["status"]["rollout"]["updated"] = 2;
  object_["status"]["placements"][1]["reason"] = "Running";
  setReady("True", "Running", "2 of 2 are Ready.");
  EXPECT_EQ(call({"status"}).status, 0);
  EXPECT_EQ(call({"status", "-w"}).status, 0);
  object_["metadata"]["generation"] = 4;
  EXPECT_EQ(call({"status"}).status, 1) << "that is not what is declared now";
}

TEST_F(RolloutVerb, StatusEndsBadlyWhereItFailed) {
  object_["status"]["placements"][0]["reason"] = "RolledBack";
  setReady("False", "RolledBack", "1 of 2 are Ready. eu-1: It was put back.");
  const Invocation told = call({"status", "--watch"});
  EXPECT_EQ(told.status, 1);
  EXPECT_THAT(told.out, HasSubstr("eu-1: It was put back."));
}

TEST_F(RolloutVerb, ResumeNamesTheRevision) {
  EXPECT_EQ(call({"resume"}).status, 0);
  EXPECT_EQ(annotations()["rookery.dev/rollout-resume"], "abc");
  EXPECT_TRUE(annotations()["rookery.dev/rollout-pause"].is_null());
}

TEST_F(RolloutVerb, PauseSaysSo) {
  EXPECT_EQ(call({"pause"}).status, 0);
  EXPECT_EQ(annotations()["rookery.dev/rollout-pause"], "true");
}

TEST_F(RolloutVerb, UndoDeclaresTheImageOfBefore) {
  EXPECT_EQ(call({"undo"}).status, 0);
  EXPECT_EQ(patch_["spec"]["image"], (json{{"path", nullptr}, {"url", nullptr}, {"sha256", "old"}}));
}

TEST_F(RolloutVerb, UndoOfASingleOneTakesItsHistory) {
  object_["status"].erase("placements");
  setReady("True", "Running", "It runs.");
  EXPECT_EQ(call({"undo"}).status, 0);
  EXPECT_EQ(patch_["spec"]["image"]["sha256"], "old");
  object_["status"]["history"] = json::array({"new"});
  const Invocation none = call({"undo"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("No other image"));
}

TEST_F(RolloutVerb, SaysWhatToChangeInWhichFileWhereItMayNotWrite) {
  refuse_ = true;
  const std::pair<const char*, const char*> verbs[] = {{"resume", "rookery.dev/rollout-resume: \"abc\""},
                                                       {"pause", "rookery.dev/rollout-pause: \"true\""},
                                                       {"undo", "Set spec.image to the image of before"}};
  for (const auto& [verb, words] : verbs) {
    const Invocation refused = call({verb});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, AllOf(HasSubstr(words), HasSubstr("in /manifests/web.yaml"))) << verb;
  }
}

}  // namespace
}  // namespace rookery::cli
