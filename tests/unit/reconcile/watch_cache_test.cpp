#include "reconcile/watch_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace rookery::reconcile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Clock = std::chrono::steady_clock;

struct View {
  std::string text;
  std::uint64_t resourceVersion = 0;
};
using Cache = WatchCache<int, View>;

void put(Cache& cache, int key, const std::string& text) {
  cache.update(key, [&](const View*) { return std::optional(View{text}); });
}

std::vector<std::string> texts(const std::vector<Cache::Ptr>& views) {
  std::vector<std::string> all;
  for (const auto& view : views) all.push_back(view->text);
  return all;
}

std::vector<std::string> told(const std::optional<Cache::Changes>& changes) {
  std::vector<std::string> all;
  if (!changes) return {"expired"};
  for (const auto& change : changes->changes) {
    const auto* const word = change.type == Cache::Change::Type::Added      ? "+"
                             : change.type == Cache::Change::Type::Modified ? "~"
                                                                            : "-";
    all.push_back(word + change.after->text);
  }
  return all;
}

TEST(WatchCache, TellsWhatChangedSinceAVersion) {
  Cache cache;
  put(cache, 1, "a");
  const std::uint64_t version = cache.resourceVersion();
  EXPECT_THAT(told(cache.after(version, Clock::now())), IsEmpty());
  put(cache, 1, "b");
  put(cache, 2, "c");
  cache.erase(1);
  cache.erase(1);
  const auto changes = cache.after(version, Clock::now());
  EXPECT_THAT(told(changes), ElementsAre("~b", "+c", "-b"));
  EXPECT_EQ(changes->changes[0].before->text, "a");
  EXPECT_EQ(changes->changes[1].before, nullptr);
  EXPECT_EQ(changes->resourceVersion, changes->changes[2].after->resourceVersion);
  EXPECT_THAT(told(cache.after(version + 1, Clock::now())), ElementsAre("+c", "-b"));
}

TEST(WatchCache, VersionsRiseAndAreNeverThoseOfAnEarlierProcess) {
  std::uint64_t last = 0;
  {
    Cache earlier;
    put(earlier, 1, "a");
    last = earlier.resourceVersion();
  }
  std::this_thread::sleep_until(std::chrono::system_clock::now() + std::chrono::microseconds(2));
  const Cache later;
  EXPECT_GT(later.resourceVersion(), last);
  EXPECT_THAT(told(later.after(last, Clock::now())), ElementsAre("expired"));
}

TEST(WatchCache, ForgetsWhatIsTooHeavy) {
  Cache cache(100, [](const Cache::Change& change) { return change.after->text.size(); }, 10);
  const std::uint64_t start = cache.resourceVersion();
  for (const char* text : {"four", "five", "3"}) put(cache, 1, text);
  EXPECT_THAT(told(cache.after(start, Clock::now())), ElementsAre("+four", "~five", "~3"));
  put(cache, 1, "last");
  EXPECT_THAT(told(cache.after(start, Clock::now())), ElementsAre("expired"));
  EXPECT_THAT(told(cache.after(start + 1, Clock::now())), ElementsAre("~five", "~3", "~last"));
  put(cache, 1, std::string(20, 'x'));
  EXPECT_THAT(told(cache.after(start + 4, Clock::now())), ElementsAre("~" + std::string(20, 'x')))
      << "the newest is always told";
}

TEST(WatchCache, ForgetsTheOldestChanges) {
  Cache cache(2);
  const std::uint64_t start = cache.resourceVersion();
  for (const char* text : {"a", "b", "c"}) put(cache, 1, text);
  EXPECT_THAT(told(cache.after(start, Clock::now())), ElementsAre("expired"));
  EXPECT_THAT(told(cache.after(start + 1, Clock::now())), ElementsAre("~b", "~c"));
  EXPECT_THAT(told(cache.after(start + 9, Clock::now())), ElementsAre("expired")) << "was never given";
}

TEST(WatchCache, AChangeThatIsNoneHasNoVersion) {
  Cache cache;
  const std::uint64_t start = cache.resourceVersion();
  cache.update(1, [](const View* before) -> std::optional<View> {
    EXPECT_EQ(before, nullptr);
    return std::nullopt;
  });
  EXPECT_EQ(cache.resourceVersion(), start);
  EXPECT_EQ(cache.find(1), nullptr);
}

TEST(WatchCache, ListsARange) {
  Cache cache;
  for (const int key : {3, 1, 2}) put(cache, key, std::to_string(key));
  const auto listing = cache.list(2, [](int key) { return key < 9; });
  EXPECT_THAT(texts(listing.views), ElementsAre("2", "3"));
  EXPECT_EQ(listing.resourceVersion, cache.resourceVersion());
}

TEST(WatchCache, WakesWhoWaits) {
  Cache cache;
  const std::uint64_t start = cache.resourceVersion();
  std::jthread writer([&] { put(cache, 1, "a"); });
  EXPECT_THAT(told(cache.after(start, Clock::now() + std::chrono::minutes(1))), ElementsAre("+a"));
}

}  // namespace
}  // namespace rookery::reconcile
