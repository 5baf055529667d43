#include "reconcile/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "api/annotations.h"
#include "plan/desired.h"
#include "unit/plan/scene.h"

namespace rookery::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Verdict = plan::Absence::Verdict;

plan::Entry entryOf(const std::string& path) {
  plan::Entry entry;
  entry.serverKey = "key";
  entry.name = plan::Scene::name(path);
  entry.instance = "eu-1";
  entry.object = plan::keyOf(path);
  entry.root = "/manifests";
  entry.file = "/manifests/shop.yaml";
  return entry;
}

/// As they have to be judged where it is not known that any is at home.
SortedEntries strays(const std::vector<plan::Entry>& entries) {
  SortedEntries sorted;
  for (const plan::Entry& entry : entries) sorted.strays.push_back({&entry, false});
  sorted.forEachAtHome = [](const SortedEntries::Visit&) {};
  return sorted;
}

/// A root with unikernels of ours, shop/0 … and what the guard makes of what is declared.
class Guard : public testing::Test {
 protected:
  Guard() {
    snapshot_.roots = {{"/manifests", true, false, 1}};
    snapshot_.begun = std::chrono::steady_clock::time_point(1000h);
    snapshot_.scannedAt = SystemTime(500'000h);
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

  /// Something in the root cannot be read, and is so since then.
  void hide(SystemTime changed) {
    snapshot_.roots[0].obstacles = {
        {.silence = {.path = "/manifests/secret", .cause = "Unreadable."}, .changed = changed}};
  }

  void show(const api::ObjectPtr& instance) {
    snapshot_.objects = {instance};
    snapshot_.declared.insert(instance->key());
  }

  plan::Absence judge(int number = 0) { return judgeWith(guard_, number); }
  plan::Absence judgeWith(PruneGuard& guard, int number = 0) {
    const Absences absences = guard.judge(snapshot_, strays(entries_));
    const plan::Absence* found = absences.find(plan::keyOf("shop/" + std::to_string(number)), "eu-1");
    return found == nullptr ? plan::Absence{Verdict::Keep, Reason::Running, "not listed"} : *found;
  }
  /// The next scan, some time later.
  plan::Absence later(std::chrono::steady_clock::duration duration, int number = 0) {
    snapshot_.begun += duration;
    return judge(number);
  }
  /// The IDs that are waited for, with the instances whose they are.
  static std::vector<std::string> waiting(const PruneGuard& guard) {
    std::vector<std::string> sets;
    for (const WithheldSet& set : guard.withheld()) sets.push_back(set.instance + " " + set.id);
    return sets;
  }
  std::string idOf(int first, int last) const {
    std::vector<const plan::Entry*> set;
    for (int i = first; i <= last; ++i) set.push_back(&entries_.at(static_cast<std::size_t>(i)));
    return confirmationId(set);
  }
  /// What plan does with what was judged: each entry remembers the set that it is withheld with.
  void remember(PruneGuard& guard) {
    Absences absences = guard.judge(snapshot_, strays(entries_));
    for (plan::Entry& entry : entries_) {
      const plan::Absence* absence = absences.find(entry);
      if (absence != nullptr && !absence->withheld.empty()) entry.withheld = absence->withheld;
    }
  }

  source::Snapshot snapshot_;
  std::vector<plan::Entry> entries_;
  PruneGuard guard_{GuardOptions{}};
};

TEST_F(Guard, SaysNothingOfWhatIsDeclared) {
  own(3, 0);
  EXPECT_TRUE(guard_.judge(snapshot_, strays(entries_)).empty());
  EXPECT_FALSE(guard_.rescanAt());
}

TEST_F(Guard, WaitsForASecondScanTenSecondsLater) {
  own(4, 1);
  EXPECT_EQ(judge().verdict, Verdict::Keep);
  EXPECT_EQ(guard_.rescanAt(), snapshot_.begun + 10s);
  EXPECT_EQ(later(9s).verdict, Verdict::Keep);
  const plan::Absence absence = later(1s);
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
  EXPECT_EQ(later(5s).reason, Reason::PruneBlocked);
  snapshot_.roots[0].gitLocked = false;
  EXPECT_EQ(later(5s).verdict, Verdict::Keep);
  EXPECT_EQ(later(10s).verdict, Verdict::Destroy);
}

TEST_F(Guard, KeepsWhatCameFromASourceThatCannotBeRead) {
  own(4, 1);
  judge();
  snapshot_.silent["/manifests/shop.yaml"] = {.cause = "It is broken."};
  EXPECT_EQ(later(1h).reason, Reason::PruneBlocked);
  EXPECT_EQ(judge().message,
            "Unikernel shop/0 is not declared any more, as far as can be seen, and is kept: It is broken.");
  snapshot_.silent.clear();
  snapshot_.roots[0].complete = false;
  EXPECT_EQ(later(1h).reason, Reason::PruneBlocked);
  snapshot_.roots[0].complete = true;
  hide(snapshot_.scannedAt);
  EXPECT_EQ(later(1h).reason, Reason::PruneBlocked);
  EXPECT_EQ(later(1h).verdict, Verdict::Keep);
}

TEST_F(Guard, AsksOfWhatCannotBeReadWhetherItCanHoldWhatIsMissing) {
  own(4, 0);
  judge();
  const SystemTime seen = snapshot_.scannedAt;
  own(4, 1);
  hide(seen - 1h);
  EXPECT_EQ(later(1min).reason, Reason::Pruning) << "it was declared elsewhere after that";
  hide(seen + 1s);
  EXPECT_EQ(later(1min).reason, Reason::PruneBlocked) << "it may have moved there";

  // Another process has not seen it; it was declared when its life began.
  for (const bool before : {true, false}) {
    entries_[0].since = seen;
    hide(before ? seen - 1h : seen + 1h);
    PruneGuard restarted{GuardOptions{}};
    EXPECT_EQ(judgeWith(restarted).reason, before ? Reason::Pruning : Reason::PruneBlocked);
  }
  entries_[0].since = {};
  hide(seen - 1h);
  PruneGuard restarted{GuardOptions{}};
  EXPECT_EQ(judgeWith(restarted).reason, Reason::PruneBlocked) << "nobody knows when";
}

TEST_F(Guard, LetsGoWhatWasAskedForByNameAlsoWhenTheSourceCannotBeRead) {
  own(4, 1);
  hide(snapshot_.scannedAt);
  const auto absences = PruneGuard(GuardOptions{}).judge(snapshot_, strays(entries_), {entries_[0].object});
  EXPECT_EQ(absences.find(entries_[0].object, "eu-1")->verdict, Verdict::Destroy);
}

TEST_F(Guard, HasNoSayAboutOtherRoots) {
  own(4, 1);
  for (plan::Entry& entry : entries_) entry.root = "/elsewhere";
  EXPECT_EQ(judge().message, "not listed");
}

TEST_F(Guard, WithholdsFiveOrMore) {
  own(20, 5);
  EXPECT_EQ(judge().reason, Reason::PruneGuard);
  const plan::Absence absence = later(1h);
  EXPECT_EQ(absence.verdict, Verdict::Keep);
  EXPECT_EQ(absence.reason, Reason::PruneGuard);
  EXPECT_THAT(absence.message, HasSubstr("5 of 20 unikernels"));
}

TEST_F(Guard, WithholdsThreeOrMoreThatAreMoreThanHalf) {
  struct Case {
    int owned, vanished;
    bool withheld;
  };
  for (const Case& given :
       {Case{1, 1, false}, Case{2, 2, false}, Case{3, 2, false}, Case{3, 3, true}, Case{5, 3, true},
        Case{6, 3, false}, Case{8, 4, false}, Case{7, 4, true}, Case{100, 4, false}, Case{100, 5, true}}) {
    SCOPED_TRACE(std::to_string(given.vanished) + " of " + std::to_string(given.owned));
    own(given.owned, given.vanished);
    PruneGuard once{GuardOptions{.settle = false}};
    EXPECT_EQ(judgeWith(once).verdict, given.withheld ? Verdict::Keep : Verdict::Destroy);
    EXPECT_EQ(once.withheld().size(), given.withheld ? 1u : 0u);
  }
}

TEST_F(Guard, WithholdsWhenARootYieldsNothingHoweverFewItHeld) {
  own(1, 1);
  snapshot_.roots[0].objects = 0;
  judge();
  EXPECT_EQ(later(1h).reason, Reason::PruneGuard);
}

TEST_F(Guard, CountsOnTheInstanceThatItNames) {
  own(9, 5);
  for (std::size_t i = 6; i < 9; ++i) entries_[i].instance = "eu-2";
  PruneGuard once{GuardOptions{.settle = false}};
  judgeWith(once);
  EXPECT_THAT(once.withheld().at(0).what,
              testing::StartsWith("5 of 6 unikernels of AlbatrossInstance eu-1 vanished"));
}

TEST_F(Guard, LetsGoExactlyTheSetThatWasConfirmed) {
  own(10, 6);
  std::vector<const plan::Entry*> vanished;
  for (int i = 0; i < 6; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
  const std::string id = confirmationId(vanished);
  PruneGuard once{GuardOptions{.settle = false}};
  EXPECT_THAT(judgeWith(once).message, AllOf(Not(HasSubstr(id)), HasSubstr("AlbatrossInstance eu-1")))
      << "whoever may read the object need not be able to confirm";
  EXPECT_THAT(once.withheld().at(0).message(), HasSubstr("--confirm-prune " + id));
  EXPECT_EQ(once.withheld().at(0).size, 6);
  std::ranges::reverse(vanished);
  EXPECT_EQ(confirmationId(vanished), id) << "the order does not matter";

  PruneGuard confirmed{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(confirmed, 5).verdict, Verdict::Destroy);
  own(10, 7);
  PruneGuard other{GuardOptions{true, false, {id}}};
  EXPECT_EQ(judgeWith(other, 5).reason, Reason::PruneGuard);
}

TEST_F(Guard, LetsOneThatIsOnSeveralInstancesGoWhereThatWasConfirmed) {
  own(6, 6);
  entries_[4].instance = entries_[5].instance = "eu-2";
  entries_[5].object = entries_[0].object;
  PruneGuard asking{GuardOptions{.settle = false}};
  remember(asking);
  EXPECT_EQ(entries_[0].withheld, idOf(0, 3));
  EXPECT_EQ(entries_[5].withheld, idOf(4, 5));
  for (const bool first : {true, false}) {
    PruneGuard confirmed{GuardOptions{true, false, {first ? idOf(0, 3) : idOf(4, 5)}}};
    Absences absences = confirmed.judge(snapshot_, strays(entries_));
    EXPECT_EQ(absences.find(entries_[0])->verdict, first ? Verdict::Destroy : Verdict::Keep);
    EXPECT_EQ(absences.find(entries_[5])->verdict, first ? Verdict::Keep : Verdict::Destroy);
  }
}

TEST_F(Guard, AsksAgainForOthersOfTheSameNames) {
  own(10, 6);
  const auto idOfLife = [&](SystemTime since) {
    std::vector<const plan::Entry*> vanished;
    for (plan::Entry& entry : entries_) entry.since = since;
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
    plan::Entry entry = entryOf("shop/web");
    entry.since = since;
    const plan::Entry read = plan::entryFromJson(toJson(entry));
    entry.pending = plan::Pending{};
    entry.instance = "renamed";
    EXPECT_EQ(confirmationId({&read}), confirmationId({&entry}));
  }
}

TEST_F(Guard, LetsTheRestOfAConfirmedSetGoWhenSomeAreGone) {
  own(10, 6);
  std::vector<const plan::Entry*> vanished;
  for (int i = 0; i < 6; ++i) vanished.push_back(&entries_[static_cast<std::size_t>(i)]);
  PruneGuard confirmed{GuardOptions{true, false, {confirmationId(vanished)}}};
  judgeWith(confirmed);

  entries_[0].destroyedAt = SystemTime(1000h);

  EXPECT_EQ(judgeWith(confirmed, 5).verdict, Verdict::Destroy);
}

TEST_F(Guard, LetsTheRestOfAConfirmedSetGoAfterARestart) {
  own(10, 6);
  PruneGuard before{GuardOptions{.settle = false}};
  remember(before);
  const std::string id = idOf(0, 5);
  EXPECT_THAT(waiting(before), ElementsAre("eu-1 " + id));
  for (std::size_t i = 0; i < 3; ++i) entries_[i].destroyedAt = SystemTime(1000h);
  PruneGuard unconfirmed{GuardOptions{.settle = false}};
  EXPECT_EQ(judgeWith(unconfirmed, 5).reason, Reason::PruneGuard);
  EXPECT_THAT(waiting(unconfirmed), ElementsAre("eu-1 " + id)) << "the ID that somebody was told";
  EXPECT_TRUE(unconfirmed.confirm(id));
  EXPECT_EQ(judgeWith(unconfirmed, 5).verdict, Verdict::Destroy);
}

TEST_F(Guard, FreezesWhatItWithholds) {
  own(20, 5);
  judge();
  later(10s);
  const std::string id = idOf(0, 4);
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + id));
  own(20, 6);
  later(1s);
  EXPECT_EQ(later(10s, 5).verdict, Verdict::Destroy) << "one that is removed later goes";
  EXPECT_EQ(judge(0).reason, Reason::PruneGuard);
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + id)) << "and changes nothing for the others";
  snapshot_.declared.insert(plan::keyOf("shop/4"));
  judge();
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + id)) << "nor does one that is back";
  EXPECT_TRUE(guard_.confirm(id));
  EXPECT_EQ(judge(0).verdict, Verdict::Destroy);
  EXPECT_EQ(judge(4).message, "not listed");
  EXPECT_FALSE(guard_.confirm(id)) << "it is used up";
}

TEST_F(Guard, WaitsUntilAllThatVanishesIsSeen) {
  own(20, 3);
  judge();
  own(20, 6);
  EXPECT_EQ(later(9s, 5).reason, Reason::PruneGuard);
  EXPECT_THAT(waiting(guard_), IsEmpty()) << "more may come";
  EXPECT_EQ(later(9s).verdict, Verdict::Keep) << "also of the first three";
  later(1s);
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + idOf(0, 5)));
}

TEST_F(Guard, IsNotKeptWaitingForEverByWhatVanishes) {
  own(1000, 1);
  judge();
  for (int vanished = 2; vanished <= 8; ++vanished) {
    own(1000, vanished);
    later(9s);
  }
  EXPECT_THAT(waiting(guard_), testing::SizeIs(1)) << "one each 9 s is many at once, too";
}

TEST_F(Guard, AsksAgainWhenWhatWasWithheldWasBackInBetween) {
  own(10, 6);
  PruneGuard guard{GuardOptions{.settle = false}};
  remember(guard);
  const std::vector<plan::Entry> marked = entries_;
  own(10, 0);
  entries_ = marked;  // the instance could not be looked at meanwhile
  judgeWith(guard);
  for (int i = 0; i < 5; ++i) snapshot_.declared.erase(plan::keyOf("shop/" + std::to_string(i)));
  judgeWith(guard);
  EXPECT_THAT(waiting(guard), ElementsAre("eu-1 " + idOf(0, 4)));
}

TEST_F(Guard, UsesAConfirmationUp) {
  for (const bool atStart : {false, true}) {
    own(10, 6);
    PruneGuard guard{
        GuardOptions{true, false, atStart ? std::set<std::string>{idOf(0, 5)} : std::set<std::string>{}}};
    judgeWith(guard);
    EXPECT_EQ(guard.confirm(idOf(0, 5)), !atStart);
    if (atStart) {
      EXPECT_EQ(judgeWith(guard).verdict, Verdict::Destroy);
    }
    own(10, 0);  // before anything of it was destroyed
    judgeWith(guard);
    own(10, 6);
    EXPECT_EQ(judgeWith(guard).reason, Reason::PruneGuard) << "that was another time";
    EXPECT_THAT(waiting(guard), ElementsAre("eu-1 " + idOf(0, 5)));
  }
}

TEST_F(Guard, KeepsAConfirmationWhileSomethingIsInTheWay) {
  own(10, 6);
  PruneGuard guard{GuardOptions{.settle = false}};
  judgeWith(guard);
  EXPECT_TRUE(guard.confirm(idOf(0, 5)));
  for (const plan::Entry& entry : entries_) snapshot_.silent[entry.file] = {.cause = "It is empty."};
  EXPECT_EQ(judgeWith(guard).reason, Reason::PruneBlocked);
  snapshot_.silent.clear();
  EXPECT_EQ(judgeWith(guard).verdict, Verdict::Destroy);
}

TEST_F(Guard, AsksForEachInstanceOnItsOwn) {
  own(10, 6);
  for (std::size_t i = 0; i < 3; ++i) entries_[i].instance = "us-1";
  PruneGuard guard{GuardOptions{.settle = false}};
  judgeWith(guard);
  EXPECT_THAT(waiting(guard), testing::UnorderedElementsAre("us-1 " + idOf(0, 2), "eu-1 " + idOf(3, 5)));
  guard.confirm(idOf(0, 2));
  EXPECT_EQ(judgeWith(guard, 0).verdict, Verdict::Destroy);
  EXPECT_EQ(judgeWith(guard, 3).reason, Reason::PruneGuard);
}

/// An AlbatrossInstance with the annotation that confirms.
api::ObjectPtr confirming(const std::string& instance, const std::string& ids) {
  auto object = std::make_shared<api::Object>(*plan::makeObject("", instance, api::AlbatrossInstance{}));
  object->metadata.annotations[std::string(api::confirmPruneAnnotation)] = ids;
  return object;
}

TEST_F(Guard, HeedsAConfirmationOnTheInstanceOfTheSetAlone) {
  own(10, 6);
  const std::string id = idOf(0, 5);
  auto unikernel = std::make_shared<api::Object>(*plan::makeObject("shop", "9", api::Unikernel{}));
  unikernel->metadata.annotations[std::string(api::confirmPruneAnnotation)] = id;
  struct Case {
    api::ObjectPtr object;
    Verdict verdict;
  };
  for (const Case& given : {Case{unikernel, Verdict::Keep}, Case{confirming("us-1", id), Verdict::Keep},
                            Case{confirming("eu-1", "000000000000"), Verdict::Keep},
                            Case{confirming("eu-1", id), Verdict::Destroy},
                            Case{confirming("eu-1", "000000000000, " + id), Verdict::Destroy}}) {
    show(given.object);
    PruneGuard guard{GuardOptions{.settle = false}};
    EXPECT_EQ(judgeWith(guard).verdict, given.verdict) << given.object->metadata.name;
  }
}

TEST_F(Guard, KeepsTimeByAClockThatNobodySets) {
  own(4, 1);
  judge();
  snapshot_.scannedAt += 24h;
  EXPECT_EQ(later(1s).verdict, Verdict::Keep);
}

TEST_F(Guard, DoesNotCountWhatWasLetGoBefore) {
  own(20, 4);
  judge();
  later(10s);
  snapshot_.declared.erase(plan::keyOf("shop/4"));

  EXPECT_EQ(later(1s, 4).reason, Reason::Pruning) << "one more, not five at once";
  EXPECT_EQ(later(10s, 4).verdict, Verdict::Destroy);
}

TEST_F(Guard, KeepsWherePruningIsOff) {
  own(4, 1);
  PruneGuard off{GuardOptions{false, false, {}}};
  const plan::Absence absence = judgeWith(off);
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

TEST_F(Guard, ReleasesWhatSaidSoWhenItWasSeenLast) {
  const auto object = [](bool prune, bool suspend, const char* release) {
    api::Unikernel spec;
    spec.prune = prune;
    spec.suspend = suspend;
    auto made = std::make_shared<api::Object>(*plan::makeObject("shop", "0", spec));
    made->metadata.annotations[std::string(api::releaseAnnotation)] = release;
    return made;
  };
  struct Case {
    api::ObjectPtr seen;
    Verdict verdict;
  };
  for (const Case& given :
       {Case{nullptr, Verdict::Destroy}, Case{object(true, false, "no"), Verdict::Destroy},
        Case{object(false, false, "no"), Verdict::Release}, Case{object(true, true, "no"), Verdict::Release},
        Case{object(true, false, "true"), Verdict::Release}}) {
    own(4, 1);
    PruneGuard guard{GuardOptions{.settle = false}};
    const auto absences = guard.judge(snapshot_, strays(entries_), {entries_[0].object},
                                      [&](const api::ObjectKey&) { return given.seen; });
    EXPECT_EQ(absences.find(entries_[0].object, "eu-1")->verdict, given.verdict);
  }
}

TEST_F(Guard, LetsATombstoneThatCameBackGoAgain) {
  own(1, 1);
  entries_[0].destroyedAt = SystemTime(1000h);
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
  const plan::Absence absence = later(PruneGuard::cascadeTime);
  EXPECT_EQ(absence.verdict, Verdict::Destroy);
  EXPECT_THAT(absence.message, HasSubstr("was deleted"));
}

TEST_F(GuardByName, WithholdsManyUntilAnAnnotationConfirms) {
  own(20, 5);
  judge();
  const plan::Absence withheld = later(1h);
  EXPECT_EQ(withheld.reason, Reason::PruneGuard);
  EXPECT_THAT(guard_.withheld().at(0).message(),
              HasSubstr("kubectl annotate albatrossinstance eu-1 --overwrite rookery.dev/confirm-prune=" +
                        idOf(0, 4)));
  show(confirming("eu-1", idOf(0, 4)));
  EXPECT_EQ(later(1s).verdict, Verdict::Destroy);
}

TEST_F(GuardByName, NamesAConfirmationThatIsOfNoSetOnce) {
  using Mistaken = std::set<std::pair<std::string, std::string>>;
  own(20, 5);
  judge();
  later(1h);
  show(confirming("eu-1", "000000000000," + idOf(0, 4)));
  later(1s);
  EXPECT_EQ(guard_.mistaken(), (Mistaken{{"eu-1", "000000000000"}}));
  later(1s);
  EXPECT_EQ(guard_.mistaken(), Mistaken{});
  PruneGuard restarted{GuardOptions{.settle = false}};
  judgeWith(restarted);
  EXPECT_EQ(restarted.mistaken(), Mistaken{}) << "its set may have gone long ago";
}

TEST_F(GuardByName, JudgesEachNamespaceAndInstanceOnItsOwn) {
  own(40, 7);
  entries_[5].object.nameSpace = "db";
  entries_[6].instance = "us-1";
  snapshot_.declared.insert(plan::keyOf("db/20"));
  judge();
  EXPECT_EQ(later(PruneGuard::cascadeTime).reason, Reason::PruneGuard) << "five of one";
  EXPECT_EQ(guard_.judge(snapshot_, strays(entries_)).find(entries_[5].object, "eu-1")->verdict,
            Verdict::Destroy);
  EXPECT_EQ(judge(6).verdict, Verdict::Destroy);
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + idOf(0, 4)));
}

TEST_F(GuardByName, ReleasesWhatSomebodyReleasedAtOnce) {
  struct Case {
    const char* name;
    std::function<void(source::Snapshot& snapshot, plan::Entry& entry)> release;
    Verdict verdict;
  };
  const auto deleted = [](source::Snapshot& snapshot, bool prune, bool suspend) {
    api::Unikernel spec;
    spec.prune = prune;
    spec.suspend = suspend;
    snapshot.deleted = {plan::makeObject("shop", "0", spec)};
  };
  const std::vector<Case> cases = {
      {"nothing", [](auto&, auto&) {}, Verdict::Keep},
      {"the annotation", [](auto& snapshot, auto& entry) { snapshot.released.insert(entry.object); },
       Verdict::Release},
      {"prune: false, when it was seen last", [](auto&, auto& entry) { entry.prune = false; },
       Verdict::Release},
      {"prune: false since", [&](auto& snapshot, auto&) { deleted(snapshot, false, false); },
       Verdict::Release},
      {"suspend: true since", [&](auto& snapshot, auto&) { deleted(snapshot, true, true); },
       Verdict::Release},
      {"prune: true since",
       [&](auto& snapshot, auto& entry) {
         entry.prune = false;
         deleted(snapshot, true, false);
       },
       Verdict::Keep}};
  for (const Case& given : cases) {
    for (const int absent : {1, 6}) {
      own(10, absent);
      snapshot_.deleted.clear();
      snapshot_.released.clear();
      given.release(snapshot_, entries_[0]);
      PruneGuard fresh{GuardOptions{}};
      EXPECT_EQ(judgeWith(fresh).verdict, given.verdict) << given.name << ", " << absent << " deleted";
    }
  }
}

TEST_F(GuardByName, ReleasesAlsoWhatIsWithheld) {
  own(20, 6);
  judge();
  later(1h);
  snapshot_.released.insert(entries_[0].object);
  EXPECT_EQ(judge(0).verdict, Verdict::Release);
  EXPECT_EQ(judge(1).reason, Reason::PruneGuard);
  EXPECT_THAT(waiting(guard_), ElementsAre("eu-1 " + idOf(0, 5))) << "and the others keep their ID";
}

TEST_F(GuardByName, WithholdsAllThatGoesWithItsDefinition) {
  own(20, 1);
  snapshot_.roots[0].doomed = "The definition is being deleted.";
  judge();
  const plan::Absence withheld = later(1h);
  EXPECT_EQ(withheld.reason, Reason::PruneGuard);
  EXPECT_THAT(withheld.message, HasSubstr("The definition is being deleted."));
}

}  // namespace
}  // namespace rookery::reconcile
