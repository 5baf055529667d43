#include "cli/visible_stream.h"

#include <gtest/gtest.h>

#include <sstream>

namespace rookery::cli {
namespace {

TEST(VisibleStream, LetsOnlyOurOwnSequencesAct) {
  std::ostringstream sink;
  VisibleStream out(sink);
  out << ControlSequence{"\033[31m"} << "red\n\t" << '\x1b' << "]0;title\x07" << 7
      << ControlSequence{"\033[0m"};
  EXPECT_EQ(sink.str(), "\033[31mred\n\t\\u001b]0;title\\u00077\033[0m");
}

TEST(VisibleStream, PutsCharactersTogetherThatComeInParts) {
  std::ostringstream sink;
  VisibleStream out(sink);
  for (const char c : std::string("é東👋\u202e")) out << c;
  EXPECT_EQ(sink.str(), "é東👋\\u202e");
  out << "\xe6\x9d";  // of three bytes
  out.flush();
  EXPECT_EQ(sink.str(), "é東👋\\u202e\\xe6\\x9d");
  out << '\xe6' << ControlSequence{"\033[0m"} << "\x9d\xb1";
  EXPECT_EQ(sink.str(), "é東👋\\u202e\\xe6\\x9d\\xe6\033[0m\\x9d\\xb1");
}

TEST(VisibleStream, SaysThatItsSinkTakesNothing) {
  std::ostream full(nullptr);
  VisibleStream out(full);
  out << "text";
  EXPECT_FALSE(out.flush());
}

TEST(ControlSequence, GoesThroughOtherStreamsAsItIs) {
  std::ostringstream out;
  out << ControlSequence{"\033[0m"};
  EXPECT_EQ(out.str(), "\033[0m");
}

}  // namespace
}  // namespace rookery::cli
