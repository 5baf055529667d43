#include "image/lookout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "fixtures/process.h"
#include "fixtures/temp_dir.h"
#include "image/inspector.h"
#include "images/image_maker.h"

namespace rookery::image {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr seconds longTime{60};

/// Counts how often it was rung.
class Bell {
 public:
  void ring() {
    const std::scoped_lock lock(mutex_);
    ++rung_;
    condition_.notify_all();
  }
  /// Waits until `holds`, looking again each time that it was rung.
  template <class Holds>
  bool until(Holds holds) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const int seen = rung_;
      lock.unlock();
      if (holds()) return true;
      lock.lock();
      if (!condition_.wait_for(lock, longTime, [&] { return rung_ != seen; })) return false;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  int rung_ = 0;
};

/// A place where threads are held up, as a disk that does not answer does.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [&] { return open_; });
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    condition_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool open_ = false;
};

class LookoutTest : public ::testing::Test {
 protected:
  fs::path image(const std::string& name, const std::string& content = {}) {
    return folder_.replace(name, images::makeImage({.content = content}));
  }
  static Lookout::Locate at(const fs::path& path) {
    return [path]() -> Result<fs::path> { return path; };
  }
  /// "" where the image is known; the word for why it is not.
  std::string told(const std::string& name) const {
    const Lookout::Answer answer = lookout_->find(name);
    if (!answer) return std::string(toString(answer.error().error.reason));
    return *answer ? "" : std::string(toString(answer->error().reason));
  }
  std::string digest(const std::string& name) const { return toHex((*lookout_->find(name))->digest); }

  fixtures::TempDir folder_;
  Bell bell_;
  Gate gate_;
  std::shared_ptr<Inspector> inspector_ = std::make_shared<Inspector>();
  std::unique_ptr<Lookout> lookout_ = std::make_unique<Lookout>(
      inspector_, std::make_shared<file::Settling>(), Lookout::Options{.changed = [this] { bell_.ring(); }});
};

TEST_F(LookoutTest, TellsAtOnceWhatCanBeToldAtOnce) {
  const fs::path fifo = folder_.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  lookout_->look({{"image", at(image("web.hvt"))},
                  {"script", at(folder_.replace("script", "#!/bin/sh\n"))},
                  {"missing", at(folder_.path() / "missing")},
                  {"fifo", at(fifo)},
                  {"device", at("/dev/zero")},
                  {"elsewhere", [] { return fail(Reason::ImageOutsideRoot, "It lies outside."); }}},
                 longTime);
  EXPECT_EQ(told("image"), "");
  EXPECT_EQ(told("script"), "ImageInvalid");
  EXPECT_EQ(told("missing"), "ImageNotFound");
  EXPECT_EQ(told("fifo"), "ImageInvalid");
  EXPECT_EQ(told("device"), "ImageInvalid");
  EXPECT_EQ(told("elsewhere"), "ImageOutsideRoot");
}

TEST_F(LookoutTest, SeesAnotherImageAtTheSamePlace) {
  const auto look = [&] { lookout_->look({{"web", at(folder_.path() / "web.hvt")}}, longTime); };
  image("web.hvt", "one");
  look();
  const std::string one = digest("web");
  image("web.hvt", "two");
  look();
  EXPECT_NE(digest("web"), one);
  fs::remove(folder_.path() / "web.hvt");
  look();
  EXPECT_EQ(told("web"), "ImageNotFound");
}

TEST_F(LookoutTest, AFileThatIsBeingWrittenCountsOnceItsWriterIsDone) {
  const fs::path path = folder_.path() / "web.hvt";
  const std::string bytes = images::makeImage({.content = "new"});
  std::ofstream writer(path, std::ios::binary);
  writer << bytes << std::flush;  // all of it, but nobody can know
  lookout_->look({{"web", at(path)}}, longTime);
  ASSERT_EQ(told("web"), "BeingWritten");
  EXPECT_THAT(lookout_->find("web").error().error.message, HasSubstr("is being written"));
  writer.close();
  EXPECT_TRUE(bell_.until([&] { return told("web").empty(); })) << "nobody looked again";
}

// A disk that does not answer holds up its own images only.
TEST_F(LookoutTest, OneThatDoesNotAnswerHoldsUpNoOther) {
  const auto stuck = [this, path = image("slow.hvt")]() -> Result<fs::path> {
    gate_.pass();
    return path;
  };
  lookout_->look({{"slow", stuck}}, milliseconds(1));
  EXPECT_EQ(told("slow"), "ImageBeingRead");
  lookout_->look({{"slow", stuck}, {"fast", at(image("fast.hvt"))}}, milliseconds(1));
  EXPECT_TRUE(bell_.until([&] { return told("fast").empty(); }));
  EXPECT_EQ(told("slow"), "ImageBeingRead");
  gate_.open();
  EXPECT_TRUE(bell_.until([&] { return told("slow").empty(); }));
}

/// An image with a hole of 4 TiB behind it: it takes long to hash, and no room.
fs::path huge(const fs::path& path) {
  EXPECT_TRUE(images::writeImage({}, path));
  fs::resize_file(path, std::uintmax_t{1} << 42);
  return path;
}

class LookoutWithoutLimit : public LookoutTest {
 protected:
  LookoutWithoutLimit() {
    inspector_ = std::make_shared<Inspector>(Inspector::Options{.largest = UINT64_MAX});
    lookout_ = std::make_unique<Lookout>(
        inspector_, std::make_shared<file::Settling>(),
        Lookout::Options{.changed = [this] { bell_.ring(); }, .progress = milliseconds(1)});
  }
};

TEST_F(LookoutWithoutLimit, TellsHowFarItIsWithAHugeOneAndGoesOnWithOthers) {
  const Lookout::Locate slow = at(huge(folder_.path() / "huge.hvt"));
  lookout_->look({{"huge", slow}}, milliseconds(1));
  EXPECT_TRUE(bell_.until([&] { return told("huge") == "ImageBeingRead"; }));
  EXPECT_TRUE(bell_.until([&] {
    const Lookout::Answer answer = lookout_->find("huge");
    return !answer && answer.error().error.message.find("% of 4194304 MiB") != std::string::npos;
  }));
  lookout_->look({{"huge", slow}, {"small", at(image("small.hvt"))}}, longTime);
  EXPECT_EQ(told("small"), "");
  EXPECT_EQ(told("huge"), "ImageBeingRead");
}

// It would take an hour to hash.
TEST_F(LookoutWithoutLimit, GivesUpWhatNobodyWantsAnyMore) {
  const Lookout::Locate slow = at(huge(folder_.path() / "huge.hvt"));
  lookout_->look({{"huge", slow}}, milliseconds(1));
  ASSERT_TRUE(fixtures::eventually([&] { return inspector_->filesRead() == 1; }));  // no bell tells it
  lookout_->look({}, milliseconds(1));
  lookout_->stop();
  lookout_->look({{"small", at(image("small.hvt"))}}, longTime);
  EXPECT_EQ(told("small"), "");
}

TEST_F(LookoutWithoutLimit, StopBreaksOffWhatIsBeingRead) {
  lookout_->look({{"huge", at(huge(folder_.path() / "huge.hvt"))}}, milliseconds(1));
  lookout_.reset();
}

TEST_F(LookoutTest, RefusesWhatIsLargerThanAnImageMayBe) {
  lookout_->look({{"huge", at(huge(folder_.path() / "huge.hvt"))}}, longTime);
  EXPECT_EQ(told("huge"), "ImageTooLarge");
  EXPECT_EQ(inspector_->filesRead(), 0u);
}

}  // namespace
}  // namespace rookery::image
