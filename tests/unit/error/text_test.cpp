#include "text.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

namespace rookery {
namespace {

using testing::EndsWith;
using testing::StartsWith;

TEST(VisibleText, ShowsWhatActsOrHides) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain text, \"quoted\" and \\n with a backslash", "plain text, \"quoted\" and \\n with a backslash"},
      {"Zürich → 東京 👋", "Zürich → 東京 👋"},
      {"a\nb\r\tc", "a\\nb\\r\\tc"},
      {std::string("\0\x01\x1b[31m\x7f", 8), "\\u0000\\u0001\\u001b[31m\\u007f"},
      {"\u0080\u009b31m\u009f\u00a0", "\\u0080\\u009b31m\\u009f\u00a0"},
      {"\u202eevil\u202c \u2066\u2069 \u200e\u200f \u061c",
       "\\u202eevil\\u202c \\u2066\\u2069 \\u200e\\u200f \\u061c"},
      {"a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", "a\\u200bb\\u200cc\\u200dd\\u2060e\\ufefff\\u00adg"},
      {"\u2028\u2029", "\\u2028\\u2029"},
      {"\U000e0041", "\\udb40\\udc41"},
      {"\x9b", "\\x9b"},                                                        // C1 of an 8-bit terminal
      {"\xff\xfe\xc3", "\\xff\\xfe\\xc3"},                                      // no UTF-8, cut off
      {"\xc0\x9b\xe0\x80\x9b", "\\xc0\\x9b\\xe0\\x80\\x9b"},                    // longer than they have to be
      {"\xed\xa0\x80\xf4\x90\x80\x80", "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"},  // no characters
      {"\xe2\x80", "\\xe2\\x80"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(visible(text), expected);
    EXPECT_EQ(visible(expected), expected) << "what is visible stays";
  }
  EXPECT_EQ(visibleLines("a\n\tb\r\x1b"), "a\n\tb\\r\\u001b");
}

TEST(VisibleText, TellsBySingleCharacters) {
  for (const char* text : {"a", " ", "\\", "é", "東b", "👋"}) EXPECT_TRUE(beginsVisible(text)) << text;
  for (const char* text : {"", "\n", "\x7f", "\u0085", "\u200b", "\u202e", "\ufeff", "\xff", "\xe2\x80"})
    EXPECT_FALSE(beginsVisible(text)) << visible(text);
}

TEST(VisibleText, EscapesAsJsonDoes) {
  // A JSON string that holds what is seen means what the one with the characters themselves means.
  for (const std::string text : {"\u202e", "\u009b", "\u007f", "\U000e0041"}) {
    EXPECT_THAT(visible(text), StartsWith("\\u"));
    EXPECT_EQ(visible(text).size() % 6, 0);
  }
}

TEST(VisibleText, IsCutAtACharacter) {
  EXPECT_EQ(visible("abc", 3), "abc");
  EXPECT_EQ(visible("abcd", 3), "abc… (4 bytes)");
  EXPECT_EQ(visible("aé and more", 2), "a… (12 bytes)");
  EXPECT_EQ(visible("aé and more", 3), "aé… (12 bytes)");
  EXPECT_EQ(visible("👋👋", 7), "👋… (8 bytes)");
  EXPECT_EQ(visible("\x1b\x1b\x1b", 1), "\\u001b… (3 bytes)");
  EXPECT_EQ(visible("\xff\xff\xff", 2), "\\xff\\xff… (3 bytes)");
  EXPECT_EQ(shorten("a\nb", 2), "a\n… (3 bytes)");
  const std::string cut = visible(std::string(20 << 20, 'x'), longestForeignText);
  EXPECT_LT(cut.size(), longestForeignText + 40);
  EXPECT_THAT(cut, EndsWith("x… (20971520 bytes)"));
}

TEST(VisibleText, KnowsWhatIsUnfinished) {
  const std::pair<std::string, std::size_t> cases[] = {{"", 0},
                                                       {"a", 0},
                                                       {"é", 0},
                                                       {"a\xc3", 1},
                                                       {"\xe2\x80", 2},
                                                       {"\xf0\x9f", 2},
                                                       {"\xf0\x9f\x91", 3},
                                                       {"\x80\x80\x80", 0},
                                                       {"a\xff", 0},
                                                       {"👋", 0}};
  for (const auto& [text, unfinished] : cases) EXPECT_EQ(unfinishedBytes(text), unfinished) << visible(text);
}

TEST(PercentEncode, LeavesWhatIsUnreserved) {
  EXPECT_EQ(percentEncode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percentEncode("a/b c?d#e%f&g=h+i\xc3\xa9"), "a%2Fb%20c%3Fd%23e%25f%26g%3Dh%2Bi%C3%A9");
  EXPECT_EQ(percentEncode(""), "");
}

}  // namespace
}  // namespace rookery
