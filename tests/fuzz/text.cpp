// Text that somebody else wrote, on its way to people.

#include "text.h"

#include "fuzz/target.h"
#include "sentence.h"

namespace rookery::fuzz {
namespace {

void expectVisible(const std::string& text) {
  check(!findInvalidByte(text), "what is shown is UTF-8 without control characters");
  check(visible(text) == text, "what is visible stays as it is");
}

const Target textTarget("text", [](std::string_view input) {
  const std::string shown = visible(input);
  expectVisible(shown);
  check(shown.find_first_of("\n\t\r") == std::string::npos, "it is one line");
  expectVisible(visible(input, 20));
  expectVisible(quote(input));
  const std::string lines = visibleLines(input);
  check(!findInvalidByte(lines) && visibleLines(lines) == lines, "visible lines stay as they are");
  check(findInvalidByte(input) || !findInvalidByte(shorten(input, 20)), "no character is cut through");
  check(unfinishedBytes(input) < 4 && unfinishedBytes(input) <= input.size(), "a character has four bytes");
  check(sentence(sentence(input)) == sentence(input), "a sentence is one");
  sentences({input, withoutFullStop(input)});
});

}  // namespace
}  // namespace rookery::fuzz
