#include "source/directory.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/outdated.h"
#include "fixtures/temp_dir.h"
#include "unit/source/overflow.h"

namespace rookery::source {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr auto safetyNet = 20s;

/// A manifest of one unikernel; its memory tells its versions apart.
std::string unikernel(const std::string& name, int memory = 32) {
  return fmt::format(
      "apiVersion: rookery.dev/v1alpha1\n"
      "kind: Unikernel\n"
      "metadata: {{name: {}, namespace: shop}}\n"
      "spec: {{image: {{path: web.hvt}}, memory: {}Mi}}\n",
      name, memory);
}

/// The same with a mistake that leaves the file well-formed.
std::string invalidUnikernel(const std::string& name) {
  return fmt::format(
      "apiVersion: rookery.dev/v1alpha1\n"
      "kind: Unikernel\n"
      "metadata: {{name: {}, namespace: shop}}\n"
      "spec: {{image: {{path: web.hvt}}, memory: much}}\n",
      name);
}

constexpr const char* broken = "apiVersion: rookery.dev/v1alpha1\nkind: {Unikernel\n";

api::ObjectKey keyOf(const std::string& name) { return {api::Kind::Unikernel, "shop", name}; }

/// Name and memory of each object.
std::map<std::string, std::int64_t> objectsOf(const SnapshotPtr& snapshot) {
  std::map<std::string, std::int64_t> found;
  for (const api::ObjectPtr& object : snapshot->objects) {
    found.emplace(object->metadata.name, object->as<api::Unikernel>().memory);
  }
  return found;
}

/// Why the absence of an object that came from `file` would say nothing; empty: it says that it is to go.
std::string silenceAbout(const SnapshotPtr& snapshot, const fs::path& file) {
  const auto silence =
      snapshot->silenceAbout(keyOf("any"), {.root = snapshot->roots.at(0).path, .file = file});
  return silence ? silence->cause : "";
}

std::vector<fs::path> silentFiles(const SnapshotPtr& snapshot) {
  std::vector<fs::path> files;
  for (const auto& [file, silence] : snapshot->silent) files.push_back(file);
  return files;
}

std::vector<Reason> reasonsOf(const SnapshotPtr& snapshot) {
  std::vector<Reason> reasons;
  for (const api::Problem& problem : snapshot->problems) reasons.push_back(problem.reason);
  return reasons;
}

/// Takes from this thread the right to read whatever it likes, which it has when root runs the tests.
class ModesCount {
 public:
  ModesCount() {
    ::syscall(SYS_capget, &header_, before_.data());
    auto less = before_;
    less[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
    ::syscall(SYS_capset, &header_, less.data());
  }
  ~ModesCount() { ::syscall(SYS_capset, &header_, before_.data()); }
  ModesCount(const ModesCount&) = delete;
  ModesCount& operator=(const ModesCount&) = delete;

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> before_{};
};

class DirectorySourceTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(root()); }

  fs::path root() const { return folder_.path() / "root"; }

  /// A source that only a change wakes: the period of the rescan is beyond the test.
  DirectorySource& open(std::vector<fs::path> roots) {
    DirectoryOptions options;
    options.roots = std::move(roots);
    options.debounce = 5ms;
    options.rescan = 1h;
    options.alone = false;
    return open(std::move(options));
  }
  DirectorySource& open(DirectoryOptions options) { return source_.emplace(std::move(options)); }
  DirectorySource& open() { return open({root()}); }

  /// The next snapshot, or null when nothing comes.
  SnapshotPtr next() {
    SnapshotPtr result;
    asio::co_spawn(io_, source_->next(), [&](const std::exception_ptr& error, SnapshotPtr snapshot) {
      EXPECT_FALSE(error);
      result = std::move(snapshot);
    });
    io_.restart();
    io_.run_for(safetyNet);
    EXPECT_NE(result, nullptr) << "nothing woke the source";
    return result ? result : std::make_shared<Snapshot>();
  }

  fixtures::TempDir folder_;
  asio::io_context io_;
  std::optional<DirectorySource> source_;
};

TEST_F(DirectorySourceTest, FindsManifestsAndNothingElse) {
  folder_.write("root/b.yaml", unikernel("b"));
  folder_.write("root/nested/deeper/a.yml", unikernel("a") + "---\n" + unikernel("a2"));
  folder_.write("root/c.json", R"({"apiVersion": "rookery.dev/v1alpha1", "kind": "Unikernel",
      "metadata": {"name": "c", "namespace": "shop"}, "spec": {"image": {"path": "web.hvt"}, "memory": "32Mi"}})");
  folder_.write("root/README.md", broken);
  folder_.write("root/.hidden.yaml", broken);
  folder_.write("root/.git/config.yaml", broken);
  folder_.write("root/.cache/x.yaml", broken);

  const SnapshotPtr snapshot = open().scan();

  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_EQ(snapshot->files, 3u);
  std::vector<std::string> names;
  for (const api::ObjectPtr& object : snapshot->objects) names.push_back(object->metadata.name);
  EXPECT_THAT(names, ElementsAre("a", "a2", "b", "c"));
  EXPECT_EQ(snapshot->objects[0]->origin.root, root());
  EXPECT_EQ(snapshot->objects[0]->origin.file, root() / "nested/deeper/a.yml");
  ASSERT_EQ(snapshot->roots.size(), 1u);
  EXPECT_TRUE(snapshot->roots[0].complete);
  EXPECT_FALSE(snapshot->roots[0].gitLocked);
  EXPECT_EQ(snapshot->roots[0].objects, 4u);
}

TEST_F(DirectorySourceTest, ScansAtOnceWhenNothingIsKnownYet) {
  folder_.write("root/web.yaml", unikernel("web"));
  open();
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32)));
}

TEST_F(DirectorySourceTest, SeesEveryWayOfSaving) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1));
  open().scan();

  std::ofstream(file) << unikernel("web", 2);
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 2)));
  folder_.replace("root/web.yaml", unikernel("web", 3));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 3)));
  fs::rename(file, root() / "web.yaml~");
  folder_.write("root/web.yaml", unikernel("web", 4));
  fs::remove(root() / "web.yaml~");
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 4)));
}

TEST_F(DirectorySourceTest, SeesFoldersComeMoveAndGo) {
  folder_.write("outside/team/db.yaml", unikernel("db"));
  folder_.write("root/web.yaml", unikernel("web"));
  open().scan();

  folder_.write("root/new/deeper/still/api.yaml", unikernel("api"));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("api", 32), Pair("web", 32)));
  folder_.write("root/new/deeper/still/more/cache.yaml", unikernel("cache"));
  EXPECT_THAT(objectsOf(next()), Contains(Pair("cache", 32)));
  fs::rename(folder_.path() / "outside/team", root() / "team");
  EXPECT_THAT(objectsOf(next()), Contains(Pair("db", 32)));
  folder_.write("root/team/db.yaml", unikernel("db", 64));
  EXPECT_THAT(objectsOf(next()), Contains(Pair("db", 64)));
  fs::rename(root() / "team", folder_.path() / "outside/team");
  const SnapshotPtr without = next();
  EXPECT_THAT(objectsOf(without), testing::Not(Contains(Pair("db", 64))));
  EXPECT_FALSE(without->declared.contains(keyOf("db")));
  fs::remove_all(root() / "new");
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32)));
}

TEST_F(DirectorySourceTest, MissesNothingThatAppearsDuringItsScans) {
  constexpr int folders = 60;
  open().scan();
  std::jthread writer([this] {
    for (int i = 0; i < folders; ++i) {
      folder_.write(fmt::format("root/a{0}/b/c/d/web{0}.yaml", i), unikernel(fmt::format("web{}", i)));
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + safetyNet;
  SnapshotPtr snapshot;
  do {
    snapshot = next();
  } while (snapshot->objects.size() < folders && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(snapshot->objects.size(), std::size_t{folders});
}

TEST_F(DirectorySourceTest, AChangeOfAFileThatAManifestNamesWakesIt) {
  folder_.write("root/web.yaml", unikernel("web"));
  const fs::path image = folder_.write("root/web.hvt", "1");
  open().scan();
  const std::pair<std::string, std::function<void()>> changes[] = {
      {"replaced", [&] { folder_.replace("root/web.hvt", "2"); }},
      {"written", [&] { std::ofstream(image) << "3"; }},
      {"removed", [&] { fs::remove(image); }},
      {"a link", [&] { fs::create_symlink(folder_.write("elsewhere/web.hvt", "4"), image); }},
      {"where the link leads", [&] { folder_.replace("elsewhere/web.hvt", "5"); }},
  };
  for (const auto& [name, change] : changes) {
    change();
    EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32))) << name;
  }
}

TEST_F(DirectorySourceTest, NewsOfWhatDeclaresNothingAreNoNews) {
  folder_.write("root/web.yaml", unikernel("web"));
  const fs::path log = folder_.write("root/some.log", "");
  open(DirectoryOptions{.roots = {root()}, .debounce = 0ms, .rescan = 1h}).scan();
  SnapshotPtr news;
  asio::co_spawn(io_, source_->next(),
                 [&](const std::exception_ptr&, SnapshotPtr snapshot) { news = std::move(snapshot); });
  const std::pair<std::string, std::function<void()>> changes[] = {
      {"a log", [&] { std::ofstream(log, std::ios::app) << "more\n"; }},
      {"an image that nobody names", [&] { folder_.write("root/other.hvt", "1"); }},
      {"a hidden file", [&] { folder_.write("root/.web.yaml.swp", "1"); }},
      {"the same again", [&] { folder_.write("root/web.yaml", unikernel("web")); }},
  };
  for (const auto& [name, change] : changes) {
    io_.poll();
    change();
    io_.poll();
    EXPECT_EQ(news, nullptr) << name;
  }
  folder_.write("root/api.yaml", unikernel("api"));
  io_.run_for(safetyNet);
  ASSERT_NE(news, nullptr);
  EXPECT_THAT(objectsOf(news), ElementsAre(Pair("api", 32), Pair("web", 32)));
}

TEST_F(DirectorySourceTest, ReadsAnUnchangedFileOnlyOnce) {
  const fs::path old = folder_.write("root/old.yaml", unikernel("old"));
  const fs::path young = folder_.write("root/young.yaml", unikernel("young", 32));
  fs::last_write_time(old, fs::file_time_type::clock::now() - 1h);
  const SnapshotPtr first = open().scan();
  const SnapshotPtr second = source_->scan();
  EXPECT_EQ(second->objects[0], first->objects[0]);
  EXPECT_NE(second->objects[1], first->objects[1])
      << "it may have changed within one tick of the file's clock";

  fs::last_write_time(young, fs::file_time_type::clock::now() - 1h);
  source_->scan();
  const fs::file_time_type before = fs::last_write_time(young);
  std::ofstream(young) << unikernel("young", 64);
  fs::last_write_time(young, before);
  EXPECT_THAT(objectsOf(source_->scan()), Contains(Pair("young", 64))) << "same size and mtime";
}

TEST_F(DirectorySourceTest, OverflowMeansLookingAgain) {
  open().scan();
  overflow(root());
  folder_.write("root/nested/web.yaml", unikernel("web"));  // no event of it fits into the queue
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32)));
  folder_.write("root/nested/web.yaml", unikernel("web", 64));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 64)));
}

// What no longer says anything stays as it was

TEST_F(DirectorySourceTest, ABrokenFileKeepsItsLastGoodObjects) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1) + "---\n" + unikernel("api", 1));
  open().scan();

  folder_.write("root/web.yaml", broken);
  for (int scans = 0; scans < 2; ++scans) {
    const SnapshotPtr snapshot = source_->scan();
    EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("api", 1), Pair("web", 1)));
    EXPECT_THAT(snapshot->declared, ElementsAre(keyOf("api"), keyOf("web")));
    EXPECT_THAT(silentFiles(snapshot), ElementsAre(file));
    EXPECT_THAT(snapshot->problems, testing::SizeIs(1));
    EXPECT_THAT(silenceAbout(snapshot, file), HasSubstr(file.string() + ":"));
    EXPECT_FALSE(snapshot->outdated.at(keyOf("web")).gone) << "nobody knows";
  }
  folder_.write("root/web.yaml", unikernel("web", 2));
  const SnapshotPtr repaired = source_->scan();
  EXPECT_THAT(objectsOf(repaired), ElementsAre(Pair("web", 2)));
  EXPECT_THAT(repaired->silent, IsEmpty());
  EXPECT_THAT(repaired->outdated, IsEmpty());
  EXPECT_FALSE(repaired->declared.contains(keyOf("api")));
}

TEST_F(DirectorySourceTest, ABrokenFileThatIsRemovedLosesItsObjects) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web"));
  folder_.write("root/README", "");
  open().scan();
  folder_.write("root/web.yaml", broken);
  next();
  fs::remove(file);
  const SnapshotPtr snapshot = next();
  EXPECT_THAT(snapshot->objects, IsEmpty());
  EXPECT_THAT(snapshot->declared, IsEmpty());
  EXPECT_THAT(snapshot->problems, IsEmpty());
}

TEST_F(DirectorySourceTest, AFileThatIsRenamedAndBrokenAtOnceKeepsItsObjects) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1));
  folder_.write("root/api.yaml", unikernel("api", 1));
  folder_.write("other/db.yaml", unikernel("db", 1));
  folder_.write("other/README", "");
  open({root(), folder_.path() / "other"}).scan();

  fs::rename(file, root() / "site.yaml");
  folder_.write("root/site.yaml", broken);
  fs::remove(folder_.path() / "other/db.yaml");
  for (int scans = 0; scans < 2; ++scans) {
    const SnapshotPtr snapshot = source_->scan();
    EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("api", 1), Pair("web", 1)));
    EXPECT_THAT(silenceAbout(snapshot, file), HasSubstr((root() / "site.yaml").string()));
    EXPECT_TRUE(snapshot->outdated.at(keyOf("web")).gone);
    EXPECT_THAT(snapshot->roots[1].obstacles, IsEmpty()) << "another root";
  }
  folder_.write("root/site.yaml", unikernel("site", 2));
  const SnapshotPtr repaired = source_->scan();
  EXPECT_THAT(repaired->roots[0].obstacles, IsEmpty());
  EXPECT_THAT(objectsOf(repaired), ElementsAre(Pair("api", 1), Pair("site", 2)));
}

TEST_F(DirectorySourceTest, WhatSomebodyTookOutOfItsFileIsGoneHoweverLittleCanBeRead) {
  const fs::path web = folder_.write("root/web.yaml", unikernel("web", 1));
  const fs::path api = folder_.write("root/api.yaml", unikernel("api", 1));
  folder_.write("root/db.yaml", unikernel("db", 1));
  open().scan();
  folder_.write("root/new.yaml", broken);
  folder_.write("root/.git/index.lock", "");
  fs::remove(web);
  fs::remove(api);
  source_->removed(keyOf("web"));
  source_->removed(keyOf("db"));
  for (int scans = 0; scans < 2; ++scans) {
    EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("api", 1), Pair("db", 1)))
        << "api may come back, and db's file declares it";
  }
}

TEST_F(DirectorySourceTest, AnInvalidObjectKeepsItsLastGoodVersionOnly) {
  folder_.write("root/web.yaml", unikernel("web", 1) + "---\n" + unikernel("api", 1));
  open().scan();

  folder_.write("root/web.yaml",
                invalidUnikernel("web") + "---\n" + unikernel("api", 2) + "---\n" + invalidUnikernel("new"));
  for (int scans = 0; scans < 2; ++scans) {
    const SnapshotPtr snapshot = source_->scan();
    EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("api", 2), Pair("web", 1)));
    EXPECT_THAT(snapshot->declared, ElementsAre(keyOf("api"), keyOf("new"), keyOf("web")));
    EXPECT_THAT(snapshot->problems, testing::SizeIs(2));
    EXPECT_FALSE(snapshot->outdated.at(keyOf("web")).gone);
  }
}

TEST_F(DirectorySourceTest, ADuplicateIsAnErrorOnBothPlaces) {
  folder_.write("root/a.yaml", unikernel("web", 1));
  open().scan();

  folder_.write("root/b.yaml", unikernel("web", 2) + "---\n" + unikernel("new", 1));
  folder_.write("root/c.yaml", unikernel("new", 2));
  const SnapshotPtr snapshot = next();

  EXPECT_THAT(reasonsOf(snapshot), ElementsAre(Reason::DuplicateObject, Reason::DuplicateObject,
                                               Reason::DuplicateObject, Reason::DuplicateObject));
  EXPECT_EQ(snapshot->problems.front().origin.file, root() / "a.yaml");
  EXPECT_EQ(snapshot->problems.back().origin.file, root() / "c.yaml");
  EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("web", 1))) << "the version from before there were two";
  EXPECT_THAT(snapshot->declared, ElementsAre(keyOf("new"), keyOf("web")));

  fs::remove(root() / "a.yaml");
  fs::remove(root() / "c.yaml");
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("new", 1), Pair("web", 2)));
}

TEST_F(DirectorySourceTest, AGitLockSuspendsAbsence) {
  folder_.write("root/.git/HEAD", "ref: refs/heads/main\n");
  folder_.write("root/deploy/web.yaml", unikernel("web"));
  folder_.write("root/deploy/README", "");
  const fs::path deploy = root() / "deploy";
  open({deploy}).scan();

  folder_.write("root/.git/index.lock", "");
  fs::remove(deploy / "web.yaml");
  const SnapshotPtr locked = next();
  ASSERT_EQ(locked->roots.size(), 1u);
  EXPECT_TRUE(locked->roots[0].gitLocked);
  EXPECT_THAT(objectsOf(locked), ElementsAre(Pair("web", 32)));
  EXPECT_TRUE(locked->outdated.at(keyOf("web")).gone);
  EXPECT_THAT(locked->outdated.at(keyOf("web")).silence.cause, HasSubstr("index.lock stands there since"));

  fs::remove(root() / ".git/index.lock");
  const SnapshotPtr unlocked = next();
  EXPECT_FALSE(unlocked->roots[0].gitLocked);
  EXPECT_THAT(unlocked->objects, IsEmpty());
}

TEST_F(DirectorySourceTest, ALockOfALinkedWorkTreeOrOfOneBelowCounts) {
  folder_.write("root/.git", "gitdir: ../repository/worktrees/root\n");
  folder_.write("root/library/.git/HEAD", "");
  folder_.write("repository/worktrees/root/HEAD", "");
  EXPECT_FALSE(open().scan()->roots[0].gitLocked);

  folder_.write("repository/worktrees/root/index.lock", "");
  EXPECT_TRUE(next()->roots[0].gitLocked);
  fs::remove(folder_.path() / "repository/worktrees/root/index.lock");
  EXPECT_FALSE(next()->roots[0].gitLocked);
  folder_.write("root/library/.git/index.lock", "");
  EXPECT_TRUE(next()->roots[0].gitLocked);
}

// What is there, and does not say what became of its objects

TEST_F(DirectorySourceTest, AFileWithoutItsObjectsIsNoWish) {
  const std::pair<std::string, std::string> contents[] = {
      {"0 bytes", ""},
      {"white space", " \n\n"},
      {"a byte order mark", "\xEF\xBB\xBF"},
      {"comments", "# later\n"},
      {"separators", "---\n---\n"},
      {"null", "null\n"},
      {"an empty List", "apiVersion: v1\nkind: List\nitems: []\n"},
      {"an empty list of ours", "apiVersion: rookery.dev/v1alpha1\nkind: UnikernelList\nitems: []\n"},
      {"somebody else's", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"},
      {"not YAML", "{{ template }}\n"},
      {"zeros", std::string(100, '\0')}};
  for (const auto& [name, content] : contents) {
    const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1));
    folder_.write("root/api.yaml", unikernel("api", 1));
    open().scan();
    folder_.write("root/web.yaml", content);
    EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("api", 1), Pair("web", 1))) << name;
    // Who begins anew, as `apply` and a restarted `run` do, has no objects, and does not take them for
    // removed.
    EXPECT_THAT(silenceAbout(open().scan(), file), HasSubstr(file.string())) << name;
    fs::remove(file);
    EXPECT_EQ(silenceAbout(open().scan(), file), "") << name << ": removed, it is a wish";
  }
}

TEST_F(DirectorySourceTest, ADocumentTakenOutOfSeveralIsAWish) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web") + "---\n" + unikernel("api"));
  open().scan();
  folder_.write("root/web.yaml", unikernel("web"));
  EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("web", 32)));
  EXPECT_EQ(silenceAbout(open().scan(), file), "");
}

TEST_F(DirectorySourceTest, WhereverAFileIsCutNothingOfItIsTakenForRemoved) {
  const std::string one = unikernel("one"), two = unikernel("two"), three = unikernel("three");
  const std::string whole = one + "---\n" + two + "---\n" + three;
  // There it is what somebody may have written who wants the rest to go.
  const std::set<std::size_t> wishes = {one.size(), (one + "---\n" + two).size(), whole.size()};
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const fs::path file = folder_.write("root/web.yaml", whole.substr(0, length));
    EXPECT_EQ(silenceAbout(open().scan(), file).empty(), wishes.contains(length)) << length;
  }
}

TEST_F(DirectorySourceTest, WhatAFileSaysThatMayHaveLostItsEndDoesNotCount) {
  const std::string whole = unikernel("web", 64);
  folder_.write("root/web.yaml", whole);
  EXPECT_THAT(objectsOf(open().scan()), ElementsAre(Pair("web", 64)));

  // Valid, and another: "memory: 64Mi" has become what a default says.
  const std::string cut =
      "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: web, namespace: shop}\n"
      "spec:\n  image: {path: web.hvt}\n  memory: 6Mi";
  for (int i = 0; i < 2; ++i) {
    folder_.write("root/web.yaml", cut);
    const SnapshotPtr kept = source_->scan();
    EXPECT_THAT(objectsOf(kept), ElementsAre(Pair("web", 64)));
    ASSERT_EQ(kept->problems.size(), 1);
    EXPECT_THAT(kept->problems[0].message, HasSubstr("end it with a line break"));
  }
  folder_.write("root/web.yaml", cut + "\n");
  EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("web", 6)));
  folder_.write("root/web.yaml", cut);
  EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("web", 6)));
  // Its author never ends it with one.
  folder_.write("root/web.yaml", cut.substr(0, cut.size() - 3) + "7Mi");
  EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("web", 7)));
}

TEST_F(DirectorySourceTest, WhatIsMissingBesideAMistakeIsKept) {
  const std::string instance =
      "apiVersion: rookery.dev/v1alpha1\nkind: AlbatrossInstance\nmetadata: {name: eu}\n"
      "spec: {endpoint: '127.0.0.1:1025', rootNamespace: shop,\n"
      "  credentials: {files: {ca: a, certificate: b, privateKey: c}}}\n";
  const std::string dangling =
      "apiVersion: rookery.dev/v1alpha1\nkind: Unikernel\nmetadata: {name: api, namespace: shop}\n"
      "spec: {instance: us, image: {path: web.hvt}}\n";
  const std::pair<std::string, std::string> mistakes[] = {
      {"schema", invalidUnikernel("api")},
      {"reference", dangling},
      {"duplicate", unikernel("other")},
      {"unknown kind", "apiVersion: rookery.dev/v1alpha1\nkind: Unikernl\nmetadata: {name: x}\n"}};
  folder_.write("root/instance.yaml", instance);
  folder_.write("root/other.yaml", unikernel("other"));
  for (const auto& [name, mistake] : mistakes) {
    const fs::path file = folder_.write("root/web.yaml", unikernel("web") + "---\n" + mistake);
    EXPECT_THAT(silenceAbout(open(DirectoryOptions{.roots = {root()}}).scan(), file),
                HasSubstr("There is a mistake in the file: " + file.string()))
        << name;
  }
}

TEST_F(DirectorySourceTest, AFileThatIsBeingWrittenCountsOnceItIsWhole) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1) + "---\n" + unikernel("api", 1));
  open().scan();
  {
    std::ofstream writer(file);
    writer << unikernel("web", 2) << std::flush;
    const SnapshotPtr written = source_->scan();
    EXPECT_THAT(objectsOf(written), ElementsAre(Pair("api", 1), Pair("web", 1)));
    EXPECT_THAT(reasonsOf(written), ElementsAre(Reason::BeingWritten));
    const api::Outdated& outdated = written->outdated.at(keyOf("api"));
    EXPECT_FALSE(outdated.gone);
    EXPECT_TRUE(outdated.silence.passing);
    EXPECT_THAT(outdated.silence.cause, HasSubstr("is being written"));
    writer << "---\n" << unikernel("api", 2);
  }
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("api", 2), Pair("web", 2)));
}

TEST_F(DirectorySourceTest, ALogThatIsAlwaysOpenIsNobodysManifest) {
  std::ofstream log(folder_.path() / "root/log.json");
  log << std::string(10'000, ' ') << std::flush;
  const SnapshotPtr snapshot = open().scan();
  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_EQ(silenceAbout(snapshot, root() / "web.yaml"), "");
}

TEST_F(DirectorySourceTest, ARootThatBecomesAnotherKindOfThingKeepsItsObjects) {
  folder_.write("root/web.yaml", unikernel("web"));
  open().scan();
  fs::remove_all(root());
  folder_.write("root", unikernel("other"));
  EXPECT_THAT(objectsOf(source_->scan()), ElementsAre(Pair("other", 32), Pair("web", 32)));
  fs::remove_all(root());
  folder_.write("root/more/api.yaml", unikernel("api"));
  EXPECT_THAT(silenceAbout(open().scan(), root()), HasSubstr("was a file, and is a folder now"));
}

TEST_F(DirectorySourceTest, WhatOtherProgramsKeepThereIsPassedOver) {
  folder_.write("root/web.yaml", unikernel("web"));
  folder_.write("root/docker-compose.yml", "services: {web: {image: nginx, deploy: {replicas: 2}}}\n");
  folder_.write("root/package.json", R"({"name": "fleet"})");
  folder_.write("root/renovate.json", "{\n  // daily\n  \"extends\": []\n}\n");
  folder_.write("root/mkdocs.yml", "markdown_extensions:\n- x: !!python/name:y.z\n");
  folder_.write("root/vault.yml", "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n");
  folder_.write("root/play.yml", "- hosts: all\n  tasks: []\n");
  folder_.write("root/chart/templates/deploy.yaml", "{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n");
  folder_.write("root/kustomization.yaml", "resources: [web.yaml]\n");
  folder_.write("root/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
  fs::create_symlink("nowhere", root() / "latest");

  const SnapshotPtr snapshot = open().scan();

  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_EQ(snapshot->files, 1u);
  EXPECT_EQ(snapshot->passedOver.size(), 10u);
  EXPECT_EQ(silenceAbout(snapshot, root() / "removed.yaml"), "");
}

// What a .rookeryignore says

TEST_F(DirectorySourceTest, LeavesOutWhatIsIgnored) {
  folder_.write("root/.rookeryignore", "drafts/\n*.tmp.yaml\n!keep.tmp.yaml\n");
  folder_.write("root/web.yaml", unikernel("web"));
  folder_.write("root/a.tmp.yaml", broken);
  folder_.write("root/keep.tmp.yaml", unikernel("keep"));
  folder_.write("root/drafts/new.yaml", broken);
  folder_.write("root/team/.rookeryignore", "/web.yaml\n!x.tmp.yaml\n");
  folder_.write("root/team/web.yaml", broken);
  folder_.write("root/team/x.tmp.yaml", unikernel("x"));
  folder_.write("root/team/below/web.yaml", unikernel("below"));
  const SnapshotPtr snapshot = open().scan();
  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_THAT(objectsOf(snapshot),
              ElementsAre(Pair("below", 32), Pair("keep", 32), Pair("web", 32), Pair("x", 32)));
  EXPECT_THAT(snapshot->ignored,
              ElementsAre(Pair(root() / "a.tmp.yaml", (root() / ".rookeryignore").string() + ":2"),
                          Pair(root() / "drafts", (root() / ".rookeryignore").string() + ":1"),
                          Pair(root() / "team/web.yaml", (root() / "team/.rookeryignore").string() + ":1")));
}

TEST_F(DirectorySourceTest, ToIgnoreIsNotToRemove) {
  const fs::path file = folder_.write("root/team/web.yaml", unikernel("web"));
  folder_.write("root/api.yaml", unikernel("api"));
  open().scan();
  folder_.write("root/.rookeryignore", "team\n");
  const SnapshotPtr ignored = next();
  EXPECT_THAT(objectsOf(ignored), ElementsAre(Pair("api", 32), Pair("web", 32)));
  EXPECT_THAT(ignored->outdated.at(keyOf("web")).silence.cause, HasSubstr(".rookeryignore:1"));
  fs::remove_all(root() / "team");
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("api", 32)));
}

TEST_F(DirectorySourceTest, RulesThatCannotBeReadHideTheirFolder) {
  folder_.write("root/team/web.yaml", unikernel("web"));
  folder_.write("root/api.yaml", unikernel("api"));
  open().scan();
  fs::create_directory(root() / "team/.rookeryignore");
  folder_.write("root/team/draft.yaml", unikernel("draft"));
  const SnapshotPtr snapshot = source_->scan();
  EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("api", 32), Pair("web", 32)));
  EXPECT_THAT(reasonsOf(snapshot), ElementsAre(Reason::SourceUnreadable));
}

// Links

TEST_F(DirectorySourceTest, FollowsTheSwapsOfGitSync) {
  folder_.write("root/rev-1/web.yaml", unikernel("web", 1));
  fs::create_directory_symlink("rev-1", root() / "current");
  const fs::path current = root() / "current";
  open({current}).scan();

  for (int revision = 2; revision < 5; ++revision) {
    const std::string name = fmt::format("rev-{}", revision);
    folder_.write("root/" + name + "/web.yaml", unikernel("web", revision));
    fs::create_directory_symlink(name, root() / "next");
    fs::rename(root() / "next", current);
    fs::remove_all(root() / fmt::format("rev-{}", revision - 1));
    const SnapshotPtr snapshot = next();
    EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("web", revision)));
    EXPECT_THAT(snapshot->problems, IsEmpty());
    EXPECT_EQ(snapshot->objects.at(0)->origin.file, current / "web.yaml");
  }
}

TEST_F(DirectorySourceTest, FollowsTheSwapsOfAConfigMap) {
  folder_.write("root/..2024_1/web.yaml", unikernel("web", 1));
  fs::create_directory_symlink("..2024_1", root() / "..data");
  fs::create_symlink("..data/web.yaml", root() / "web.yaml");
  EXPECT_THAT(objectsOf(open().scan()), ElementsAre(Pair("web", 1)));

  for (int version = 2; version < 5; ++version) {
    const std::string name = fmt::format("..2024_{}", version);
    folder_.write("root/" + name + "/web.yaml", unikernel("web", version));
    fs::create_directory_symlink(name, root() / "..data_tmp");
    fs::rename(root() / "..data_tmp", root() / "..data");
    fs::remove_all(root() / fmt::format("..2024_{}", version - 1));
    const SnapshotPtr snapshot = next();
    EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("web", version)));
    EXPECT_THAT(snapshot->problems, IsEmpty());
  }
}

TEST_F(DirectorySourceTest, EntersEachRealFolderOnceAndReadsEachRealFileOnce) {
  folder_.write("root/real/web.yaml", unikernel("web"));
  fs::create_directory_symlink("..", root() / "real/up");
  fs::create_directory_symlink("real", root() / "again");
  fs::create_symlink("real/web.yaml", root() / "web.yaml");

  const SnapshotPtr snapshot = open({root(), root() / "real"}).scan();

  EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("web", 32)));
  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_EQ(snapshot->files, 1u);
}

TEST_F(DirectorySourceTest, SeesChangesBehindALinkThatLeadsOut) {
  folder_.write("outside/web.yaml", unikernel("web", 1));
  fs::create_symlink("../outside/web.yaml", root() / "web.yaml");
  open().scan();
  folder_.write("outside/web.yaml", unikernel("web", 2));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 2)));
}

// Roots that cannot be seen whole

TEST_F(DirectorySourceTest, ARootThatAppearsLaterIsSeen) {
  const fs::path late = folder_.path() / "a/b/manifests";
  const SnapshotPtr missing = open({late}).scan();
  EXPECT_FALSE(missing->roots[0].complete);
  ASSERT_THAT(reasonsOf(missing), ElementsAre(Reason::SourceUnreadable));
  EXPECT_EQ(missing->problems[0].origin.file, late);
  EXPECT_THAT(missing->problems[0].message, HasSubstr("No such file"));

  fs::create_directory(folder_.path() / "a");
  EXPECT_FALSE(next()->roots[0].complete);
  folder_.write("a/b/manifests/web.yaml", unikernel("web"));
  const SnapshotPtr there = next();
  EXPECT_TRUE(there->roots[0].complete);
  EXPECT_THAT(there->problems, IsEmpty());
  EXPECT_THAT(objectsOf(there), ElementsAre(Pair("web", 32)));
}

TEST_F(DirectorySourceTest, ARootThatVanishesKeepsItsObjectsUntilItIsBack) {
  const fs::path file = folder_.write("root/web.yaml", unikernel("web", 1));
  open().scan();

  fs::rename(root(), folder_.path() / "away");
  const SnapshotPtr gone = next();
  EXPECT_FALSE(gone->roots[0].complete);
  EXPECT_THAT(objectsOf(gone), ElementsAre(Pair("web", 1)));
  EXPECT_TRUE(gone->declared.contains(keyOf("web")));
  EXPECT_THAT(silenceAbout(gone, file), HasSubstr("No such file"));
  EXPECT_FALSE(gone->outdated.at(keyOf("web")).gone) << "nobody knows";

  fs::create_directory(root());
  const SnapshotPtr back = next();
  EXPECT_TRUE(back->roots[0].complete);
  EXPECT_THAT(objectsOf(back), ElementsAre(Pair("web", 1))) << "as where nothing is mounted";
  EXPECT_THAT(silenceAbout(back, file), HasSubstr("is empty, as if what is mounted there were missing"));
  folder_.write("root/web.yaml", unikernel("web", 2));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 2)));
}

TEST_F(DirectorySourceTest, ADanglingLinkHidesOnlyWhatCameFromBelowIt) {
  folder_.write("root/web.yaml", unikernel("web"));
  folder_.write("root/api.yaml", unikernel("api"));
  folder_.write("outside/db.yaml", unikernel("db"));
  fs::create_directory_symlink("../outside", root() / "team");
  fs::create_directory_symlink("nowhere", root() / "latest");
  open().scan();

  fs::rename(folder_.path() / "outside", folder_.path() / "away");
  fs::remove(root() / "api.yaml");
  const SnapshotPtr snapshot = source_->scan();
  EXPECT_THAT(snapshot->problems, IsEmpty());
  EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("db", 32), Pair("web", 32)));
  EXPECT_THAT(snapshot->outdated.at(keyOf("db")).silence.cause, HasSubstr((root() / "team").string()));
  EXPECT_EQ(silenceAbout(snapshot, root() / "api.yaml"), "");
}

TEST_F(DirectorySourceTest, SaysWhatItCouldNotLookInto) {
  folder_.write("root/web.yaml", unikernel("web"));
  fs::create_symlink("nowhere", root() / "api.yaml");
  const SnapshotPtr file = open().scan();
  EXPECT_TRUE(file->roots[0].complete);
  EXPECT_THAT(silentFiles(file), ElementsAre(root() / "api.yaml"));

  const SnapshotPtr notAFolder = open({root() / "web.yaml/below"}).scan();
  EXPECT_FALSE(notAFolder->roots[0].complete);
  EXPECT_THAT(notAFolder->problems.at(0).message, HasSubstr("Not a directory"));
}

TEST_F(DirectorySourceTest, WhatMayNotBeReadKeepsWhatItDeclared) {
  folder_.write("root/team/web.yaml", unikernel("web"));
  const fs::path file = folder_.write("root/api.yaml", unikernel("api"));
  open().scan();

  fs::permissions(root() / "team", fs::perms::none);
  fs::permissions(file, fs::perms::none);
  SnapshotPtr snapshot;
  {
    const ModesCount modesCount;
    snapshot = source_->scan();
  }
  fs::permissions(root() / "team", fs::perms::owner_all);

  EXPECT_THAT(silenceAbout(snapshot, root() / "team/web.yaml"), HasSubstr((root() / "team").string()));
  EXPECT_THAT(objectsOf(snapshot), ElementsAre(Pair("api", 32), Pair("web", 32)));
  EXPECT_THAT(reasonsOf(snapshot), ElementsAre(Reason::SourceUnreadable, Reason::SourceUnreadable));
  EXPECT_EQ(snapshot->problems[0].toString(),
            file.string() + ": the file cannot be opened: Permission denied");
  EXPECT_EQ(snapshot->problems[1].toString(),
            (root() / "team").string() +
                ": It cannot be read (Permission denied); what it declared stays as it was.");
}

TEST_F(DirectorySourceTest, DoesNotOpenWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo((root() / "web.yaml").c_str(), 0600), 0);
  const SnapshotPtr snapshot = open().scan();
  EXPECT_THAT(reasonsOf(snapshot), ElementsAre(Reason::SourceUnreadable));
  EXPECT_THAT(silentFiles(snapshot), ElementsAre(root() / "web.yaml"));
}

TEST_F(DirectorySourceTest, ARootMayBeASingleFile) {
  const fs::path file = folder_.write("root/web.manifest", unikernel("web", 1));
  folder_.write("root/other.yaml", unikernel("other"));
  EXPECT_THAT(objectsOf(open({file}).scan()), ElementsAre(Pair("web", 1)));

  folder_.replace("root/web.manifest", unikernel("web", 2));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 2)));
  fs::remove(file);
  const SnapshotPtr removed = next();
  EXPECT_FALSE(removed->roots[0].complete);
  EXPECT_THAT(objectsOf(removed), ElementsAre(Pair("web", 2)));
}

TEST_F(DirectorySourceTest, ProblemsComeInTheOrderOfTheirPlaces) {
  folder_.write("root/b.yaml", invalidUnikernel("b1") + "---\n" + invalidUnikernel("b2"));
  folder_.write("root/a.yaml", broken);
  fs::create_symlink("nowhere", root() / "ab.yaml");
  const SnapshotPtr first = open().scan();
  std::vector<std::string> files;
  for (const api::Problem& problem : first->problems) files.push_back(problem.origin.file.get().filename());
  EXPECT_THAT(files, ElementsAre("a.yaml", "ab.yaml", "b.yaml", "b.yaml"));
  EXPECT_LT(first->problems[2].origin.line, first->problems[3].origin.line);
  EXPECT_EQ(source_->scan()->problems, first->problems);
}

// Waiting

TEST_F(DirectorySourceTest, ThePeriodSufficesWithoutWatches) {
  DirectoryOptions options;
  options.roots = {root()};
  options.rescan = 1ms;
  options.watch = false;
  open(options).scan();
  folder_.write("root/web.yaml", unikernel("web"));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32)));
}

TEST_F(DirectorySourceTest, ChangesWithoutEndDoNotStarveIt) {
  DirectoryOptions options;
  options.roots = {root()};
  options.debounce = 1h;
  options.debounceLimit = 5ms;
  options.rescan = 2h;
  open(options).scan();
  folder_.write("root/web.yaml", unikernel("web"));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32)));
}

TEST_F(DirectorySourceTest, IsWokenAtOnce) {
  for (const bool watch : {true, false}) {
    DirectorySource& source = open(DirectoryOptions{
        .roots = {root()}, .debounce = 1h, .debounceLimit = 1h, .rescan = 1h, .watch = watch});
    source.scan();
    folder_.write("root/web.yaml", unikernel("web", watch ? 32 : 64));
    source.wake();
    EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", watch ? 32 : 64)));
  }
}

/// All that a snapshot says of what is declared.
std::string describeDeclared(const Snapshot& snapshot) {
  std::string text;
  for (const api::ObjectPtr& object : snapshot.objects)
    text += fmt::format("{} {} {}\n", object->key().toString(), object->origin.toString(),
                        object->manifest.unpack().dump());
  for (const api::ObjectKey& key : snapshot.declared) text += key.toString() + "\n";
  for (const api::Problem& problem : snapshot.problems) text += problem.toString() + "\n";
  for (const Root& root : snapshot.roots)
    text += fmt::format("{} has {}\n", root.path.string(), root.objects);
  return text + std::to_string(snapshot.files);
}

TEST_F(DirectorySourceTest, AfterEachOfManyEditsItSaysWhatAScanOfEverythingSays) {
  std::mt19937 random(1);
  const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  std::map<int, std::map<int, int>> files;  // the memory of each unikernel
  const auto write = [&](int file) {
    std::string text;
    for (const auto& [object, memory] : files[file])
      text += "---\n" + unikernel(fmt::format("web-{}-{}", file, object), memory);
    folder_.replace(fmt::format("root/{}/all.yaml", file), text);
  };
  for (int file = 0; file < 3; ++file) {
    files[file] = {{0, 32}, {1, 32}, {2, 32}};
    write(file);
  }
  open().scan();
  for (int memory = 33; memory < 120; ++memory) {
    const int file = below(3), object = below(5);
    std::map<int, int>& objects = files[file];
    if (below(6) == 0 && objects.size() > 1 && objects.contains(object)) {
      objects.erase(object);
    } else {
      objects[object] = memory;
    }
    write(file);
    const SnapshotPtr found = next();
    DirectorySource other({.roots = {root()}, .watch = false, .alone = false});
    ASSERT_EQ(describeDeclared(*found), describeDeclared(*other.scan()));
  }
}

TEST_F(DirectorySourceTest, AnEditOfAFileIsNoOtherLookAtWhatIsMissing) {
  folder_.write("root/web.yaml", unikernel("web"));
  folder_.write("root/db.yaml", unikernel("db"));
  const SnapshotPtr first = open().scan();
  folder_.replace("root/web.yaml", unikernel("web", 64));
  const SnapshotPtr edited = next();
  EXPECT_THAT(objectsOf(edited), ElementsAre(Pair("db", 32), Pair("web", 64)));
  EXPECT_EQ(edited->begun, first->begun);
  EXPECT_EQ(edited->scannedAt, first->scannedAt);
  EXPECT_EQ(edited->objects.front(), first->objects.front());
  folder_.replace("root/web.yaml", unikernel("web2", 64));
  const SnapshotPtr missing = next();
  EXPECT_FALSE(missing->declared.contains(keyOf("web")));
  EXPECT_GT(missing->begun, first->begun);
}

TEST_F(DirectorySourceTest, EndsEmptyWhenCancelled) {
  open().scan();
  asio::cancellation_signal cancel;
  std::optional<SnapshotPtr> result;
  asio::co_spawn(
      io_, source_->next(),
      asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& error, SnapshotPtr snapshot) {
        EXPECT_FALSE(error);
        result = std::move(snapshot);
      }));
  asio::post(io_, [&] { cancel.emit(asio::cancellation_type::terminal); });
  io_.run_for(safetyNet);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, nullptr);

  folder_.write("root/web.yaml", unikernel("web"));
  EXPECT_THAT(objectsOf(next()), ElementsAre(Pair("web", 32))) << "and can be used again";
}

/// A repository beside the root, and the root as a linked work tree of it, or as one itself.
class CheckedOut : public DirectorySourceTest {
 protected:
  void commit(char digit) const { folder_.write("root/.git/refs/heads/main", std::string(40, digit) + "\n"); }
  static std::string revisionOf(const SnapshotPtr& snapshot) {
    const auto& revision = snapshot->roots.at(0).revision;
    return revision ? revision->toString() : "";
  }
};

TEST_F(CheckedOut, SaysAtWhichCommitAndWhenThatIsAnother) {
  folder_.write("root/.git/HEAD", "ref: refs/heads/main\n");
  commit('a');
  folder_.write("root/web.yaml", unikernel("web"));
  EXPECT_EQ(revisionOf(open().scan()), "main@sha1:" + std::string(40, 'a'));

  commit('b');  // of nothing that is declared
  EXPECT_EQ(revisionOf(next()), "main@sha1:" + std::string(40, 'b'));

  folder_.write("root/.git/packed-refs", std::string(40, 'c') + " refs/heads/main\n");
  fs::remove(root() / ".git/refs/heads/main");
  SnapshotPtr packed = next();
  while (packed != nullptr && revisionOf(packed) != "main@sha1:" + std::string(40, 'c')) packed = next();
  EXPECT_NE(packed, nullptr);
}

TEST_F(CheckedOut, SaysTheCommitOfTheLinkThatWasSwapped) {
  for (const char digit : {'a', 'b'}) {
    const std::string name(40, digit);
    folder_.write("git/worktrees/" + name + "/HEAD", name + "\n");
    folder_.write("git/worktrees/" + name + "/commondir", "../..\n");
    folder_.write("trees/" + name + "/.git", "gitdir: ../../git/worktrees/" + name + "\n");
    folder_.write("trees/" + name + "/web.yaml", unikernel("web"));
  }
  const fs::path link = folder_.path() / "current";
  fs::create_directory_symlink("trees/" + std::string(40, 'a'), link);
  EXPECT_EQ(revisionOf(open({link}).scan()), "sha1:" + std::string(40, 'a'));
  fs::create_directory_symlink("trees/" + std::string(40, 'b'), folder_.path() / "new");
  fs::rename(folder_.path() / "new", link);
  EXPECT_EQ(revisionOf(next()), "sha1:" + std::string(40, 'b'));
}

TEST_F(CheckedOut, SaysNothingWhereSeveralLieBelow) {
  folder_.write("root/one/.git/HEAD", std::string(40, 'a'));
  EXPECT_EQ(revisionOf(open().scan()), "sha1:" + std::string(40, 'a'));
  folder_.write("root/two/.git/HEAD", std::string(40, 'b'));
  EXPECT_EQ(revisionOf(open().scan()), "");
}

}  // namespace
}  // namespace rookery::source
