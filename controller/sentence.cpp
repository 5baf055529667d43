#include "sentence.h"

#include <algorithm>
#include <array>

#include "text.h"

namespace rookery {

namespace {

constexpr std::string_view ellipsis = "…";

/// Without quotation marks and brackets that close at its end.
std::string_view withoutClosing(std::string_view text) {
  constexpr std::array<std::string_view, 7> closing = {"\"", "'", ")", "]", "”", "’", "›"};
  for (bool some = true; some;) {
    some = std::ranges::any_of(closing, [&](std::string_view mark) {
      if (!text.ends_with(mark)) return false;
      text.remove_suffix(mark.size());
      return true;
    });
  }
  return text;
}

bool endsSentence(std::string_view text) {
  const std::string_view inner = withoutClosing(text);
  constexpr std::string_view ends = ".!?:";
  if (inner.ends_with(ellipsis)) return true;
  return !inner.empty() && ends.contains(inner.back());
}

}  // namespace

std::string sentence(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return {};
  if (text.ends_with("..") && !text.ends_with("...")) text.remove_suffix(1);
  std::string ended(text);
  if (!endsSentence(text)) ended += '.';
  return ended;
}

std::string sentences(std::initializer_list<std::string_view> texts) {
  std::string all;
  for (const std::string_view text : texts) {
    const std::string next = sentence(text);
    if (next.empty()) continue;
    if (!all.empty()) all += ' ';
    all += next;
  }
  return all;
}

std::string withoutFullStop(std::string_view text) {
  text = trimmed(text);
  if (text.ends_with("...")) return std::string(text);
  while (text.ends_with('.')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace rookery
