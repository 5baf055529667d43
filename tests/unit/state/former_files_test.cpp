#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "unit/state/state_files.h"
#include "yaml/writer.h"

namespace rookery::state {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// A state directory as an earlier release left it.
class FormerFolder : public StateFiles {
 protected:
  FormerFolder() {
    write(writtenEntry());
    write(entryNamed("dns"));
    folder_.write("state/inventory/5f/server.json", R"({"restartChangesMemory": false})");
    folder_.write("state/inventory/5f/.rookery-a1B2c3.tmp", "{\"half");
    folder_.write("state/objects.json", R"([
        {"kind": "Unikernel", "namespace": "shop", "name": "web", "uid": 1, "creationTimestamp": 0},
        {"kind": "Unicorn", "namespace": "shop", "name": "web"},
        {"kind": "Unikernel", "namespace": "shop", "name": "gone", "uid": "u", "creationTimestamp": 5,
         "generation": 2, "specDigest": "x", "deletionTimestamp": 9, "root": "/manifests", "file": "/manifests/g.yaml",
         "manifest": "{\"apiVersion\": \"rookery.dev/v1alpha1\", \"kind\": \"Unikernel\", \"metadata\": {\"name\": \"gone\", \"namespace\": \"shop\"}, \"spec\": {\"image\": {\"path\": \"web.hvt\"}}}"},
        {"kind": "Unikernel", "namespace": "shop", "name": "other", "uid": "u", "creationTimestamp": 5,
         "generation": 7, "specDigest": "x"}])");
  }
  void write(const plan::Entry& entry) {
    folder_.write("state/inventory/5f/" + entry.name.toString() + ".json",
                  yaml::dump(plan::toJson(entry), 1));
  }
  void expectAll(StateDir& state) {
    EXPECT_THAT(state.warnings(), IsEmpty());
    EXPECT_THAT(state.entries(), UnorderedElementsAre(writtenEntry(), entryNamed("dns")));
    EXPECT_EQ(state.restartChangesMemory("5f"), false);
    EXPECT_THAT(state.deletionRequests(), ElementsAre(plan::keyOf("shop/gone")));
    ASSERT_THAT(state.deletions(), SizeIs(1));
    EXPECT_EQ(state.deletions()[0].object->origin.file, "/manifests/g.yaml");
    EXPECT_EQ(state.identityOf(plan::keyOf("shop/other"))->generation, 7);
    EXPECT_FALSE(state.identityOf(plan::keyOf("shop/web"))) << "its uid was none";
  }
  void expectTakenOver() const {
    EXPECT_THAT(namesIn(path()),
                UnorderedElementsAre("lock", "state.db", "inventory.taken-over", "objects.json.taken-over"));
  }
};

TEST_F(FormerFolder, IsTakenOverOnce) {
  expectAll(*open());
  expectTakenOver();
  ASSERT_TRUE(open()->erase(writtenEntry()));
  EXPECT_THAT(open()->entries(), ElementsAre(entryNamed("dns")));
  EXPECT_THAT(read()->entries(), ElementsAre(entryNamed("dns")));
}

TEST_F(FormerFolder, IsReadWithoutAChange) {
  expectAll(*read());
  EXPECT_THAT(namesIn(path()), UnorderedElementsAre("inventory", "objects.json"));
}

TEST_F(FormerFolder, IsTakenOverAgainWhereThatWasNotDone) {
  folder_.write("state/state.db.new", "half of it");
  folder_.write("state/state.db.new-journal", "and how to undo that");
  expectAll(*open());
  expectTakenOver();
}

TEST_F(FormerFolder, IsNotReadAgainWhereOnlyItsFilesWereLeft) {
  ASSERT_TRUE(open()->erase(writtenEntry()));
  for (const char* left : {"inventory", "objects.json"}) {
    fs::rename(path() / (std::string(left) + ".taken-over"), path() / left);
    EXPECT_THAT(read()->entries(), ElementsAre(entryNamed("dns")));
    EXPECT_THAT(open()->entries(), ElementsAre(entryNamed("dns")));
    expectTakenOver();
  }
}

/// Killed as soon as a file of this name is there.
class KilledInBetween : public FormerFolder, public testing::WithParamInterface<const char*> {};

TEST_P(KilledInBetween, LosesNothing) {
  for (int i = 0; i < 100; ++i) write(entryNamed("many-" + std::to_string(i)));
  const fs::path sign = path() / GetParam();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(StateDir::open(path()) ? 0 : 1);
  pid_t ended = 0;
  while (ended == 0 && !fs::exists(sign)) ended = ::waitpid(child, nullptr, WNOHANG);
  if (ended == 0) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  EXPECT_THAT(read()->entries(), SizeIs(102));
  const auto state = open();
  EXPECT_THAT(state->warnings(), IsEmpty());
  EXPECT_THAT(state->entries(), SizeIs(102));
  EXPECT_THAT(state->deletions(), SizeIs(1));
  EXPECT_FALSE(fs::exists(path() / "inventory"));
  EXPECT_FALSE(fs::exists(path() / "objects.json"));
  EXPECT_FALSE(fs::exists(path() / "state.db.new"));
}

INSTANTIATE_TEST_SUITE_P(Signs, KilledInBetween,
                         testing::Values("lock", "state.db.new", "state.db.new-journal", "state.db",
                                         "inventory.taken-over", "objects.json.taken-over"));

TEST_F(FormerFolder, LeavesOutWhatIsNotAnEntry) {
  for (const char* text : {"", "{", "[]", "{\"serverKey\": 1}", "{\"serverKey\": \"5f\"}"}) {
    const fs::path file = folder_.write("state/inventory/5f/x.json", text);
    EXPECT_THAT(read()->warnings(), ElementsAre(HasSubstr(file.string()))) << text;
  }
  folder_.write("state/objects.json", "[{\"kind\": ");
  const auto state = open();
  EXPECT_THAT(state->warnings(), SizeIs(2));
  EXPECT_THAT(state->entries(), SizeIs(2));
  EXPECT_THAT(state->deletionRequests(), IsEmpty());
  EXPECT_TRUE(fs::exists(path() / "inventory.taken-over/5f/x.json"));
}

/// A file that cannot be read: a link to itself, which root cannot read either.
class FormerUnreadable : public FormerFolder, public testing::WithParamInterface<const char*> {};

TEST_P(FormerUnreadable, IsNotTakenForLost) {
  const fs::path file = path() / GetParam();
  ASSERT_TRUE(fs::remove_all(file) > 0);
  fs::create_symlink(file, file);
  for (const auto& state : {StateDir::open(path()), StateDir::read(path())}) {
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().reason, Reason::StateUnreadable);
    EXPECT_THAT(state.error().message, HasSubstr(file.string()));
  }
  EXPECT_TRUE(fs::is_symlink(file));
  EXPECT_FALSE(fs::exists(database()));
}

INSTANTIATE_TEST_SUITE_P(Files, FormerUnreadable,
                         testing::Values("inventory", "inventory/5f/shop:web.json",
                                         "inventory/5f/server.json", "objects.json"));

}  // namespace
}  // namespace rookery::state
