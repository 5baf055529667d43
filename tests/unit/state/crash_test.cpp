#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "fixtures/limits.h"
#include "fixtures/process.h"
#include "unit/state/state_files.h"

namespace rookery::state {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int pageSize = 4096;
constexpr const char* folderVariable = "ROOKERY_TEST_STATE";

/// A process that records entries, several at a time, and says of each that it is on the disk.
class Recorder {
 public:
  Recorder(const fs::path& folder, int lanes) {
    int ends[2];
    check(::pipe(ends) == 0, "there is a pipe");
    process_ = ::fork();
    if (process_ == 0) {
      ::close(ends[0]);
      record(folder, lanes, ends[1]);
      ::_exit(1);
    }
    ::close(ends[1]);
    acknowledged_ = ends[0];
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder() { ::close(acknowledged_); }

  /// The numbers of the entries that were on the disk when it was killed, which it was after so many of them.
  std::vector<int> killAfter(std::size_t count) const {
    std::vector<int> numbers;
    int number = 0;
    while (numbers.size() < count && ::read(acknowledged_, &number, sizeof number) == sizeof number)
      numbers.push_back(number);
    ::kill(process_, SIGKILL);
    while (::read(acknowledged_, &number, sizeof number) == sizeof number) numbers.push_back(number);
    ::waitpid(process_, nullptr, 0);
    return numbers;
  }

 private:
  static asio::awaitable<void> lane(StateDir& state, int& next, int acknowledged) {
    for (;;) {
      const int number = next++;
      plan::Entry entry = entryNamed("web-" + std::to_string(number));
      entry.file = std::string(500, 'x');
      const Result<void> written = co_await state.record(std::move(entry));
      if (!written || ::write(acknowledged, &number, sizeof number) != sizeof number) ::_exit(2);
    }
  }
  static void record(const fs::path& folder, int lanes, int acknowledged) {
    const auto state = StateDir::open(folder);
    if (!state) return;
    asio::io_context context;
    int next = 0;
    for (int i = 0; i < lanes; ++i)
      asio::co_spawn(context, lane(**state, next, acknowledged), asio::detached);
    context.run();
  }

  pid_t process_;
  int acknowledged_;
};

class Crash : public StateFiles {
 protected:
  /// What a process leaves that writes these entries and is killed: a database, and what is not in it yet.
  void leaveBehind(const std::vector<plan::Entry>& entries) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto state = StateDir::open(path());
      for (const plan::Entry& entry : entries) {
        if (!state || !(*state)->put(entry)) ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(fs::exists(wal()));
  }
  fs::path wal() const { return path() / "state.db-wal"; }
};

class Killed : public Crash, public testing::WithParamInterface<int> {};

TEST_P(Killed, LosesNothingThatItSaidToBeOnTheDisk) {
  for (const std::size_t count : {0u, 1u, 2u, 3u, 5u, 8u, 13u, 40u, 100u}) {
    fs::remove_all(path());
    const std::vector<int> acknowledged = Recorder(path(), GetParam()).killAfter(count);
    EXPECT_GE(acknowledged.size(), count);
    const auto before = read();
    const auto state = open();
    ASSERT_TRUE(before && state);
    EXPECT_THAT(state->warnings(), IsEmpty());
    EXPECT_EQ(before->entries(), state->entries());
    const plan::SharedInventory inventory = state->inventoryOf("5f");
    for (const int number : acknowledged)
      EXPECT_TRUE(inventory.contains({{"shop"}, "web-" + std::to_string(number)}))
          << number << " of " << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Lanes, Killed, testing::Values(1, 16));

TEST_F(Crash, IsReadWithoutTheFileThatIsMadeAnew) {
  leaveBehind({writtenEntry()});
  fs::remove(path() / "state.db-shm");  // as a backup has it
  EXPECT_THAT(read()->entries(), ElementsAre(writtenEntry()));
  EXPECT_FALSE(fs::exists(path() / "state.db-shm"));
  EXPECT_THAT(open()->entries(), ElementsAre(writtenEntry()));
}

TEST_F(Crash, OfALaterReleaseIsNotTouched) {
  leaveBehind({writtenEntry()});
  fs::copy(path(), folder_.path() / "copy");
  execute("UPDATE meta SET value = 2;");
  fs::copy_file(database(), folder_.path() / "copy/state.db", fs::copy_options::overwrite_existing);
  fs::remove_all(path());
  fs::copy(folder_.path() / "copy", path());
  const std::string before = fixtures::readFile(database()), log = fixtures::readFile(wal());
  EXPECT_FALSE(StateDir::open(path()));
  EXPECT_EQ(fixtures::readFile(database()), before);
  EXPECT_EQ(fixtures::readFile(wal()), log);
}

/// As it is when a disk did not write all that it said to have written.
class TornTail : public Crash {
 protected:
  void SetUp() override {
    leaveBehind({entryNamed("a"), entryNamed("b"), entryNamed("c")});
    whole_ = fixtures::readFile(wal());
    fs::copy(path(), kept_);
  }
  /// The entries that are there with another end of what was not in the database yet.
  std::size_t entriesWith(const std::string& log) {
    fs::remove_all(path());
    fs::copy(kept_, path());
    fixtures::writeFile(wal(), log);
    const auto before = read();
    const auto state = open();
    EXPECT_THAT(state->warnings(), IsEmpty());
    EXPECT_EQ(before->entries(), state->entries());
    EXPECT_TRUE(state->put(entryNamed("d")));
    return state->entries().size() - 1;
  }

  fs::path kept_ = folder_.path() / "kept";
  std::string whole_;
};

TEST_F(TornTail, CostsNoMoreThanWhatStoodThere) {
  EXPECT_EQ(entriesWith(whole_), 3u);
  for (std::size_t size = 0; size < whole_.size(); size += 997)
    EXPECT_LE(entriesWith(whole_.substr(0, size)), 3u) << size;
  for (std::size_t at = 0; at < whole_.size(); at += 1499) {
    std::string garbled = whole_;
    garbled[at] = static_cast<char>(garbled[at] ^ 0x5a);
    EXPECT_LE(entriesWith(garbled), 3u) << at;
  }
}

TEST_F(Crash, ADamagedPageIsSetAsideOrDoesNotMatter) {
  {
    const auto state = open();
    for (int i = 0; i < 40; ++i) {
      plan::Entry entry = entryNamed("web-" + std::to_string(i));
      entry.file = std::string(3'000, 'x');
      ASSERT_TRUE(state->put(entry));
    }
    state->identify(plan::keyOf("shop/web"), "x", {});
    ASSERT_TRUE(state->saveIdentities());
  }
  const std::string whole = fixtures::readFile(database());
  std::size_t setAside = 0;
  for (std::size_t page = 0; page < whole.size(); page += pageSize) {
    std::string garbled = whole;
    for (std::size_t at = page; at < page + pageSize; at += 7) garbled[at] = static_cast<char>(at * 31);
    fs::remove_all(path());
    fixtures::writeFile(database(), garbled);
    const auto before = read();
    const auto state = open();
    ASSERT_TRUE(before && state);
    EXPECT_EQ(before->entries(), state->entries());
    EXPECT_TRUE(state->put(entryNamed("new")));
    if (fs::exists(path() / "state.db.corrupt")) {
      ++setAside;
      EXPECT_THAT(state->warnings(), ElementsAre(HasSubstr("set aside as state.db.corrupt")));
      EXPECT_EQ(fixtures::readFile(path() / "state.db.corrupt"), garbled);
    }
  }
  EXPECT_GE(setAside, 10u);
}

TEST_F(Crash, WhatIsNoDatabaseIsSetAside) {
  ASSERT_TRUE(open()->put(writtenEntry()));
  for (const std::string& content : {std::string(), std::string("no database"), std::string(10'000, 'x')}) {
    fixtures::writeFile(database(), content);
    fixtures::writeFile(wal(), "its tail");
    EXPECT_THAT(read()->entries(), IsEmpty());
    const auto state = open();
    EXPECT_THAT(state->warnings(), SizeIs(1));
    EXPECT_THAT(state->entries(), IsEmpty());
    EXPECT_TRUE(state->put(writtenEntry()));
  }
  EXPECT_EQ(fixtures::readFile(path() / "state.db.corrupt.2"), "no database");
  EXPECT_EQ(fixtures::readFile(path() / "state.db.corrupt.2-wal"), "its tail");
  EXPECT_THAT(open()->warnings(), IsEmpty());
  EXPECT_THAT(open()->entries(), ElementsAre(writtenEntry()));
}

TEST_F(Crash, ATailWithoutItsDatabaseIsNotTakenForThatOfAnother) {
  leaveBehind({writtenEntry()});
  fs::remove(database());
  EXPECT_THAT(open()->entries(), IsEmpty());
  EXPECT_TRUE(fs::exists(path() / "state.db.corrupt-wal"));
}

/// 0: a full disk is told, and does no harm.
int fillTheDisk(const fs::path& folder) {
  const auto state = StateDir::open(folder / "state");
  if (!state || !(*state)->put(writtenEntry())) return 2;
  {
    std::ofstream filler(folder / "filler");
    while (filler) filler << std::string(pageSize, 'x') << std::flush;
  }
  bool full = false;
  for (int i = 0; i < 1000 && !full; ++i) {
    const auto written = (*state)->put(entryNamed("a-" + std::to_string(i)));
    full = !written && written.error().reason == Reason::StateUnwritable &&
           written.error().message.contains("Make room on its file system");
    if (!written && !full) return 3;
  }
  if (!full) return 4;
  const std::size_t entries = (*state)->entries().size();
  if ((*StateDir::read(folder / "state"))->entries().size() != entries) return 5;
  fs::remove(folder / "filler");
  if (!(*state)->put(entryNamed("b"))) return 6;
  return (*StateDir::read(folder / "state"))->entries().size() == entries + 1 ? 0 : 7;
}

TEST_F(Crash, AFullDiskIsToldAndDoesNoHarm) {
  const auto status =
      fixtures::onSmallDisk(folder_.path(), "size=512k", [&] { return fillTheDisk(folder_.path()); });
  if (!status) GTEST_SKIP() << "no file system of one's own here";
  EXPECT_EQ(*status, 0);
}

/// 0: what is on a disk that cannot be written to is read.
int readOnlyDisk(const fs::path& folder, const std::function<void()>& leaveBehind) {
  const fs::path clean = folder / "clean";
  if (!(*StateDir::open(clean))->put(writtenEntry())) return 2;
  leaveBehind();
  if (::mount("none", folder.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) != 0) return 3;
  for (const fs::path& state : {clean, folder / "state"}) {
    const auto read = StateDir::read(state);
    if (!read || (*read)->entries() != std::vector{writtenEntry()}) return 4;
    const auto opened = StateDir::open(state);
    if (opened || opened.error().reason != Reason::StateUnwritable) return 5;
  }
  return 0;
}

TEST_F(Crash, IsReadWhereNothingCanBeWritten) {
  const auto status = fixtures::onSmallDisk(folder_.path(), "size=4m", [&] {
    return readOnlyDisk(folder_.path(), [&] { leaveBehind({writtenEntry()}); });
  });
  if (!status) GTEST_SKIP() << "no file system of one's own here";
  EXPECT_EQ(*status, 0);
}

/// Runs in a process of its own, which has no other way to the database open.
TEST(OtherProcess, DISABLED_Reads) {
  const char* folder = std::getenv(folderVariable);
  ASSERT_NE(folder, nullptr);
  const auto state = StateDir::read(folder);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_THAT((*state)->entries(), ElementsAre(writtenEntry()));
}

/// What is in a folder: a line for each thing in it.
std::vector<std::string> contentOf(const fs::path& folder) {
  std::vector<std::string> lines;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    lines.push_back(item.path().string() + " " +
                    std::to_string(item.last_write_time().time_since_epoch().count()));
    if (item.is_regular_file()) lines.back() += " " + fixtures::readFile(item.path());
  }
  std::ranges::sort(lines);
  return lines;
}

TEST_F(Crash, IsReadBesideItsHolderWithoutAChange) {
  const auto readElsewhere = [this] {
    fixtures::Process process(
        {fs::read_symlink("/proc/self/exe"), "--gtest_filter=OtherProcess.DISABLED_Reads",
         "--gtest_also_run_disabled_tests"},
        folder_.path() / "log", {{folderVariable, path().string()}});
    EXPECT_EQ(process.wait(), 0) << process.out();
  };
  auto state = open();
  ASSERT_TRUE(state->put(writtenEntry()));
  auto before = contentOf(path());
  readElsewhere();
  EXPECT_EQ(contentOf(path()), before);
  state.reset();
  before = contentOf(path());
  readElsewhere();
  EXPECT_EQ(contentOf(path()), before);
}

}  // namespace
}  // namespace rookery::state
