#include "image/store.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "fixtures/limits.h"
#include "fixtures/temp_dir.h"
#include "images/image_maker.h"
#include "images/sha256.h"

namespace rookery::image {
namespace {

namespace fs = std::filesystem;
using images::sha256Of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Store : public testing::Test {
 protected:
  fs::path folder() const { return dir_.path() / "state/images"; }

  std::unique_ptr<ImageStore> open(std::uint64_t capacity = 1 << 20, std::uint64_t largest = 1 << 20) {
    auto store = ImageStore::open(folder(), {.capacity = capacity, .largestImage = largest, .inUse = [this] {
                                               ++looks_;
                                               return inUse_;
                                             }});
    EXPECT_TRUE(store) << store.error().message;
    return *std::move(store);
  }

  static ImageStore::Incoming incoming(ImageStore& store, std::string_view bytes) {
    auto begun = store.begin();
    EXPECT_TRUE(begun) << begun.error().message;
    EXPECT_TRUE(begun->write(bytes));
    return *std::move(begun);
  }
  static ImageStore::Stored hold(ImageStore& store, std::string_view bytes) {
    auto stored = incoming(store, bytes).commit();
    EXPECT_TRUE(stored) << stored.error().message;
    return *std::move(stored);
  }
  /// Stores an image for good; returns its digest.
  static std::string put(ImageStore& store, std::string_view bytes) {
    auto stored = hold(store, bytes);
    stored.keep();
    return stored.sha256();
  }

  static void expectNoRoom(const Result<void>& result, const std::string& words) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, Reason::StoreUnwritable);
    EXPECT_THAT(result.error().message,
                testing::AllOf(HasSubstr(words), HasSubstr("Raise --image-store-size")));
  }

  /// The names of all files in the folder with that end.
  std::vector<std::string> files(std::string_view suffix = "") const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder())) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(suffix)) names.push_back(name);
    }
    return names;
  }

  fixtures::TempDir dir_;
  std::optional<std::set<std::string>> inUse_ = std::set<std::string>();
  int looks_ = 0;  // how often it was asked what is in use
};

TEST_F(Store, CallsAnImageByItsContent) {
  const auto store = open();
  auto begun = store->begin();
  ASSERT_TRUE(begun);
  for (const char* piece : {"a", "", "bc"}) EXPECT_TRUE(begun->write(piece));
  EXPECT_EQ(begun->size(), 3);
  auto stored = begun->commit();
  ASSERT_TRUE(stored) << stored.error().message;
  stored->keep();
  EXPECT_EQ(stored->sha256(), sha256Of("abc"));
  EXPECT_EQ(stored->size(), 3);
  EXPECT_EQ(stored->path(), store->path(sha256Of("abc")));
  EXPECT_EQ(fixtures::readFile(stored->path()), "abc");
  EXPECT_EQ(fs::status(stored->path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
}

TEST_F(Store, LooksAtAnImageBeforeItIsStored) {
  const auto store = open();
  const std::string bytes = images::makeImage({.networks = {"service"}});
  auto begun = incoming(*store, bytes);
  const auto image = begun.inspect("image web.hvt");
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->size, bytes.size());
  EXPECT_EQ(toHex(image->digest), sha256Of(bytes));
  EXPECT_EQ(image->path, store->path(sha256Of(bytes)));
  EXPECT_THAT(image->manifest.networkDevices, ElementsAre("service"));
  EXPECT_THAT(files(".img"), IsEmpty());
  EXPECT_TRUE(begun.commit());

  const auto none = incoming(*store, "#!/bin/sh\n").inspect("image web.hvt");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, Reason::ImageInvalid);
  EXPECT_THAT(none.error().message, testing::StartsWith("image web.hvt "));
}

TEST_F(Store, KeepsOneFileOfTheSameContent) {
  const auto store = open();
  const std::string digest = put(*store, "same");
  const auto before = fs::last_write_time(store->path(digest));
  EXPECT_EQ(put(*store, "same"), digest);
  EXPECT_EQ(fs::last_write_time(store->path(digest)), before) << "the old file stays";
  EXPECT_THAT(files(), UnorderedElementsAre(digest + ".img", digest + ".used"));
}

TEST_F(Store, ReplacesAFileOfAnotherSize) {
  const auto store = open();
  const std::string digest = put(*store, "whole");
  fs::resize_file(store->path(digest), 2);
  put(*store, "whole");
  EXPECT_EQ(fixtures::readFile(store->path(digest)), "whole");
}

TEST_F(Store, NothingRemainsOfWhatIsDropped) {
  const auto store = open();
  {
    const auto dropped = incoming(*store, "half an im");
    EXPECT_EQ(files().size(), 1);
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Store, NothingRemainsOfWhatNobodyKeeps) {
  const auto store = open();
  {
    const auto stored = hold(*store, "unwanted");
  }
  EXPECT_THAT(files(), IsEmpty());
  {
    const auto first = hold(*store, "shared");
    {
      const auto second = hold(*store, "shared");
    }
    EXPECT_EQ(files(".img").size(), 1) << "somebody still holds it";
  }
  EXPECT_THAT(files(), IsEmpty());

  const std::string old = put(*store, "there before");
  {
    const auto again = hold(*store, "there before");
  }
  EXPECT_THAT(files(".img"), ElementsAre(old + ".img"));
}

TEST_F(Store, RemovesTheLeastRecentlyUsedFirst) {
  const auto store = open(10);
  const std::string one = put(*store, "1---"), two = put(*store, "2---");
  store->touch(one);
  const std::string three = put(*store, "3---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", three + ".img"));
  put(*store, "1---");  // used by being stored again
  const std::string four = put(*store, "4---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", four + ".img"));
  EXPECT_EQ(files(".used").size(), 2);
}

TEST_F(Store, RemembersTheOrderOverARestart) {
  std::string one, two;
  {
    const auto store = open(10);
    one = put(*store, "1---");
    two = put(*store, "2---");
    store->touch(one);
  }
  const auto store = open(10);
  const std::string three = put(*store, "3---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", three + ".img"));
}

TEST_F(Store, NeverRemovesWhatIsInUse) {
  const auto store = open(10);
  const std::string one = put(*store, "1---"), two = put(*store, "2---");
  inUse_ = std::set{one};
  const std::string three = put(*store, "3---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", three + ".img"));
  inUse_ = std::set{one, three};
  auto four = store->begin();
  ASSERT_TRUE(four);
  expectNoRoom(four->write("4---"), "images take 8 bytes");
  EXPECT_FALSE(four->commit());
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", three + ".img"));
}

TEST_F(Store, AddsNothingToWhatIsBeyondTheCapacity) {
  const std::string one = put(*open(10), "1-------"), two = put(*open(100), "2-------");
  inUse_ = std::set{one, two};
  const auto store = open(10);
  const auto begun = store->begin();
  ASSERT_FALSE(begun);
  EXPECT_THAT(begun.error().message, HasSubstr("of the 10 bytes that it may have, images take 16 bytes"));
  EXPECT_THAT(files(), UnorderedElementsAre(one + ".img", one + ".used", two + ".img", two + ".used"));
}

TEST_F(Store, CountsWhatIsOnItsWay) {
  const auto store = open(10);
  auto first = incoming(*store, "1---"), second = incoming(*store, "2---");
  {
    auto third = store->begin();
    ASSERT_TRUE(third);
    EXPECT_TRUE(third->write("3-"));
    expectNoRoom(third->write("-"), "those that are on their way 10 bytes");
    EXPECT_EQ(store->usage().used, 10);
    EXPECT_EQ(store->usage().removable, 0);
    EXPECT_EQ(store->usage().capacity, 10);
    EXPECT_FALSE(store->begin());
  }
  EXPECT_TRUE(first.write("--")) << "there is room again";
  EXPECT_FALSE(second.write("-"));
  EXPECT_TRUE(first.commit());
}

TEST_F(Store, MakesRoomForWhatIsOnItsWay) {
  const auto store = open(10);
  const std::string one = put(*store, "1---"), two = put(*store, "2---");
  EXPECT_EQ(store->usage().removable, 8);
  auto third = incoming(*store, "3---");
  EXPECT_THAT(files(".img"), ElementsAre(two + ".img")) << "before the image is complete";
  EXPECT_TRUE(third.write("----"));
  EXPECT_THAT(files(".img"), IsEmpty());
}

TEST_F(Store, RemovesNothingWhereThatWouldNotBeEnough) {
  const auto store = open(10);
  const std::string one = put(*store, "1---"), two = put(*store, "2---");
  inUse_ = std::set{two};
  auto begun = store->begin();
  ASSERT_TRUE(begun);
  expectNoRoom(begun->reserve(7), "too little of that is in nobody's use");
  EXPECT_EQ(files(".img").size(), 2);
  EXPECT_TRUE(begun->reserve(6)) << "after a refusal nothing has changed";
  EXPECT_THAT(files(".img"), ElementsAre(two + ".img"));
}

TEST_F(Store, TellsWhetherThereIsRoomAndTakesNone) {
  const auto store = open(10);
  const std::string one = put(*store, "1---"), two = put(*store, "2---");
  inUse_ = std::set{two};
  EXPECT_TRUE(store->hasRoomFor(6)) << "that of an image which nobody uses";
  expectNoRoom(store->hasRoomFor(7), "too little of that is in nobody's use");
  EXPECT_EQ(files(".img").size(), 2);
  EXPECT_EQ(store->usage().used, 8);
  const auto third = incoming(*store, "3---");
  EXPECT_TRUE(store->hasRoomFor(2));
  expectNoRoom(store->hasRoomFor(3), "those that are on their way 4 bytes");
  inUse_ = std::nullopt;
  expectNoRoom(store->hasRoomFor(3), "not known yet");

  const auto refused = open(1 << 20, 5)->hasRoomFor(6);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::ImageTooLarge);
}

TEST_F(Store, KeepsTheRoomThatIsReserved) {
  const auto store = open(10);
  auto begun = store->begin();
  ASSERT_TRUE(begun);
  EXPECT_TRUE(begun->reserve(8));
  auto other = incoming(*store, "2-");
  EXPECT_FALSE(other.write("-"));
  EXPECT_TRUE(begun->write("1-------"));
  EXPECT_TRUE(begun->commit());
}

TEST_F(Store, TakesAwayWhatHasRestedLongest) {
  const auto store = open(12);
  std::vector<ImageStore::Incoming> parts;
  for (const char* bytes : {"1---", "2---", "3---"}) parts.push_back(incoming(*store, bytes));
  for (ImageStore::Incoming& part : parts) part.rest();
  EXPECT_TRUE(parts[0].resume());
  parts[0].rest();  // for the shortest time now
  auto fourth = incoming(*store, "4---");
  EXPECT_FALSE(parts[1].resume());
  for (ImageStore::Incoming* part : {&parts[2], &parts[0]}) EXPECT_TRUE(part->resume());
  EXPECT_FALSE(fourth.reserve(1)) << "nothing rests";
  auto stored = parts[2].commit();
  ASSERT_TRUE(stored);
  EXPECT_EQ(fixtures::readFile(stored->path()), "3---");
}

TEST_F(Store, RemovesAnUnusedImageBeforeWhatRests) {
  const auto store = open(10);
  auto resting = incoming(*store, "1---");
  resting.rest();
  put(*store, "2---");
  const auto third = incoming(*store, "3---");
  EXPECT_THAT(files(".img"), IsEmpty());
  EXPECT_TRUE(resting.resume());
}

TEST_F(Store, WhatRestsGivesBackTheRoomItHasNoBytesFor) {
  const auto store = open(10);
  auto resting = incoming(*store, "1---");
  EXPECT_TRUE(resting.reserve(6));
  resting.rest();
  const auto other = incoming(*store, "2-----");
  EXPECT_TRUE(resting.resume());
  EXPECT_FALSE(resting.write("-"));
}

TEST_F(Store, DoesNotAskAtEachWriteWhatIsInUse) {
  const auto store = open(1 << 20);
  put(*store, std::string(1 << 19, '1'));
  looks_ = 0;
  auto begun = store->begin();
  ASSERT_TRUE(begun);
  const std::string piece(1 << 10, '2');
  for (int i = 0; i < 1 << 10; ++i) ASSERT_TRUE(begun->write(piece));
  EXPECT_EQ(looks_, 1) << "when the old image had to go";
  EXPECT_TRUE(begun->commit());
}

TEST_F(Store, CountsBeingInUseAsUse) {
  const auto store = open(10);
  const std::string one = put(*store, "1---");
  inUse_ = std::set{one};
  put(*store, "2---");
  inUse_ = std::set<std::string>();
  const std::string three = put(*store, "3---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(one + ".img", three + ".img"));
}

TEST_F(Store, RemovesNothingWhileItIsNotKnownWhatIsInUse) {
  const auto store = open(10);
  inUse_ = std::nullopt;
  for (const char* bytes : {"1---", "2---"}) put(*store, bytes);
  auto third = store->begin();
  ASSERT_TRUE(third);
  expectNoRoom(third->write("3---"), "which images are in use is not known yet");
  EXPECT_EQ(files(".img").size(), 2);
}

TEST_F(Store, NeverRemovesWhatSomebodyHolds) {
  const auto store = open(8);
  auto held = hold(*store, "1---");
  const std::string two = put(*store, "2---"), three = put(*store, "3---");
  EXPECT_THAT(files(".img"), UnorderedElementsAre(held.sha256() + ".img", three + ".img"));
  held.keep();
}

TEST_F(Store, RefusesAnImageOverTheLimit) {
  const auto store = open(100, 4);
  auto begun = incoming(*store, "1234");
  const auto written = begun.write("5");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, Reason::ImageTooLarge);
  EXPECT_THAT(written.error().message, HasSubstr("larger than 4 bytes"));
  EXPECT_FALSE(begun.write(""));
  EXPECT_FALSE(begun.commit());
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Store, SaysWhenTheDiskIsFull) {
  const auto store = open();
  auto begun = incoming(*store, "12");
  {
    const fixtures::FullDisk full(3);
    const auto written = begun.write("3456");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reason, Reason::StoreUnwritable);
    EXPECT_THAT(written.error().message,
                testing::AllOf(HasSubstr(folder().string()), HasSubstr("too large"), HasSubstr("try again")));
  }
  EXPECT_FALSE(begun.write("3456")) << "a gap would be another image";
  EXPECT_FALSE(begun.commit());
  EXPECT_THAT(files(), IsEmpty());
}

/// On a file system of 1 MiB: 0 when room is made on it for a new image, and its reserve stays free.
int trySmallDisk(const fs::path& folder) {
  const auto store = ImageStore::open(folder, {});
  if (!store) return 2;
  std::string digest;
  for (const char content : {'1', '2'}) {
    auto begun = (*store)->begin();
    if (!begun || !begun->write(std::string(600 << 10, content))) return 3;
    auto stored = begun->commit();
    if (!stored) return 4;
    stored->keep();
    if (!digest.empty() && (*store)->contains(digest)) return 5;
    digest = stored->sha256();
  }
  auto begun = (*store)->begin();
  if (!begun || begun->reserve(std::uint64_t{1} << 20)) return 6;
  const std::string piece(4 << 10, '3');
  auto held = (*store)->begin();  // in nobody's way: it has no bytes
  Result<void> written;
  for (int i = 0; i < 512 && written; ++i) written = begun->write(piece);
  if (begun->size() < 512 << 10) return 10;
  if (written || written.error().reason != Reason::StoreUnwritable) return 7;
  if (!written.error().message.contains("No space left on device")) return 8;
  const auto space = fs::space(folder);
  return space.available >= space.capacity / 20 ? 0 : 9;
}

TEST_F(Store, LeavesAReserveOnTheDisk) {
  const fs::path folder = dir_.path();
  const auto status = fixtures::onSmallDisk(folder, "size=1m", [&] { return trySmallDisk(folder); });
  if (!status) GTEST_SKIP() << "no file system of one's own here";
  EXPECT_EQ(*status, 0);
}

TEST_F(Store, SaysWhenThereIsNoFolderToWriteTo) {
  dir_.write("state", "a file in the way");
  const auto store = ImageStore::open(folder(), {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, Reason::StoreUnwritable);
  EXPECT_THAT(store.error().message, HasSubstr(folder().string()));
}

TEST_F(Store, RemovesWhatAnEarlierProcessLeft) {
  const std::string lost = sha256Of("lost");
  dir_.write("state/images/.incoming-abcdef", "half");
  dir_.write("state/images/" + lost + ".used", "");
  dir_.write("state/images/README", "somebody else's");
  EXPECT_TRUE(open());
  EXPECT_THAT(files(), ElementsAre("README"));
}

TEST_F(Store, ChangesNothingWhereItOnlyReads) {
  const ImageStore::Options reading{.readOnly = true};
  {
    const auto store = ImageStore::open(folder(), reading);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE((*store)->contains(sha256Of("any")));
    EXPECT_FALSE(fs::exists(folder())) << "a folder that is missing stays missing";
  }
  const std::string kept = sha256Of("kept");
  dir_.write("state/images/.incoming-abcdef", "half");
  dir_.write("state/images/" + kept + ".img", "kept");
  const auto store = ImageStore::open(folder(), reading);
  ASSERT_TRUE(store);
  EXPECT_TRUE((*store)->contains(kept));
  (*store)->touch(kept);
  (*store)->discard(kept);
  EXPECT_FALSE((*store)->begin());
  EXPECT_THAT(files(), testing::UnorderedElementsAre(".incoming-abcdef", kept + ".img"));
}

TEST_F(Store, TakesImagesFromSeveralThreads) {
  const auto store = open(24);
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&store, thread] {
      for (int round = 0; round < 10; ++round) {
        const std::string bytes(4, static_cast<char>('a' + (thread + round) % 6));
        auto stored = hold(*store, bytes);
        EXPECT_EQ(fixtures::readFile(stored.path()), bytes);
        if (round % 2 == 0) stored.keep();
      }
    });
  }
  threads.clear();
  EXPECT_LE(files(".img").size(), 6);
  EXPECT_EQ(files(".img").size() + files(".used").size(), files().size());
}

}  // namespace
}  // namespace rookery::image
