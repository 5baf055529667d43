#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include "fixtures/limits.h"
#include "fixtures/process.h"
#include "unit/state/state_files.h"

namespace rookery::state {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class GroupCommit : public StateFiles {
 protected:
  /// entry() with another text in it.
  static plan::Entry version(const std::string& text) {
    plan::Entry entry = entryNamed("web");
    entry.ranSpec = text;
    return entry;
  }

  std::unique_ptr<StateDir> state_ = open();
};

TEST_F(GroupCommit, ComesBackToEachThatAsksAtTheSameTime) {
  constexpr std::size_t many = 200;
  asio::io_context context;
  std::size_t recorded = 0;
  for (std::size_t i = 0; i < many; ++i) {
    asio::co_spawn(context, state_->record(entryNamed(std::to_string(i))),
                   [&](const std::exception_ptr& failure, const Result<void>& written) {
                     recorded += !failure && written ? 1 : 0;
                   });
  }
  context.run();
  EXPECT_EQ(recorded, many);
  EXPECT_THAT(state_->entries(), SizeIs(many));
  EXPECT_THAT(read()->entries(), SizeIs(many));
}

TEST_F(GroupCommit, ComesBackToTheExecutorOfWhoAsked) {
  asio::io_context context;
  std::optional<std::thread::id> resumed;
  const auto ask = [&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await state_->record(entryNamed("web")));
    resumed = std::this_thread::get_id();
  };
  asio::co_spawn(context, ask(), asio::detached);
  context.run();
  EXPECT_EQ(resumed, std::this_thread::get_id());
}

TEST_F(GroupCommit, HasTheOrderOfTheCalls) {
  asio::io_context context;
  for (const char* text : {"1", "2", "3"})
    asio::co_spawn(context, state_->record(version(text)), asio::detached);
  asio::co_spawn(context, state_->discard(version("3")), asio::detached);
  asio::co_spawn(context, state_->record(version("4")), asio::detached);
  context.run();
  EXPECT_THAT(state_->entries(), ElementsAre(version("4")));
  EXPECT_THAT(read()->entries(), ElementsAre(version("4")));
}

TEST_F(GroupCommit, LosesNothingThatIsAskedForByAContextThatEnds) {
  {
    asio::io_context context;
    asio::co_spawn(context, state_->record(version("1")), asio::detached);
    context.poll_one();
  }
  ASSERT_TRUE(state_->put(entryNamed("another")));
  EXPECT_THAT(read()->entries(), SizeIs(2));
}

TEST_F(GroupCommit, ShowsAtOnceWhatIsRecordedSoon) {
  ASSERT_TRUE(await(state_->recordSoon(version("1"))));
  EXPECT_THAT(state_->entries(), ElementsAre(version("1")));
  EXPECT_THAT(state_->inventoryOf("5f"), SizeIs(1));
}

TEST_F(GroupCommit, WritesSoonWithTheNextCommit) {
  ASSERT_TRUE(await(state_->recordSoon(version("1"))));
  ASSERT_TRUE(await(state_->record(entryNamed("another"))));
  EXPECT_THAT(read()->entries(), SizeIs(2));
}

TEST_F(GroupCommit, WritesSoonBeforeItEnds) {
  ASSERT_TRUE(await(state_->recordSoon(version("1"))));
  state_.reset();
  EXPECT_THAT(read()->entries(), ElementsAre(version("1")));
}

TEST_F(GroupCommit, WritesSoonWhereNobodyAsksForMore) {
  ASSERT_TRUE(await(state_->recordSoon(version("1"))));
  EXPECT_TRUE(fixtures::eventually([this] { return read()->entries().size() == 1; }));
}

TEST_F(GroupCommit, KeepsTheOrderOfWhatIsWrittenSoonAndAtOnce) {
  asio::io_context context;
  const auto ask = [&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await state_->recordSoon(version("1")));
    EXPECT_TRUE(co_await state_->record(version("2")));
    EXPECT_THAT(state_->entries(), ElementsAre(version("2")));
    EXPECT_TRUE(co_await state_->recordSoon(version("3")));
    EXPECT_TRUE(co_await state_->discard(version("3")));
    EXPECT_THAT(state_->entries(), IsEmpty());
    EXPECT_TRUE(co_await state_->recordSoon(version("4")));
  };
  asio::co_spawn(context, ask(), asio::detached);
  context.run();
  EXPECT_THAT(state_->entries(), ElementsAre(version("4")));
  state_.reset();
  EXPECT_THAT(read()->entries(), ElementsAre(version("4")));
}

TEST_F(GroupCommit, DoesNotUndoWhatWasRecordedSoonMeanwhile) {
  asio::io_context context;
  asio::co_spawn(context, state_->record(version("1")), asio::detached);
  asio::co_spawn(context, state_->recordSoon(version("2")), asio::detached);
  context.run();
  EXPECT_THAT(state_->entries(), ElementsAre(version("2")));
  state_.reset();
  EXPECT_THAT(read()->entries(), ElementsAre(version("2")));
}

TEST_F(GroupCommit, TriesAgainWhatWasToBeWrittenSoon) {
  {
    const fixtures::FullDisk full;
    ASSERT_TRUE(await(state_->recordSoon(version("1"))));
    ASSERT_TRUE(await(state_->recordSoon(version("2"))));
    const Result<void> written = await(state_->record(version("3")));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reason, Reason::StateUnwritable);
    EXPECT_THAT(state_->entries(), ElementsAre(version("2")));
    EXPECT_THAT(read()->entries(), IsEmpty());
  }
  ASSERT_TRUE(state_->put(entryNamed("another")));
  EXPECT_THAT(read()->inventoryOf("5f").at(version("2").name), version("2"));
}

TEST_F(GroupCommit, KeepsWhatARestartDoes) {
  state_->setRestartChangesMemory("5f", true);
  state_->setRestartChangesMemory("5f", false);
  EXPECT_EQ(state_->restartChangesMemory("5f"), false);
  state_.reset();
  EXPECT_EQ(read()->restartChangesMemory("5f"), false);
}

}  // namespace
}  // namespace rookery::state
