#include "kubernetes/deferred_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rookery::kubernetes {
namespace {

using plan::Entry;
using testing::ElementsAre;
using testing::IsEmpty;

Entry entryOf(const std::string& name, bool confirmed) {
  Entry entry;
  entry.serverKey = "key";
  entry.name = *albatross::Name::parse("shop:" + name);
  entry.instance = "eu-1";
  entry.object = {api::Kind::Unikernel, "shop", name};
  entry.confirmed = confirmed;
  return entry;
}

struct DeferredEntriesTest : testing::Test {
  const DeferredEntries::Clock::time_point now = DeferredEntries::Clock::now();
  const Entry older = entryOf("web", false), newer = entryOf("web", true);
  bool mayWrite = true;
  DeferredEntries deferred{[this](const std::string& instance) { return instance == "eu-1" && mayWrite; }};
};

TEST_F(DeferredEntriesTest, StandInThePlaceOfWhatIsOlder) {
  deferred.put(newer, now);
  std::vector<Entry> entries{entryOf("api", false), older};
  deferred.renew(entries);
  EXPECT_THAT(entries, ElementsAre(entryOf("api", false), newer));
  Entry others = older;
  others.object.name = "another";
  entries = {others};
  deferred.renew(entries);
  EXPECT_THAT(entries, ElementsAre(others)) << "an entry of another object";
}

TEST_F(DeferredEntriesTest, AreDueInTheirTime) {
  deferred.put(newer, now + std::chrono::seconds(1));
  EXPECT_THAT(deferred.dueAt(now), IsEmpty());
  EXPECT_THAT(deferred.dueAt(now + std::chrono::seconds(1)), ElementsAre(newer));
  deferred.postpone(newer, now + std::chrono::seconds(3));
  EXPECT_THAT(deferred.dueAt(now + std::chrono::seconds(2)), IsEmpty());
}

TEST_F(DeferredEntriesTest, StayWhereWhatWasWrittenIsOlder) {
  deferred.put(newer, now);
  deferred.written(older);
  EXPECT_EQ(deferred.find(older), newer);
  deferred.written(newer);
  EXPECT_EQ(deferred.find(older), std::nullopt);
}

TEST_F(DeferredEntriesTest, CountOnlyWhileTheyMayBeWritten) {
  deferred.put(newer, now);
  mayWrite = false;
  EXPECT_EQ(deferred.find(older), std::nullopt);
  mayWrite = true;
  EXPECT_EQ(deferred.find(older), newer) << "nobody has looked meanwhile";
  mayWrite = false;
  deferred.postpone(newer, now);
  mayWrite = true;
  EXPECT_EQ(deferred.find(older), std::nullopt);
}

}  // namespace
}  // namespace rookery::kubernetes
