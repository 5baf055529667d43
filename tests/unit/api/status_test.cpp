#include "api/status.h"

#include <gtest/gtest.h>

#include "problems.h"

namespace rookery::api {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

SystemTime at(std::int64_t seconds) { return SystemTime(std::chrono::seconds(seconds)); }

Status fullStatus() {
  Status status;
  status.conditions = {{.type = Condition::Type::Ready,
                        .status = Condition::Status::True,
                        .reason = Reason::Running,
                        .message = "It runs.",
                        .lastTransitionTime = at(1'700'000'000) + milliseconds(999)},
                       {.type = Condition::Type::Stalled,
                        .status = Condition::Status::False,
                        .reason = Reason::Succeeded,
                        .message = "",
                        .lastTransitionTime = at(0)}};
  status.observedGeneration = 3;
  status.instance = "eu-1";
  status.digest = "4f0c";
  status.startedAt = at(1'700'000'000);
  status.restarts = 2;
  status.lastAction = {
      .verb = "create", .time = at(1), .bytes = 5'000'000'000, .duration = milliseconds(61'250)};
  status.history = {"4f0c", "aa"};
  return status;
}

TEST(Status, IsShapedAsKubernetesDoes) {
  EXPECT_EQ(toJson(fullStatus()), json::parse(R"({
    "conditions": [
      {"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z", "reason": "Running",
       "message": "It runs."},
      {"type": "Stalled", "status": "False", "lastTransitionTime": "1970-01-01T00:00:00Z", "reason": "Succeeded",
       "message": ""}],
    "observedGeneration": 3, "instance": "eu-1", "digest": "4f0c", "startedAt": "2023-11-14T22:13:20Z", "restarts": 2,
    "lastAction": {"verb": "create", "time": "1970-01-01T00:00:01Z", "bytes": 5000000000, "duration": "1m1.25s"},
    "history": ["4f0c", "aa"]})"));
  EXPECT_EQ(toJson(Status{}), json::object());
}

TEST(Status, WritesDurationsAsGoDoes) {
  const std::pair<std::int64_t, const char*> durations[] = {
      {0, "0s"}, {250, "250ms"}, {1'000, "1s"}, {1'500, "1.5s"}, {60'000, "1m0s"}, {3'661'001, "1h1m1.001s"}};
  for (const auto& [count, text] : durations) {
    Status status;
    status.lastAction = LastAction{.verb = "restart", .time = at(0), .duration = milliseconds(count)};
    EXPECT_EQ(toJson(status)["lastAction"]["duration"], text);
  }
}

TEST(Status, FindsConditions) {
  EXPECT_TRUE(fullStatus().ready());
  EXPECT_FALSE(Status{}.ready());
  EXPECT_EQ(fullStatus().condition(Condition::Type::Stalled)->reason, Reason::Succeeded);
  EXPECT_EQ(fullStatus().condition(Condition::Type::Reconciling), nullptr);
}

TEST(Status, IsPartOfTheObject) {
  const auto object = parse(unikernel("  memory: 64Mi\n")).objects.at(0);
  const json shaped = toJson(*object, {"u", at(0), std::nullopt, 7}, Status{});
  EXPECT_EQ(shaped["apiVersion"], "rookery.dev/v1alpha1");
  EXPECT_EQ(shaped["metadata"], json({{"name", "web"},
                                      {"namespace", "shop"},
                                      {"uid", "u"},
                                      {"creationTimestamp", toRfc3339(at(0))},
                                      {"generation", 7}}));
  EXPECT_EQ(shaped["spec"]["memory"], "64Mi");
  EXPECT_EQ(shaped["status"], json::parse(R"({"restarts": 0})"));
}

}  // namespace
}  // namespace rookery::api
