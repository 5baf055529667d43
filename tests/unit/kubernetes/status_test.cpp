#include "kubernetes/status.h"

#include <gtest/gtest.h>

#include "kubernetes/object_meta.h"

namespace rookery::kubernetes {
namespace {

using nlohmann::json;

api::Status full() {
  api::Status status;
  const api::SystemTime time(std::chrono::seconds(1'700'000'000));
  status.conditions = {
      {api::Condition::Type::Ready, api::Condition::Status::False, Reason::PruneGuard, "Too many.", time},
      {api::Condition::Type::Stalled, api::Condition::Status::True, Reason::PruneGuard, "Too many.", time}};
  status.observedGeneration = 4;
  status.instance = "eu-1";
  status.digest = "4f0c";
  status.startedAt = time;
  status.restarts = 2;
  status.lastAction = api::LastAction{"create", time, 4096, std::chrono::milliseconds(1'500)};
  status.history = {"4f0c", "11aa"};
  return status;
}

TEST(Status, IsReadAsItWasWritten) {
  const auto read = statusFromJson(api::toJson(full()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, full());
}

TEST(Status, OfAnotherShapeIsNone) {
  for (const char* text :
       {"null", "[]", "7", "{}", R"({"conditions": 7})", R"({"conditions": [7, {}]})",
        R"({"conditions": [{"type": "Ready", "status": "True", "reason": "OfTomorrow"}]})"}) {
    EXPECT_FALSE(statusFromJson(json::parse(text))) << text;
  }
}

TEST(Status, DurationsOfActionsAreReadAsTheyAreWritten) {
  for (const std::int64_t millis :
       {0, 1, 350, 999, 1'000, 1'234, 59'999, 60'000, 120'250, 3'600'000, 7'384'567}) {
    api::Status status = full();
    status.lastAction->duration = std::chrono::milliseconds(millis);
    EXPECT_EQ(statusFromJson(api::toJson(status))->lastAction, status.lastAction) << millis;
  }
}

TEST(Status, AnActionOfAnotherShapeIsNone) {
  const std::vector<std::pair<const char*, json>> cases = {{"verb", json()},       {"verb", 7},
                                                           {"time", "yesterday"},  {"bytes", -1},
                                                           {"duration", ""},       {"duration", "1 hour"},
                                                           {"duration", "5"},      {"duration", "s"},
                                                           {"duration", 5},        {"duration", "-1s"},
                                                           {"duration", "1e300s"}, {"duration", "nans"}};
  for (const auto& [member, value] : cases) {
    json written = api::toJson(full());
    written["lastAction"][member] = value;
    const auto read = statusFromJson(written);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->lastAction) << member << ": " << value;
    EXPECT_EQ(read->restarts, 2);
  }
}

TEST(MergePatch, MakesOneTheOther) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"{}", R"({"a": 1})"},
      {R"({"a": 1})", "{}"},
      {R"({"a": {"b": 1, "c": [1]}})", R"({"a": {"b": 2, "c": [1]}})"},
      {R"({"a": {"b": 1}})", R"({"a": [1]})"},
      {R"({"a": 1, "b": {"c": null}})", R"({"b": {"d": 1}})"},
  };
  for (const auto& [before, after] : cases) {
    json patched = json::parse(before);
    patched.merge_patch(mergePatch(patched, json::parse(after)));
    EXPECT_EQ(patched, json::parse(after)) << before;
  }
  EXPECT_TRUE(mergePatch(json::parse(R"({"a": 1})"), json::parse(R"({"a": 1})")).is_null());
  EXPECT_EQ(mergePatch(json::parse(R"({"a": {"b": 1, "c": 2}})"), json::parse(R"({"a": {"b": 1, "c": 3}})")),
            json::parse(R"({"a": {"c": 3}})"))
      << "what is equal is not sent";
}

TEST(Time, IsWrittenAsALeaseHasIt) {
  EXPECT_EQ(toMicroTime(api::SystemTime(std::chrono::microseconds(1'700'000'000'123'456))),
            "2023-11-14T22:13:20.123456Z");
}

TEST(ResourceVersion, RisesAsANumber) {
  EXPECT_TRUE(isNewer("10", "9"));
  EXPECT_FALSE(isNewer("9", "10"));
  EXPECT_FALSE(isNewer("9", "9"));
  EXPECT_TRUE(isNewer("opaque", "9"));
}

}  // namespace
}  // namespace rookery::kubernetes
