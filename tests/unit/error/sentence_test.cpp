#include "sentence.h"

#include <gmock/gmock.h>

#include <string_view>

namespace rookery {
namespace {

TEST(Sentence, HasOneFullStop) {
  struct Case {
    std::string_view text, ended, open;
  };
  const Case cases[] = {
      {"", "", ""},
      {"  ", "", ""},
      {"No room", "No room.", "No room"},
      {"No room.", "No room.", "No room"},
      {" No room. \n", "No room.", "No room"},
      {"Grant it with a ClusterRole..", "Grant it with a ClusterRole.", "Grant it with a ClusterRole"},
      {"Really?", "Really?", "Really?"},
      {"It was cut here…", "It was cut here…", "It was cut here…"},
      {"It was cut here...", "It was cut here...", "It was cut here..."},
      {"It said \"no.\"", "It said \"no.\"", "It said \"no.\""},
      {"It said \"no\"", "It said \"no\".", "It said \"no\""},
      {"Refused (see the log.)", "Refused (see the log.)", "Refused (see the log.)"},
      {"Refused (403)", "Refused (403).", "Refused (403)"},
      {"These are:", "These are:", "These are:"},
  };
  for (const Case& given : cases) {
    EXPECT_EQ(sentence(given.text), given.ended) << given.text;
    EXPECT_EQ(withoutFullStop(given.text), given.open) << given.text;
  }
}

TEST(Sentence, StandsAfterAnother) {
  EXPECT_EQ(sentences({"No room", "The next attempt is at noon."}), "No room. The next attempt is at noon.");
  EXPECT_EQ(sentences({"It answers.", "", "Two sets are withheld.. "}), "It answers. Two sets are withheld.");
  EXPECT_EQ(sentences({"", ""}), "");
}

}  // namespace
}  // namespace rookery
