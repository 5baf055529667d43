#include "reconcile/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/reconcile/scene.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Verdict = Absence::Verdict;

Entry entryOf(const std::string& path) {
  Entry entry;
  entry.serverKey = "key";
  entry.name = Scene::name(path);
  entry.instance = "eu-1";
  entry.object = keyOf(path);
  entry.root = "/manifests";
  entry.file = "/manifests/shop.yaml";
  return entry;
}

/// A root with unikernels of ours, shop/0 … and what the guard makes of what is declared.
class Guard : public testing::Test {
 protected:
  Guard() {
    snapshot_.roots = {{"/manifests", true, false, 1}};
    snapshot_.scannedAt = SystemTime(1000h);
  }

  /// `count` of ours, of which the first `absent` are not declared.
  void own(int count, int absent) {
    entries_.clear();
    snapshot_.declared.clear();
    for (int i = 0; i < count; ++i) {
      entries_.push_back(entryOf("shop/" + std::to_string(i)));
      if (i >= absent) snapshot_.declared.insert(entries_.back().object);
    }
  }

  Absence judge(int number = 0) { return judgeWith(guard_, number); }
  Absence judgeWith(PruneGuard& guard, int number = 0) {
    const auto absences = guard.judge(snapshot_, entries_);
    const auto found = absences.find(keyOf("shop/" + std::to_string(number)));
    return found == absences.end() ? Absence{Verdict::Keep, Reason::Running, "not listed"} : found->second;
  }
  /// The next scan, some time later.
  Absence later(SystemTime::duration duration, int number = 0) {
    snapshot_.scannedAt += duration;
    return judge(number);
  }

  source::Snapshot snapshot_;
  std::vector<Entry> entries_;
  PruneGuard guard_{GuardOptions{}};
};

TEST_F(Guard, SaysNothingOfWhatIsDeclared) {
  own(3, 0);
  EXPECT_THAT(guard_.judge(snapshot_, entries_), IsEmpty());
  EXPECT_FALSE(guard_.rescanAt());
}

TEST_F(Guard, WaitsForASecondScanTenSecondsLater) {
  own(4, 1);
  EXPECT_EQ(judge().verdict, Verdict::Keep);
  EXPECT_EQ(guard_.rescanAt(), snapshot_.scannedAt + 10s);
  EXPECT_EQ(later(9s).verdict, Verdict::Keep);
  const Absence absence = later(1s);
  EXPECT_EQ(absence.verdict, Verdict::Destroy);
  EXPECT_EQ(absence.reason, Reason::ManifestRemoved);
  EXPECT_FALSE(guard_.rescanAt());
}

TEST_F(Guard, StartsAgainWhenTheObjectWasBackInBetween) {
  own(4, 1);
  judge();
  own(4, 0);
  later(5s);
  own(4, 1);
  EXPECT_EQ(later(5s).verdict, Verdict::Keep);
  EXPECT_EQ(later(10s).verdict, Verdict::Destroy);
}

TEST_F(Guard, StartsAgainAfterAScanThatCouldNotTell) {
  own(4, 1);
  judge();
  snapshot_.roots[0].gitLocked = true;
  EXPECT_EQ(later(5s).reason, Reason::SourceUnreadable);
  snapshot_.roots[0].gitLocked = false;
  EXPECT_EQ(later(5s).verdict, Verdict::Keep);
  EXPECT_EQ(later(10s).verdict, Verdict::Destroy);
}

TEST_F(Guard, KeepsWhatCameFromASourceThatCannotBeRead) {
  own(4, 1);
  judge();
  snapshot_.unreliable = {"/manifests/shop.yaml"};
  EXPECT_EQ(later(1h).reason, Reason::SourceUnreadable);
  snapshot_.unreliable.clear();
  snapshot_.roots[0].complete = false;
  EXPECT_EQ(later(1h).reason, Reason::SourceUnreadable);
  snapshot_.roots[0].complete = true;
  snapshot_.roots[0].opaque = true;
  EXPECT_EQ(later(1h).reason, Reason::SourceUnreadable);
  EXPECT_EQ(later(1h).verdict, Verdict::Keep);
}

TEST_F(Guard, LetsGoWhatWasAskedForByNameAlsoWhenTheSourceCannotBeRead) {
  own(4, 1);
  snapshot_.roots[0].opaque = true;
  const auto absences = PruneGuard(GuardOptions{}).judge(snapshot_, entries_, {entries_[0].object});
  EXPECT_EQ(absences.at(entries_[0].object).verdict, Verdict::Destroy);
}

TEST_F(Guard, HasNoSayAboutOtherRoots) {
  own(4, 1);
  for (Entry& entry : entries_) entry.root = "/elsewhere";
  EXPECT_EQ(judge().message, "not listed");
}

TEST_F(Guard, WithholdsFiveOrMore) {
  own(20, 5);
  EXPECT_EQ(judge().reason, Reason::PruneGuard);
  const Absence absence = later(1h);
  EXPECT_EQ(absence.verdict, Verdict::Keep);
  EXPECT_EQ(absence.reason, Reason::PruneGuard);
  EXPECT_THAT(absence.message, HasSubstr("5 of 20 unikernels"));
}

TEST_F(Guard, WithholdsMoreThanHalf) {
  own(4, 2);
  judge();
  EXPECT_EQ(later(10s).verdict, Verdict::Destroy) << "half";
  own(3, 2);
  judge();
  EXPECT_EQ(later(10s, 1).verdict, Verdict::Destroy) << "two were let go before";
  PruneGuard fresh{GuardOptions{}};
  EXPECT_EQ(judgeWith(fresh).reason, Reason::PruneGuard);
}

TEST_F(Guard, WithholdsWhenARootYieldsNothing) {
  own(4, 1);
  snapshot_.roots[0].objects = 0;
  judge();
  EXPECT_EQ(later(1h).reason, Reason::PruneGuard);
}

TEST_F(Guard, LetsGoExactlyTheSetThatWasConfirmed) {
  own(10, 6);
  std::vector<const Entry*> vanished;
  for (int i = 0; i < 6; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
  const std::string id = confirmationId(vanished);
  EXPECT_THAT(judge().message, HasSubstr("--confirm-prune " + id));
  std::ranges::reverse(vanished);
  EXPECT_EQ(confirmationId(vanished), id) << "the order does not matter";

  PruneGuard confirmed{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(confirmed, 5).verdict, Verdict::Destroy);
  own(10, 7);
  PruneGuard other{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(other, 5).reason, Reason::PruneGuard);
}

TEST_F(Guard, AsksAgainForOthersOfTheSameNames) {
  own(10, 6);
  const auto idOfLife = [&](SystemTime since) {
    std::vector<const Entry*> vanished;
    for (Entry& entry : entries_) entry.since = since;
    for (int i = 0; i < 6; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
    return confirmationId(vanished);
  };
  const std::string id = idOfLife(SystemTime(1h));
  PruneGuard confirmed{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(confirmed).verdict, Verdict::Destroy);
  EXPECT_NE(idOfLife(SystemTime(2h)), id);
  PruneGuard later{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(later).reason, Reason::PruneGuard) << "months later";
}

TEST(ConfirmationId, OutlivesTheProcess) {
  for (const SystemTime since : {SystemTime(), SystemTime(1h + 1us)}) {
    Entry entry = entryOf("shop/web");
    entry.since = since;
    const Entry read = entryFromJson(toJson(entry));
    entry.pending = Pending{};
    entry.instance = "renamed";
    EXPECT_EQ(confirmationId({&read}), confirmationId({&entry}));
  }
}

TEST_F(Guard, LetsTheRestOfAConfirmedSetGoWhenSomeAreGone) {
  own(10, 6);
  std::vector<const Entry*> vanished;
  for (int i = 0; i < 6; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
  PruneGuard confirmed{GuardOptions{true, false, {confirmationId(vanished)}}};
  judgeWith(confirmed);

  entries_[0].destroyedAt = snapshot_.scannedAt;

  EXPECT_EQ(judgeWith(confirmed, 5).verdict, Verdict::Destroy);
}

TEST_F(Guard, DoesNotCountWhatWasLetGoBefore) {
  own(20, 4);
  judge();
  later(10s);
  snapshot_.declared.erase(keyOf("shop/4"));

  EXPECT_EQ(later(1s, 4).reason, Reason::Pruning) << "one more, not five at once";
  EXPECT_EQ(later(10s, 4).verdict, Verdict::Destroy);
}

TEST_F(Guard, KeepsWherePruningIsOff) {
  own(4, 1);
  PruneGuard off{GuardOptions{false, false, {}}};
  const Absence absence = judgeWith(off);
  EXPECT_EQ(absence.verdict, Verdict::Keep);
  EXPECT_EQ(absence.reason, Reason::Pruning);
}

TEST_F(Guard, ReleasesWhatIsSuspendedOrNotToBePruned) {
  own(4, 2);
  entries_[0].suspend = true;
  entries_[1].prune = false;
  PruneGuard guard{GuardOptions{true, false, {}}};
  EXPECT_EQ(judgeWith(guard, 0).verdict, Verdict::Release);
  EXPECT_EQ(judgeWith(guard, 1).verdict, Verdict::Release);
}

TEST_F(Guard, LetsATombstoneThatCameBackGoAgain) {
  own(1, 1);
  entries_[0].destroyedAt = snapshot_.scannedAt - 1h;
  snapshot_.roots[0].objects = 0;
  judge();
  EXPECT_EQ(later(10s).verdict, Verdict::Destroy);
}

TEST_F(Guard, NeedsNoSecondScanForOneLook) {
  own(4, 1);
  PruneGuard once{GuardOptions{true, false, {}}};
  EXPECT_EQ(judgeWith(once).verdict, Verdict::Destroy);
}

/// A source in which objects are deleted by name, as in Kubernetes.
class GuardByName : public Guard {
 protected:
  GuardByName() { snapshot_.roots[0].deletesByName = true; }
};

TEST_F(GuardByName, LetsOneGoAlsoWhereItIsTheOnlyOne) {
  own(1, 1);
  snapshot_.roots[0].objects = 0;
  EXPECT_EQ(judge().verdict, Verdict::Keep) << "more may be deleted by the same command";
  const Absence absence = later(PruneGuard::cascadeTime);
  EXPECT_EQ(absence.verdict, Verdict::Destroy);
  EXPECT_THAT(absence.message, HasSubstr("was deleted"));
}

TEST_F(GuardByName, WithholdsManyUntilAnAnnotationConfirms) {
  own(20, 5);
  judge();
  const Absence withheld = later(1h);
  EXPECT_EQ(withheld.reason, Reason::PruneGuard);
  EXPECT_THAT(withheld.message, HasSubstr("rookery.dev/confirm-prune: "));
  std::vector<const Entry*> vanished;
  for (int i = 0; i < 5; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
  snapshot_.confirmed = {confirmationId(vanished)};
  later(1s);
  EXPECT_EQ(later(PruneGuard::cascadeTime).verdict, Verdict::Destroy);
}

TEST_F(GuardByName, WithholdsMoreThanHalf) {
  own(3, 2);
  judge();
  EXPECT_EQ(later(1h).reason, Reason::PruneGuard);
}

TEST_F(GuardByName, WithholdsAllThatGoesWithItsDefinition) {
  own(20, 1);
  snapshot_.roots[0].doomed = "The definition is being deleted.";
  judge();
  const Absence withheld = later(1h);
  EXPECT_EQ(withheld.reason, Reason::PruneGuard);
  EXPECT_THAT(withheld.message, HasSubstr("The definition is being deleted."));
}

}  // namespace
}  // namespace rookery::reconcile
