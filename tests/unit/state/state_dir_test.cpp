#include "state/state_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string_view>
#include <thread>

#include "api/manifest.h"
#include "fixtures/limits.h"
#include "fixtures/temp_dir.h"
#include "unit/plan/scene.h"
#include "unit/state/state_files.h"

namespace rookery::state {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

api::Object unikernel(const std::string& name) {
  const std::string manifest = "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: " + name +
                               ", namespace: shop}\nspec: {image: {path: web.hvt}}\n";
  return *api::parseManifest(manifest, {.root = "/manifests", .file = "/manifests/" + name + ".yaml"})
              .objects.at(0);
}

TEST_F(StateFiles, OutlivesTheProcess) {
  plan::Entry plain;
  plain.serverKey = "5f";
  plain.name = {{}, "dns"};
  plain.object = plan::keyOf("sys/dns");
  {
    const auto state = open();
    ASSERT_TRUE(state->put(writtenEntry()));
    ASSERT_TRUE(state->put(plain));
    state->setRestartChangesMemory("5f", false);
  }
  const auto state = open();
  EXPECT_THAT(state->warnings(), IsEmpty());
  EXPECT_THAT(state->inventoryOf("5f"),
              (ElementsAre(std::pair(plain.name, plain), std::pair(writtenEntry().name, writtenEntry()))));
  EXPECT_THAT(state->entries(), SizeIs(2));
  EXPECT_EQ(state->restartChangesMemory("5f"), false);
  EXPECT_EQ(state->restartChangesMemory("60"), std::nullopt);
}

TEST_F(StateFiles, AVolumeAndAUnikernelMayHaveOneName) {
  {
    const auto state = open();
    ASSERT_TRUE(state->put(writtenEntry()));
    ASSERT_TRUE(state->put(writtenVolume()));
  }
  {
    const auto state = open();
    EXPECT_THAT(state->inventoryOf("5f"), SizeIs(1));
    EXPECT_EQ(state->volumes().at("5f").at(writtenVolume().name), writtenVolume());
    EXPECT_THAT(state->entries(), UnorderedElementsAre(writtenEntry(), writtenVolume()));
    ASSERT_TRUE(state->erase(writtenEntry()));
  }
  const auto state = open();
  EXPECT_THAT(state->entries(), ElementsAre(writtenVolume()));
  ASSERT_TRUE(state->erase(writtenVolume()));
  EXPECT_THAT(state->entries(), IsEmpty());
}

TEST_F(StateFiles, OfAReleaseThatKnewNoVolumesTakesSome) {
  {
    const auto state = open();
    ASSERT_TRUE(state->put(writtenEntry()));
  }
  execute("DROP TABLE volumes;");
  EXPECT_THAT(read()->entries(), ElementsAre(writtenEntry()));
  const auto state = open();
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
  ASSERT_TRUE(state->put(writtenVolume()));
  EXPECT_THAT(read()->entries(), UnorderedElementsAre(writtenEntry(), writtenVolume()));
}

TEST_F(StateFiles, KeepsTheNotesOfOthers) {
  {
    const auto state = open();
    EXPECT_THAT(state->notes(), IsEmpty());
    state->note("a", "1");
    state->note("b", "2");
    state->note("a", "3");
    state->note("b", std::nullopt);
    state->note("c", std::nullopt);
  }
  EXPECT_THAT(open()->notes(), ElementsAre(std::pair("a", "3")));
  execute("DROP TABLE notes;");  // as a former release left it
  EXPECT_THAT(read()->notes(), IsEmpty());
  open()->note("d", "4");
  EXPECT_THAT(open()->notes(), ElementsAre(std::pair("d", "4")));
  read()->note("e", "5");
  EXPECT_THAT(open()->notes(), SizeIs(1)) << "who only reads remembers nothing";
}

TEST_F(StateFiles, AnotherServerInheritsNothing) {
  const auto state = open();
  ASSERT_TRUE(state->put(writtenEntry()));
  EXPECT_THAT(state->inventoryOf("60"), IsEmpty());
}

TEST_F(StateFiles, ForgetsWhatIsErased) {
  {
    const auto state = open();
    ASSERT_TRUE(state->put(writtenEntry()));
    ASSERT_TRUE(state->erase(writtenEntry()));
    ASSERT_TRUE(state->erase(writtenEntry())) << "it is gone: that is what was asked for";
    EXPECT_THAT(state->entries(), IsEmpty());
  }
  EXPECT_THAT(open()->entries(), IsEmpty());
}

TEST_F(StateFiles, IsHeldByOneProcessAtATime) {
  const auto state = open();
  const auto second = StateDir::open(path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::StateDirLocked);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
}

TEST_F(StateFiles, IsFreeAgainWhenItsHolderWasKilled) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto state = StateDir::open(path());
    ::_exit(state ? 0 : 1);  // without destructors, as after a kill
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(open());
}

TEST_F(StateFiles, IsNotCorruptWhereNoMoreFilesCanBeOpened) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  for (int more = 1; more <= 8; ++more) {
    const auto state = [&] {
      const fixtures::FewDescriptors few(more);
      return StateDir::open(path());
    }();
    if (!state) {
      EXPECT_THAT(state.error().message, HasSubstr("Too many open files"));
    }
  }
  const auto state = open();
  EXPECT_THAT(state->warnings(), IsEmpty());
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
}

TEST_F(StateFiles, ReadOnlyRememberNothing) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  const auto state = read();
  state->identify(plan::keyOf("shop/web"), "x", {});
  state->setRestartChangesMemory("5f", false);
  for (const auto& written : {state->put(entryNamed("a")), state->erase(writtenEntry()),
                              state->saveIdentities(), await(state->recordSoon(entryNamed("a")))}) {
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reason, Reason::StateUnwritable);
  }
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
  EXPECT_THAT(read()->entries(), ElementsAre(writtenEntry()));
}

TEST_F(StateFiles, ThatIsMissingReadsAsEmptyAndStaysMissing) {
  const auto state = StateDir::read(path());
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_THAT((*state)->entries(), IsEmpty());
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(StateFiles, IsLostWithItsFolder) {
  const auto first = open();
  ASSERT_TRUE(first->put(writtenEntry()));
  EXPECT_TRUE(first->held());
  fs::remove_all(path());
  EXPECT_EQ(first->held().error().reason, Reason::StateDirLost) << "it is missing";

  const auto second = open();

  EXPECT_TRUE(second->held());
  plan::Entry other = writtenEntry();
  other.ranSpec = "of the first";
  for (const auto& lost : {first->held(), first->put(other), first->erase(writtenEntry())}) {
    ASSERT_FALSE(lost) << "it is another's";
    EXPECT_EQ(lost.error().reason, Reason::StateDirLost);
    EXPECT_THAT(lost.error().message, HasSubstr(path().string()));
  }
  ASSERT_TRUE(second->put(writtenEntry()));
  EXPECT_FALSE(first->erase(writtenEntry()));
  EXPECT_THAT((*StateDir::read(path()))->entries(), ElementsAre(writtenEntry()));
}

TEST_F(StateFiles, SaysThatTheDiskIsFullAndKeepsWhatWasWritten) {
  const auto state = open();
  ASSERT_TRUE(state->put(writtenEntry()));
  plan::Entry changed = writtenEntry();
  changed.ranSpec = "spec:2";
  const auto written = [&] {
    const fixtures::FullDisk full;
    return state->put(changed);
  }();

  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, Reason::StateUnwritable);
  EXPECT_EQ(
      written.error().message,
      "The state directory cannot be written: " + database().string() +
          ": File too large. Nothing is sent to a server that could not be remembered. Raise the limit on "
          "the size of files (ulimit -f), and try again.");
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
  EXPECT_THAT(read()->entries(), ElementsAre(writtenEntry()));
  EXPECT_TRUE(state->put(changed)) << "there is room again";
}

TEST_F(StateFiles, WritesIdentitiesAgainThatTheFullDiskDidNotTake) {
  {
    const auto state = open();
    state->identify(plan::keyOf("shop/web"), "x", {});
    const auto saved = [&] {
      const fixtures::FullDisk full;
      return state->saveIdentities();
    }();
    ASSERT_FALSE(saved);
    EXPECT_THAT(saved.error().message, HasSubstr("File too large"));
    EXPECT_TRUE(state->saveIdentities());
  }
  EXPECT_EQ(open()->identify(plan::keyOf("shop/web"), "y", {}).generation, 2);
}

TEST_F(StateFiles, TakesPathsThatAreNotUtf8) {
  plan::Entry entry = writtenEntry();
  entry.file = "/manifests/\xff.yaml";
  const auto state = open();
  ASSERT_TRUE(state->put(entry));
  EXPECT_THAT(state->entries(), ElementsAre(entry));
}

/// As a row of the table has it.
constexpr std::string_view oddEntry =
    "INSERT INTO entries VALUES ('5f', ':x', '', 'Unikernel', '', '', '{}');";

TEST_F(StateFiles, SetsAsideWhatIsNotAnEntry) {
  open();
  for (const char* text : {"", "{", "[]", "{\"serverKey\": 1}", "{\"serverKey\": \"5f\"}"}) {
    execute(fmt::format(oddEntry, text));
    EXPECT_THAT(read()->warnings(), ElementsAre(HasSubstr("5f :x")));
    {
      const auto state = open();
      EXPECT_THAT(state->warnings(), ElementsAre(AllOf(HasSubstr(database().string()), HasSubstr("5f :x"))));
      EXPECT_THAT(state->entries(), IsEmpty());
    }
    EXPECT_THAT(open()->warnings(), IsEmpty()) << "it is said once";
    EXPECT_THAT(rowsOf("SELECT content FROM set_aside ORDER BY rowid DESC LIMIT 1;"), ElementsAre(text));
  }
}

TEST_F(StateFiles, SetsAsideAnEntryWithAnUnknownVerbOrAnothersKey) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  execute("UPDATE entries SET entry = replace(entry, 'forceCreate', 'forceFeeded');");
  EXPECT_THAT(open()->warnings(), SizeIs(1));
  ASSERT_TRUE(open()->put(writtenEntry()));
  execute("UPDATE entries SET server = '60';");
  EXPECT_THAT(open()->warnings(), SizeIs(1));
  EXPECT_THAT(open()->entries(), IsEmpty());
}

TEST_F(StateFiles, SetsAsideIdentitiesThatAreNone) {
  open();
  execute(
      "INSERT INTO objects VALUES ('Unikernel', 'shop', 'web', 'u', -1, NULL, 7, 'x');"
      "INSERT INTO objects VALUES ('Unicorn', 'shop', 'web', 'u', 5, NULL, 7, 'x');"
      "INSERT INTO objects VALUES ('Unikernel', 'shop', 'other', 'u', 5, NULL, 7, 'x');");
  const auto state = open();
  EXPECT_THAT(state->warnings(), SizeIs(2));
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", {}).generation, 1);
  EXPECT_EQ(state->identify(plan::keyOf("shop/other"), "x", {}).generation, 7);
}

TEST_F(StateFiles, IsNotTakenForLostWhereItCannotBeRead) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  fs::remove(database());
  fs::create_symlink(database(), database());  // which root cannot read either
  for (const auto& state : {StateDir::open(path()), StateDir::read(path())}) {
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().reason, Reason::StateUnreadable);
    EXPECT_THAT(state.error().message, HasSubstr(database().string()));
  }
  EXPECT_TRUE(fs::is_symlink(database()));
}

TEST_F(StateFiles, SharesTheEntriesThatAreAsTheyWere) {
  const auto state = open();
  plan::Entry web = writtenEntry(), other = writtenEntry();
  other.name.label = "other";
  ASSERT_TRUE(state->put(web) && state->put(other));
  const auto before = state->inventoryOf(web.serverKey);
  web.suspend = !web.suspend;
  ASSERT_TRUE(state->put(web));

  const auto after = state->inventories().at(web.serverKey);
  EXPECT_EQ(after.item(other.name), before.item(other.name));
  EXPECT_EQ(after.at(web.name), web);
  EXPECT_NE(before.at(web.name), web) << "what was given away does not change";
}

TEST_F(StateFiles, SaysWhenIdentitiesMayBeOthers) {
  const auto state = open();
  api::Object object;
  object.metadata = {.name = "web", .nameSpace = "shop", .labels = {}, .annotations = {}};
  object.spec = api::Unikernel{};
  const auto first = state->identityChanges();
  state->identify(object.key(), "1", {});
  state->identify(object.key(), "2", {});
  EXPECT_EQ(state->identityChanges(), first) << "who asks is told";
  ASSERT_TRUE(state->requestDeletion(object, {}));
  const auto second = state->identityChanges();
  EXPECT_NE(second, first);
  state->forgetIdentity({api::Kind::Unikernel, "shop", "never-seen"});
  EXPECT_EQ(state->identityChanges(), second);
  state->forgetIdentity(object.key());
  EXPECT_NE(state->identityChanges(), second);
  EXPECT_THAT(state->deletionRequests(), IsEmpty());
}

TEST_F(StateFiles, IsForItsOwnerAlone) {
  const auto state = open();
  ASSERT_TRUE(state->put(writtenEntry()));
  EXPECT_EQ(fs::status(path()).permissions(), fs::perms(0700));
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm", "lock"})
    EXPECT_EQ(fs::status(path() / name).permissions(), fs::perms(0600)) << name;
}

TEST_F(StateFiles, IsLostWithItsDatabase) {
  const auto state = open();
  fs::remove(database());
  EXPECT_EQ(state->held().error().reason, Reason::StateDirLost);
  EXPECT_EQ(state->put(writtenEntry()).error().reason, Reason::StateDirLost);
}

TEST_F(StateFiles, OfALaterReleaseAreRefusedAndNotTouched) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  execute("UPDATE meta SET value = 2 WHERE key = 'schemaVersion'; DROP TABLE servers;");
  const std::string before = fixtures::readFile(database());
  for (const auto& state : {StateDir::open(path()), StateDir::read(path())}) {
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().reason, Reason::StateUnreadable);
    EXPECT_THAT(state.error().message, HasSubstr("later release"));
  }
  EXPECT_EQ(fixtures::readFile(database()), before);
  EXPECT_THAT(namesIn(path()), UnorderedElementsAre("lock", "state.db"));
}

TEST_F(StateFiles, SaysWhenItCannotBeMade) {
  folder_.write("state", "a file");
  const auto state = StateDir::open(path());
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().reason, Reason::StateUnwritable);
}

TEST_F(StateFiles, IdentitiesAreKept) {
  const api::SystemTime born{std::chrono::seconds(1'700'000'000)};
  const api::SystemTime later = born + std::chrono::hours(1);
  std::string uid;
  {
    const auto state = open();
    const api::Identity first = state->identify(plan::keyOf("shop/web"), "x", born);
    uid = first.uid;
    EXPECT_EQ(first.creationTimestamp, born);
    EXPECT_EQ(first.generation, 1);
    EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", later), first);
    EXPECT_NE(state->identify(plan::keyOf("shop/other"), "x", born).uid, uid);
    ASSERT_TRUE(state->saveIdentities());
  }
  const auto state = open();
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", later),
            (api::Identity{uid, born, std::nullopt, 1}));
}

TEST_F(StateFiles, TheGenerationRisesWithTheSpec) {
  {
    const auto state = open();
    EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", {}).generation, 1);
    EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "y", {}).generation, 2);
    ASSERT_TRUE(state->saveIdentities());
  }
  const auto state = open();
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "y", {}).generation, 2);
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", {}).generation, 3);
}

TEST_F(StateFiles, AnObjectThatWasForgottenComesBackAsAnother) {
  const auto state = open();
  const api::Identity first = state->identify(plan::keyOf("shop/web"), "x", {});
  state->identify(plan::keyOf("shop/web"), "y", {});
  state->forgetIdentity(plan::keyOf("shop/web"));
  const api::Identity second = state->identify(plan::keyOf("shop/web"), "y", {});
  EXPECT_NE(second.uid, first.uid);
  EXPECT_EQ(second.generation, 1);
}

TEST_F(StateFiles, ARequestToDeleteIsKeptUntilTheObjectIsDeclaredAgain) {
  {
    const auto state = open();
    state->identify(plan::keyOf("shop/web"), "x", {});
    ASSERT_TRUE(state->requestDeletion(unikernel("web"), {}));
    ASSERT_TRUE(state->requestDeletion(unikernel("nobody"), {}));
  }
  const auto state = open();
  EXPECT_THAT(state->deletionRequests(), ElementsAre(plan::keyOf("shop/web")));
  const auto deletions = state->deletions();
  ASSERT_EQ(deletions.size(), 1u);
  EXPECT_EQ(deletions[0].object->manifest, unikernel("web").manifest);
  EXPECT_EQ(deletions[0].object->origin.file, "/manifests/web.yaml");
  EXPECT_TRUE(deletions[0].identity.deletionTimestamp);
  EXPECT_FALSE(state->identify(plan::keyOf("shop/web"), "x", {}).deletionTimestamp);
  EXPECT_THAT(state->deletionRequests(), IsEmpty());
  EXPECT_THAT(state->deletions(), IsEmpty());
}

TEST_F(StateFiles, WhatIsAmendedOfADeletionIsKeptUntilTheObjectIsDeclaredAgain) {
  const auto labelled = [](const char* digest) {
    api::Object object = unikernel("web");
    nlohmann::json manifest = object.manifest.unpack();
    manifest["metadata"]["labels"] = {{"app", "web"}};
    object.manifest = manifest;
    object.specDigest = digest;
    return object;
  };
  {
    const auto state = open();
    const std::string uid = state->identify(plan::keyOf("shop/web"), "x", {}).uid;
    const auto another = state->amendDeletion(labelled("x"), "another");
    ASSERT_TRUE(another);
    EXPECT_FALSE(*another);
    const auto amended = state->amendDeletion(labelled("y"), uid);
    ASSERT_TRUE(amended && *amended);
    EXPECT_EQ((*amended)->generation, 2);
  }
  const auto state = open();
  EXPECT_THAT(state->deletionRequests(), IsEmpty()) << "that is another wish";
  ASSERT_EQ(state->deletions().size(), 1u);
  EXPECT_EQ(state->deletions()[0].object->manifest, labelled("y").manifest);
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "y", {}).generation, 2);
  EXPECT_THAT(state->deletions(), IsEmpty());
}

TEST_F(StateFiles, MayBeUsedFromSeveralThreads) {
  const auto state = open();
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&state, thread] {
      for (int i = 0; i < 20; ++i) {
        plan::Entry entry = writtenEntry();
        entry.serverKey = std::to_string(thread);
        entry.name.label = "web-" + std::to_string(i);
        EXPECT_TRUE(state->put(entry));
        state->inventoryOf(entry.serverKey);
        state->entries();
        state->setRestartChangesMemory(entry.serverKey, true);
        state->identify({api::Kind::Unikernel, std::to_string(thread), std::to_string(i)}, "x", {});
        EXPECT_TRUE(state->put(writtenEntry())) << "the same as others at the same time";
      }
    });
  }
  threads.clear();
  EXPECT_THAT(state->entries(), SizeIs(81));
}

}  // namespace
}  // namespace rookery::state
