#include "plan/inventory.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "unit/plan/scene.h"

namespace rookery::plan {
namespace {

using nlohmann::json;

/// All that an entry can hold, as long as it can be.
Entry fullEntry() {
  Entry entry;
  entry.serverKey = std::string(64, 'k');
  entry.name = Scene::name("shop/web");
  entry.instance = std::string(63, 'i');
  entry.object = keyOf("shop/web");
  entry.root = "/manifests";
  entry.file = "/manifests/shop.yaml";
  entry.digests = std::vector<std::string>(Entry::maxDigests, digestOf('a'));
  entry.ranSpec = std::string(129, 'r');
  entry.withheld = "4f0c4f0c4f0c";
  entry.since = SystemTime(std::chrono::hours(1));
  entry.pending = Pending{.verb = Verb::Create,
                          .committed = true,
                          .since = SystemTime(std::chrono::hours(2)),
                          .digest = digestOf('a'),
                          .started = albatross::Time(std::chrono::milliseconds(3)),
                          .image = digestOf('b')};
  entry.restartedAt = std::string(128, 't');
  entry.pending->restartedAt = std::string(128, 'u');
  entry.destroyedAt = SystemTime(std::chrono::hours(3));
  return entry;
}

TEST(Inventory, KeepsAnEntryAsItIs) { EXPECT_EQ(entryFromJson(toJson(fullEntry())), fullEntry()); }

TEST(Inventory, TakesNoEntryWithMoreThanOneOfOursHas) {
  const std::string longText(240'000, 'x');
  const std::vector<std::function<void(json&)>> edits = {
      [&](json& entry) { entry["serverKey"] = longText; },
      [&](json& entry) { entry["name"] = "shop:" + longText; },
      [&](json& entry) { entry["instance"] = longText; },
      [&](json& entry) { entry["object"]["namespace"] = longText; },
      [&](json& entry) { entry["object"]["name"] = longText; },
      [&](json& entry) { entry["root"] = longText; },
      [&](json& entry) { entry["file"] = longText; },
      [&](json& entry) { entry["ranSpec"] = longText; },
      [&](json& entry) { entry["withheld"] = longText; },
      [](json& entry) { entry["withheld"] = "$(reboot)"; },
      [](json& entry) { entry["instance"] = "eu-1\x1b[2J"; },
      [&](json& entry) { entry["digests"] = std::vector<std::string>(1'000, "aa"); },
      [&](json& entry) { entry["digests"][0] = longText; },
      [&](json& entry) { entry["restartedAt"] = longText; },
      [](json& entry) { entry["restartedAt"] = 1; },
      [&](json& entry) { entry["pending"]["restartedAt"] = longText; },
      [&](json& entry) { entry["pending"]["digest"] = longText; },
      [&](json& entry) { entry["pending"]["image"] = longText; },
      [](json& entry) { entry["pending"]["since"] = INT64_MAX; },
      [](json& entry) { entry["since"] = -1; },
      [](json& entry) { entry["since"] = 1e300; },
      [](json& entry) { entry["started"] = 1e300; },
      [](json& entry) { entry["fingerprints"] = json::array({1e300}); },
      [](json& entry) { entry["destroyedAt"] = INT64_MIN; },
      [](json& entry) { entry["ranSpec"] = 1; },
      [](json& entry) { entry["digests"] = json::array({1}); }};
  for (std::size_t i = 0; i < edits.size(); ++i) {
    json entry = toJson(fullEntry());
    edits[i](entry);
    EXPECT_THROW(entryFromJson(entry), json::exception) << i;
  }
}

}  // namespace
}  // namespace rookery::plan
