#include "reconcile/strays.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "reconcile/guard.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using api::SystemTime;

/// Objects, what runs of them, and what becomes of both.
class History {
 public:
  explicit History(unsigned seed) : random_(seed) {
    snapshot_.roots = {{"/manifests", true, false, 8}};
    snapshot_.begun = std::chrono::steady_clock::time_point(1000h);
    snapshot_.scannedAt = SystemTime(500'000h);
    for (int i = 0; i < 8; ++i) declare("shop/" + std::to_string(i), "eu-1");
    for (const auto& [path, instance] : declared_) own(path, instance);
  }

  void goOn() {
    snapshot_.begun += 6s;
    snapshot_.scannedAt += 6s;
    const std::string path = "shop/" + std::to_string(random_() % 8);
    const std::string instance = random_() % 2 == 0 ? "eu-1" : "eu-2";
    switch (random_() % 12) {
      case 0:
      case 1:
        return void(declared_.erase(path));
      case 2:
      case 3:
        return declare(path, instance);
      case 4:
        return own(path, instance);
      case 5:
        return void(entries_.erase(path));
      case 6:
        if (entries_.contains(path)) entries_.at(path).destroyedAt = snapshot_.scannedAt;
        return;
      case 7:
        snapshot_.outdated.clear();
        if (random_() % 2 == 0 && declared_.contains(path))
          snapshot_.outdated[plan::keyOf(path)] = {
              .gone = false, .seen = snapshot_.scannedAt - 1h, .silence = {.cause = "A mistake."}};
        return;
      case 8:
        snapshot_.roots[0].obstacles.clear();
        if (random_() % 2 == 0)
          snapshot_.roots[0].obstacles = {
              {.silence = {.path = "/manifests/x", .cause = "Unreadable."},
               .changed = snapshot_.scannedAt - std::chrono::seconds(random_() % 30)}};
        return;
      case 9:
        return void(random_() % 4 == 0 ? declared_.clear() : void());
      default:
        return;
    }
  }

  /// What plan writes down.
  void remember(Absences absences) {
    for (auto& [path, entry] : entries_) {
      const plan::Absence* absence = absences.find(entry);
      if (absence != nullptr && !absence->withheld.empty()) entry.withheld = absence->withheld;
      if (absence == nullptr && declared_.contains(path)) entry.withheld.clear();
    }
  }

  const source::Snapshot& snapshot() {
    snapshot_.declared = {};
    for (const auto& [path, instance] : declared_) snapshot_.declared.insert(plan::keyOf(path));
    return snapshot_;
  }
  Strays::Instances instances() const {
    Strays::Instances instances = {{"eu-1", std::make_shared<plan::Desired>()},
                                   {"eu-2", std::make_shared<plan::Desired>()}};
    for (const auto& [path, instance] : declared_)
      instances.at(instance)->unikernels.set(plan::keyOf(path),
                                             {nullptr, {}, {}, image::Image{}, {}, {}, {}});
    return instances;
  }
  /// Those that are as they were are the same items, as the state keeps them.
  const plan::Inventories& inventories() {
    plan::SharedInventory& kept = inventories_["key"];
    kept.keepOnly([&](const auto& item) { return entries_.contains("shop/" + *item.first.label); });
    for (const auto& [path, entry] : entries_) {
      const auto known = kept.find(entry.name);
      if (known == kept.end() || known->second != entry) kept.set(entry.name, entry);
    }
    return inventories_;
  }

 private:
  void declare(const std::string& path, const std::string& instance) { declared_[path] = instance; }
  void own(const std::string& path, const std::string& instance) {
    plan::Entry entry;
    entry.serverKey = "key";
    entry.name = plan::Scene::name(path);
    entry.instance = instance;
    entry.object = plan::keyOf(path);
    entry.root = "/manifests";
    entry.file = "/manifests/shop.yaml";
    entries_[path] = std::move(entry);
  }

  std::mt19937 random_;
  source::Snapshot snapshot_;
  std::map<std::string, std::string> declared_;  // and on which instance
  std::map<std::string, plan::Entry> entries_;
  plan::Inventories inventories_;
};

/// All of them, to be judged each.
SortedEntries each(const plan::Inventories& inventories) {
  SortedEntries sorted;
  for (const auto& [server, inventory] : inventories) {
    for (const auto& [name, entry] : inventory) sorted.strays.push_back({&entry, false});
  }
  sorted.forEachAtHome = [](const SortedEntries::Visit&) {};
  return sorted;
}

TEST(Strays, AreAllThatThereIsAnythingToJudgeAbout) {
  constexpr unsigned histories = 100, length = 40;
  std::size_t judged = 0, apart = 0, all = 0;
  for (unsigned seed = 0; seed < histories && !testing::Test::HasFailure(); ++seed) {
    History history(seed);
    Strays strays;
    PruneGuard guard{GuardOptions{}}, thorough{GuardOptions{}};
    for (unsigned step = 0; step < length && !testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(std::to_string(seed) + ", " + std::to_string(step));
      history.goOn();
      const plan::Inventories inventories = history.inventories();
      const SortedEntries sorted = strays.sort(inventories, history.instances(), history.snapshot());

      const auto absences = guard.judge(history.snapshot(), sorted);
      const auto expected = thorough.judge(history.snapshot(), each(inventories));

      EXPECT_EQ(absences, expected);
      EXPECT_EQ(guard.rescanAt(), thorough.rescanAt());
      ASSERT_EQ(guard.withheld().size(), thorough.withheld().size());
      for (std::size_t i = 0; i < guard.withheld().size(); ++i)
        EXPECT_EQ(guard.withheld()[i].message(), thorough.withheld()[i].message());
      if (step % 7 == 0 && !guard.withheld().empty()) {
        const std::string id = guard.withheld().front().id;
        guard.confirm(id);
        thorough.confirm(id);
      }
      history.remember(absences);
      judged += absences.size();
      apart += sorted.strays.size();
      all += inventories.at("key").size();
    }
  }
  EXPECT_GT(judged, 500u);
  EXPECT_LT(apart, all) << "many are at home";
}

}  // namespace
}  // namespace rookery::reconcile
