#include "file/settling.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "fixtures/temp_dir.h"

namespace rookery::file {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;

class Open {
 public:
  Open(const fs::path& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Open() { ::close(descriptor_); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
const system_clock::time_point noon{seconds{1'700'000'000}};

Stamp changedAgo(std::chrono::milliseconds age, std::uint64_t size = 0) {
  const auto at = (noon - age).time_since_epoch();
  const auto whole = std::chrono::floor<seconds>(at);
  return {.device = 1,
          .inode = 2,
          .size = size,
          .modified = {},
          .changed = {.seconds = whole.count(), .nanoseconds = std::chrono::nanoseconds(at - whole).count()}};
}

TEST(WritersOf, TellsWhoHasItOpenForWriting) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", "half of an image");
  const Open reader(path, O_RDONLY);
  if (writersOf(reader.get()) == Writers::Unknown) GTEST_SKIP() << "no leases on this file system";
  EXPECT_EQ(writersOf(reader.get()), Writers::None);
  {
    const Open another(path, O_RDONLY);
    EXPECT_EQ(writersOf(reader.get()), Writers::None);
  }
  {
    const Open writer(path, O_WRONLY);
    EXPECT_EQ(writersOf(reader.get()), Writers::Some);
  }
  EXPECT_EQ(writersOf(reader.get()), Writers::None);
}

TEST(WritersOf, KnowsWhoWritesThroughAMapping) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", std::string(4'096, 'x'));
  const Open reader(path, O_RDONLY);
  if (writersOf(reader.get()) == Writers::Unknown) GTEST_SKIP() << "no leases on this file system";
  struct statfs system{};
  ASSERT_EQ(::fstatfs(reader.get(), &system), 0);
  if (static_cast<std::uint32_t>(system.f_type) == OVERLAYFS_SUPER_MAGIC)
    GTEST_SKIP() << "an overlay does not know who writes through a mapping alone";
  void* mapped = nullptr;
  {
    const Open writer(path, O_RDWR);
    mapped = ::mmap(nullptr, 4'096, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0);
  }
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_EQ(writersOf(reader.get()), Writers::Some);
  ::munmap(mapped, 4'096);
  EXPECT_EQ(writersOf(reader.get()), Writers::None);
}

// A lease that were kept would make this wait for the kernel's lease-break-time, or end the process by SIGIO.
TEST(WritersOf, KeepsNobodyFromWriting) {
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", "an image");
  const Open reader(path, O_RDONLY);
  for (int i = 0; i < 100; ++i) {
    writersOf(reader.get());
    const Open writer(path, O_WRONLY | O_NONBLOCK);
    EXPECT_GE(writer.get(), 0);
  }
}

// What knows nothing of other machines' writers, or grants no leases.
TEST(WritersOf, IsUnknownWhereTheKernelCannotTell) {
  const Open file("/proc/self/status", O_RDONLY);
  EXPECT_EQ(writersOf(file.get()), Writers::Unknown);
}

TEST(QuietTime, GrowsWithTheSizeUpToAMinute) {
  EXPECT_EQ(quietTime(0), seconds(2));
  EXPECT_EQ(quietTime(4 * MiB), seconds(3));
  EXPECT_EQ(quietTime(100 * MiB), seconds(27));
  EXPECT_EQ(quietTime(10'000 * MiB), seconds(60));
  EXPECT_EQ(quietTime(UINT64_MAX), seconds(60));
}

struct Case {
  std::string name;
  Writers writers;
  Stamp stamp;
  bool closed;
  milliseconds unchangedFor;
  bool whole;
  bool open = false;
  milliseconds lookAgainIn{0};
};

class Decision : public ::testing::TestWithParam<Case> {};

TEST_P(Decision, Holds) {
  const Case& given = GetParam();
  const auto writing = beingWritten(given.writers, given.stamp, given.closed, given.unchangedFor, noon);
  ASSERT_EQ(!writing, given.whole);
  if (!writing) return;
  EXPECT_EQ(writing->open, given.open);
  EXPECT_EQ(writing->lookAgainIn, given.lookAgainIn);
}

INSTANTIATE_TEST_SUITE_P(
    All, Decision,
    ::testing::Values(
        Case{"NobodyWrites", Writers::None, changedAgo(milliseconds(0)), false, milliseconds(0), true},
        Case{"SomebodyWritesSinceLong", Writers::Some, changedAgo(std::chrono::hours(9)), true,
             std::chrono::hours(9), false, true, seconds(1)},
        Case{"JustChanged", Writers::Unknown, changedAgo(milliseconds(500)), false, milliseconds(0), false,
             false, milliseconds(1'500)},
        Case{"LeftAlone", Writers::Unknown, changedAgo(seconds(2)), false, milliseconds(0), true},
        Case{"LargeNeedsLonger", Writers::Unknown, changedAgo(seconds(2), 100 * MiB), false, milliseconds(0),
             false, false, seconds(25)},
        Case{"SeenToBeClosed", Writers::Unknown, changedAgo(milliseconds(0), 100 * MiB), true,
             milliseconds(0), true},
        Case{"FutureIsMeasuredHere", Writers::Unknown, changedAgo(-std::chrono::hours(1)), false,
             milliseconds(400), false, false, milliseconds(1'600)},
        Case{"FutureAndLeftAlone", Writers::Unknown, changedAgo(-std::chrono::hours(1)), false, seconds(2),
             true},
        Case{"EpochDoesNotOverflow", Writers::Unknown, Stamp{}, false, milliseconds(0), true}),
    [](const auto& test) { return test.param.name; });

/// A file whose writers are unknown, and a clock.
struct Scene {
  system_clock::time_point wall = noon;
  std::chrono::steady_clock::time_point steady{};
  Open unknown{"/proc/self/status", O_RDONLY};
  Settling settling{{.wall = [this] { return wall; }, .steady = [this] { return steady; }}};

  bool whole(const Stamp& stamp) { return !settling.beingWritten(unknown.get(), stamp); }
};

TEST(Settling, MeasuresByItsOwnClockWhereTheFilesTimeIsAhead) {
  Scene scene;
  const Stamp first = changedAgo(-seconds(100), 10);
  const Stamp second = changedAgo(-seconds(101), 20);
  EXPECT_FALSE(scene.whole(first));
  scene.steady += milliseconds(1'900);
  EXPECT_FALSE(scene.whole(second)) << "it changed, so the time begins anew";
  scene.steady += milliseconds(1'900);
  EXPECT_FALSE(scene.whole(second));
  scene.steady += milliseconds(100);
  EXPECT_TRUE(scene.whole(second));
}

TEST(Settling, BelievesWhoSawItClosedUntilItChanges) {
  Scene scene;
  scene.wall = system_clock::now();
  const fixtures::TempDir dir;
  const fs::path path = dir.write("web.hvt", "half");
  ASSERT_FALSE(scene.whole(*stampOf(path)));
  scene.settling.closed(path);
  EXPECT_TRUE(scene.whole(*stampOf(path)));
  dir.write("web.hvt", "half and more");
  EXPECT_FALSE(scene.whole(*stampOf(path)));
}

TEST(Settling, ABigNumberOfFilesIsForgottenRatherThanKept) {
  Scene scene;
  Stamp stamp = changedAgo(-seconds(100));
  for (std::uint64_t inode = 0; inode < 25'000; ++inode) {
    stamp.inode = inode;
    ASSERT_FALSE(scene.whole(stamp));
  }
  scene.steady += seconds(2);
  EXPECT_TRUE(scene.whole(stamp));
}

TEST(Settling, SaysWhy) {
  EXPECT_THAT((BeingWritten{.open = true}.why()), HasSubstr("open for writing"));
  EXPECT_THAT((BeingWritten{.open = false}.why()), HasSubstr("changed"));
}

}  // namespace
}  // namespace rookery::file
