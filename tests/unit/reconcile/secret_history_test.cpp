#include "reconcile/secret_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rookery::reconcile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const api::ObjectKey web{api::Kind::Unikernel, "shop", "web"};

std::vector<std::string> note(SecretHistory& history, const std::vector<std::string>& secrets) {
  return history.note(web, &secrets).values;
}

TEST(SecretHistory, TellsWhatSecretsWereBefore) {
  SecretHistory history;
  EXPECT_THAT(note(history, {"one"}), IsEmpty());
  EXPECT_THAT(note(history, {"one"}), IsEmpty()) << "it is the same";
  EXPECT_THAT(note(history, {"two", "other"}), ElementsAre("one"));
  EXPECT_THAT(note(history, {"three"}), ElementsAre("other", "two", "one"));
  EXPECT_THAT(note(history, {}), ElementsAre("three", "other", "two", "one")) << "it has none any more";
}

TEST(SecretHistory, CountsThePresentOnesAsFormerWhereTheyCannotBeTold) {
  SecretHistory history;
  note(history, {"one"});
  note(history, {"two"});
  EXPECT_THAT(history.note(web, nullptr).values, ElementsAre("one", "two"));
  EXPECT_THAT(note(history, {"two"}), ElementsAre("one")) << "it can be read again";
}

TEST(SecretHistory, HasABound) {
  SecretHistory history;
  for (std::size_t i = 0; i < 3 * SecretHistory::most; ++i) note(history, {std::to_string(i)});
  EXPECT_THAT(note(history, {"last"}), SizeIs(SecretHistory::most));
}

TEST(SecretHistory, ForgetsWhatIsNotDeclaredAnyMore) {
  SecretHistory history;
  note(history, {"one"});
  history.keepOnly([](const api::ObjectKey&) { return false; });
  EXPECT_THAT(note(history, {"two"}), IsEmpty());
}

}  // namespace
}  // namespace rookery::reconcile
