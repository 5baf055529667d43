#include "notify/queue.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace rookery::notify {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class QueueTest : public testing::Test {
 protected:
  Queue::Numbers add(std::uint64_t number, Type type = Type::ReadyLost, const std::string& commit = "") {
    auto gone =
        queue_.add(number, {.id = std::to_string(number), .time = now_, .type = type, .commit = commit});
    queue_.written(number + 1);
    return gone;
  }
  Queue::Numbers take() {
    Queue::Numbers taken;
    for (const auto& [number, notification] : queue_.take(now_)) taken.push_back(number);
    return taken;
  }

  SystemTime now_{1'700'000'000s};
  Queue queue_{"ops", {.most = 4, .longest = 72h, .perMinute = 6, .atOnce = 2, .together = 3}};
};

TEST_F(QueueTest, SendsTheOldestTogether) {
  for (std::uint64_t number = 1; number <= 4; ++number) add(number);
  EXPECT_THAT(take(), ElementsAre(1, 2, 3));
  EXPECT_THAT(take(), IsEmpty()) << "they are under way";
  EXPECT_EQ(queue_.due(), std::nullopt);
  EXPECT_THAT(queue_.sent(), ElementsAre(1, 2, 3));
  EXPECT_THAT(take(), ElementsAre(4));
}

TEST_F(QueueTest, LetsGoOfWhatIsRoutineFirst) {
  add(1);
  add(2, Type::Changed);
  add(3, Type::Warning);
  add(4);
  EXPECT_THAT(add(5), ElementsAre(2));
  EXPECT_THAT(add(6), ElementsAre(3));
  EXPECT_THAT(add(7), ElementsAre(1)) << "all of it matters";
  EXPECT_THAT(add(8, Type::Changed), ElementsAre(8));
}

TEST_F(QueueTest, KeepsWhatIsUnderWay) {
  for (std::uint64_t number = 1; number <= 4; ++number) add(number);
  take();
  EXPECT_THAT(add(5), ElementsAre(4));
  now_ += 73h;
  EXPECT_THAT(queue_.expire(now_), ElementsAre(5));
  EXPECT_THAT(queue_.sent(), ElementsAre(1, 2, 3));
}

TEST_F(QueueTest, TriesAgainLaterEachTime) {
  add(1);
  std::vector<std::chrono::seconds> pauses;
  for (int i = 0; i < 12; ++i) {
    EXPECT_THAT(take(), ElementsAre(1));
    EXPECT_THAT(queue_.failed(false, 0s, now_), IsEmpty());
    pauses.push_back(std::chrono::floor<std::chrono::seconds>(*queue_.due() - now_));
    now_ = *queue_.due();
  }
  EXPECT_LE(pauses.front(), 20s);
  EXPECT_GE(pauses.back(), 4min);
  EXPECT_LE(pauses.back(), 6min);
}

TEST_F(QueueTest, WaitsAsLongAsTheReceiverAsks) {
  add(1);
  take();
  queue_.failed(false, 90s, now_);
  EXPECT_EQ(queue_.due(), now_ + 90s);
  now_ += 90s;
  take();
  queue_.failed(false, 1'000'000s, now_);
  EXPECT_EQ(queue_.due(), now_ + 1h) << "there is an end to that";
}

TEST_F(QueueTest, DoesNotLetOneThatIsRefusedHoldUpTheOthers) {
  for (std::uint64_t number = 1; number <= 3; ++number) add(number);
  add(4, Type::Changed);
  take();
  EXPECT_THAT(queue_.failed(true, 0s, now_), IsEmpty());
  now_ += 1min;
  EXPECT_THAT(take(), ElementsAre(1)) << "one by one";
  EXPECT_THAT(queue_.failed(true, 0s, now_), IsEmpty()) << "it matters";
  EXPECT_THAT(take(), ElementsAre(2));
  queue_.sent();
  now_ += 1min;
  EXPECT_THAT(take(), ElementsAre(1));
  queue_.sent();
  now_ += 1min;
  EXPECT_THAT(take(), ElementsAre(3));
  queue_.sent();
  now_ += 1min;
  EXPECT_THAT(take(), ElementsAre(4));
  EXPECT_THAT(queue_.failed(true, 0s, now_), ElementsAre(4)) << "it is routine";
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(QueueTest, KeepsTheOrderOfWhatIsToldOfOneObject) {
  const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"}, db{api::Kind::Unikernel, "shop", "db"};
  const auto tell = [&](std::uint64_t number, const api::ObjectKey& object) {
    queue_.add(number,
               {.id = std::to_string(number), .time = now_, .type = Type::ReadyLost, .object = object});
    queue_.written(number + 1);
  };
  tell(1, web);
  take();
  queue_.failed(true, 60s, now_);
  tell(2, web);
  tell(3, db);
  EXPECT_THAT(take(), ElementsAre(3));
  queue_.sent();
  EXPECT_EQ(queue_.due(), now_ + 60s);
  now_ += 60s;
  EXPECT_THAT(take(), ElementsAre(1, 2));
}

TEST_F(QueueTest, WaitsForWhatIsToBeWrittenDown) {
  queue_.add(1, {.id = "1", .time = now_, .type = Type::ReadyLost});
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(queue_.due(), now_ + 5s) << "the disk may be full";
  queue_.written(2);
  EXPECT_THAT(take(), ElementsAre(1));
}

TEST_F(QueueTest, KeepsToItsRate) {
  std::vector<std::chrono::seconds> times;
  const SystemTime start = now_;
  for (std::uint64_t number = 1; number <= 5; ++number) {
    add(number);
    if (const auto at = queue_.due(); at && *at > now_) now_ = *at;
    EXPECT_THAT(take(), ElementsAre(number));
    queue_.sent();
    times.push_back(std::chrono::duration_cast<std::chrono::seconds>(now_ - start));
  }
  EXPECT_THAT(times, ElementsAre(0s, 0s, 0s, 10s, 20s)) << "6 a minute, after the first";
}

TEST_F(QueueTest, KeepsOfEachCommitTheLastOnly) {
  add(1, Type::CommitStatus, "a");
  EXPECT_THAT(add(2, Type::CommitStatus, "b"), IsEmpty());
  EXPECT_THAT(add(3, Type::CommitStatus, "a"), ElementsAre(1));
  EXPECT_THAT(take(), ElementsAre(2)) << "each alone";
  EXPECT_THAT(add(4, Type::CommitStatus, "b"), IsEmpty()) << "that is under way";
}

TEST_F(QueueTest, GivesUpWhatIsTooOld) {
  add(1);
  EXPECT_THAT(queue_.expire(now_ + 72h), IsEmpty());
  EXPECT_THAT(queue_.expire(now_ + 72h + 1s), ElementsAre(1));
}

}  // namespace
}  // namespace rookery::notify
