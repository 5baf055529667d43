#include "state/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "api/manifest.h"
#include "fixtures/limits.h"
#include "fixtures/temp_dir.h"
#include "unit/plan/scene.h"

namespace rookery::state {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// With everything in it that an entry can hold.
plan::Entry writtenEntry() {
  plan::Entry entry;
  entry.serverKey = "5f";
  entry.name = {{"shop"}, "web"};
  entry.instance = "eu-1";
  entry.object = plan::keyOf("shop/web");
  entry.root = "/manifests";
  entry.file = "/manifests/ümläut.yaml";
  entry.digests = {plan::digestOf('b'), std::string("\0\xff", 2) + std::string(30, 'a')};
  entry.confirmed = true;
  entry.prune = false;
  entry.suspend = true;
  entry.ranSpec = "spec:1";
  entry.pending = plan::Pending{plan::Verb::ForceCreate,   true,
                                api::SystemTime(1h),       plan::digestOf('a'),
                                albatross::Time(12'345ms), plan::digestOf('b'),
                                plan::Fingerprint{0xffff}};
  entry.since = api::SystemTime(30min);
  entry.fingerprints = {0, 0x1234};
  entry.started = albatross::Time(11'111ms);
  entry.destroyedAt = api::SystemTime(2h);
  return entry;
}

api::Object unikernel(const std::string& name) {
  const std::string manifest = "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: " + name +
                               ", namespace: shop}\nspec: {image: {path: web.hvt}}\n";
  return *api::parseManifest(manifest, {.root = "/manifests", .file = "/manifests/" + name + ".yaml"})
              .objects.at(0);
}

class StateFiles : public testing::Test {
 protected:
  std::unique_ptr<StateDir> open() {
    auto state = StateDir::open(path());
    EXPECT_TRUE(state) << state.error().message;
    return state ? std::move(*state) : nullptr;
  }
  fs::path path() const { return folder_.path() / "state"; }

  fixtures::TempDir folder_;
};

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

TEST_F(StateFiles, SetsAsideWhatIsNotAnEntry) {
  open();
  for (const char* text : {"", "{", "[]", "{\"serverKey\": 1}", "{\"serverKey\": \"5f\"}"}) {
    const fs::path file = folder_.write("state/inventory/5f/x.json", text);
    {
      const auto state = open();
      ASSERT_THAT(state->warnings(), SizeIs(1)) << text;
      EXPECT_THAT(state->warnings()[0], HasSubstr(file.string()));
      EXPECT_THAT(state->entries(), IsEmpty());
      EXPECT_FALSE(fs::exists(file));
      EXPECT_TRUE(fs::exists(file.string() + ".corrupt"));
    }
    EXPECT_THAT(open()->warnings(), IsEmpty()) << "it is said once";
  }
}

/// What is in a folder: a line for each thing in it.
std::vector<std::string> contentOf(const fs::path& folder) {
  std::vector<std::string> lines;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    const bool file = item.is_regular_file();
    lines.push_back(item.path().string() + " " + (file ? fixtures::readFile(item.path()) : "") + " " +
                    std::to_string(item.last_write_time().time_since_epoch().count()));
  }
  std::ranges::sort(lines);
  return lines;
}

/// A file of the state that cannot be read: a link to itself, which root cannot read either.
class Unreadable : public StateFiles, public testing::WithParamInterface<const char*> {};

TEST_P(Unreadable, IsNotTakenForCorrupt) {
  {
    const auto state = open();
    ASSERT_TRUE(state->put(writtenEntry()));
    state->setRestartChangesMemory("5f", true);
    state->identify(plan::keyOf("shop/web"), "x", {});
    ASSERT_TRUE(state->saveIdentities());
  }
  const fs::path file = path() / GetParam();
  ASSERT_TRUE(fs::remove_all(file) > 0);
  fs::create_symlink(file, file);

  for (const auto& state : {StateDir::open(path()), StateDir::read(path())}) {
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().reason, Reason::StateUnreadable);
    EXPECT_THAT(state.error().message, HasSubstr(file.string()));
  }
  EXPECT_TRUE(fs::is_symlink(file));
  EXPECT_FALSE(fs::exists(fs::symlink_status(file.string() + ".corrupt")));
}

INSTANTIATE_TEST_SUITE_P(Files, Unreadable,
                         testing::Values("inventory/5f/shop:web.json", "inventory/5f/server.json",
                                         "objects.json"));

TEST_F(StateFiles, IsNotCorruptWhereNoMoreFilesCanBeOpened) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  for (int more = 1; more <= 4; ++more) {
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

TEST_F(StateFiles, IsNotReadFromAFolderThatCannotBeListed) {
  open();
  fs::remove(path() / "inventory");
  fs::create_symlink(path() / "inventory", path() / "inventory");
  const auto state = StateDir::read(path());
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().reason, Reason::StateUnreadable);
}

TEST_F(StateFiles, SetsAsideIdentitiesThatAreNone) {
  open();
  const fs::path file = folder_.write("state/objects.json", "[{\"kind\": ");
  EXPECT_THAT(open()->warnings(), ElementsAre(HasSubstr(file.string())));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(fs::exists(file.string() + ".corrupt"));
}

TEST_F(StateFiles, IsReadBesideItsHolderWithoutAChange) {
  const auto holder = open();
  ASSERT_TRUE(holder->put(writtenEntry()));
  folder_.write("state/inventory/5f/x.json", "{");
  folder_.write("state/inventory/5f/.shop:web.json.a1B2c3", "{\"half");
  folder_.write("state/objects.json", "?");
  const auto before = contentOf(path());

  const auto state = StateDir::read(path());

  ASSERT_TRUE(state) << state.error().message;
  EXPECT_THAT((*state)->entries(), ElementsAre(writtenEntry()));
  EXPECT_THAT((*state)->warnings(), SizeIs(2));
  (*state)->identify(plan::keyOf("shop/web"), "x", {});
  (*state)->setRestartChangesMemory("5f", false);
  for (const auto& written :
       {(*state)->put(writtenEntry()), (*state)->erase(writtenEntry()), (*state)->saveIdentities()}) {
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reason, Reason::StateUnwritable);
  }
  EXPECT_EQ(contentOf(path()), before);
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

TEST_F(StateFiles, SetsAsideAnEntryWithAnUnknownVerb) {
  open()->put(writtenEntry());
  const fs::path file = path() / "inventory/5f/shop:web.json";
  std::string text = fixtures::readFile(file);
  text.replace(text.find("forceCreate"), 11, "forceFeeded");
  folder_.write("state/inventory/5f/shop:web.json", text);
  EXPECT_THAT(open()->warnings(), SizeIs(1));
}

TEST_F(StateFiles, LeavesNoHalfWrittenEntry) {
  open()->put(writtenEntry());
  const std::vector<fs::path> left = {folder_.write("state/inventory/5f/.shop:web.json.a1B2c3", "{\"half"),
                                      folder_.write("state/.objects.json.a1B2c3", "["),
                                      folder_.write("state/inventory/5f/.rookery-a1B2c3.tmp", "{\"half")};
  const auto state = open();
  EXPECT_THAT(state->warnings(), IsEmpty());
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
  for (const fs::path& file : left) EXPECT_FALSE(fs::exists(file)) << file;
}

TEST_F(StateFiles, SaysWhenItCannotBeWritten) {
  const auto state = open();
  fs::remove_all(path() / "inventory");
  folder_.write("state/inventory", "a file where a folder should be");

  const auto written = state->put(writtenEntry());

  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, Reason::StateUnwritable);
  EXPECT_THAT(state->entries(), IsEmpty()) << "what is not on the disk is not remembered";
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
      "The state directory cannot be written: " + (path() / "inventory/5f/shop:web.json").string() +
          ": File too large. Nothing is sent to a server that could not be remembered. Raise the limit on "
          "the size of files (ulimit -f), and try again.");
  EXPECT_THAT(state->entries(), ElementsAre(writtenEntry()));
  EXPECT_THAT(fixtures::readFile(path() / "inventory/5f/shop:web.json"), HasSubstr("spec:1"));
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

TEST_F(StateFiles, IdentitiesThatCannotBeReadStartAgain) {
  open();
  folder_.write("state/objects.json", R"([
      {"kind": "Unikernel", "namespace": "shop", "name": "web", "uid": 1, "creationTimestamp": 0},
      {"kind": "Unicorn", "namespace": "shop", "name": "web"},
      {"kind": "Unikernel", "namespace": "shop", "name": "other", "uid": "u", "creationTimestamp": 5,
       "generation": 7, "specDigest": "x"}])");
  const auto state = open();
  EXPECT_EQ(state->identify(plan::keyOf("shop/web"), "x", {}).generation, 1);
  EXPECT_EQ(state->identify(plan::keyOf("shop/other"), "x", {}).generation, 7);
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
    object.manifest["metadata"]["labels"] = {{"app", "web"}};
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
