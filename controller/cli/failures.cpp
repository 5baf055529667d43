#include "cli/failures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "cli/failure.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

std::string plainNameOf(const api::ObjectKey& object) {
  return object.nameSpace.empty() ? object.name : object.nameSpace + "/" + object.name;
}

bool isOfWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/// Puts `by` where `word` stands on its own.
void replaceWord(std::string& text, const std::string& word, std::string_view by) {
  if (word.empty()) return;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
    const std::size_t end = at + word.size();
    const bool whole = (at == 0 || !isOfWord(text[at - 1])) && (end == text.size() || !isOfWord(text[end]));
    if (whole) text.replace(at, word.size(), by);
    at += whole ? by.size() : 1;
  }
}

/// A message without what makes it the object's own: its name, and numbers.
std::string likenessOf(const api::ObjectKey& object, std::string message) {
  replaceWord(message, plainNameOf(object), "‹name›");
  replaceWord(message, object.name, "‹name›");
  std::string likeness;
  bool within = false;
  for (const char c : message) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) likeness += c;
    if (digit && !within) likeness += '#';
    within = digit;
  }
  return likeness;
}

/// "Unikernel" or "1,488 Unikernels".
std::string countOf(api::Kind kind, std::size_t number) {
  const std::string word(api::toString(kind));
  const std::string plural = word.ends_with('y') ? word.substr(0, word.size() - 1) + "ies" : word + "s";
  return fmt::format("{} {}", withSeparators(number), plural);
}

}  // namespace

std::string withSeparators(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

void Failures::add(const api::ObjectKey& object, Reason reason, std::string message) {
  ++objects_;
  // The very same first: a name may be a word of the message, such as "a".
  auto same = groupOf_.find({object.kind, reason, message});
  if (same == groupOf_.end()) {
    const auto [like, added] =
        groupOf_.try_emplace({object.kind, reason, likenessOf(object, message)}, groups_.size());
    if (added) {
      groups_.push_back({object.kind, reason, message, {}});
      groupOf_.try_emplace({object.kind, reason, std::move(message)}, like->second);
    }
    same = like;
  }
  groups_[same->second].objects.push_back(object);
}

std::string Failures::lineOf(const Group& group) const {
  const api::ObjectKey& first = group.objects.front();
  if (group.objects.size() == 1)
    return fmt::format("{} is not Ready ({}): {}", first.toString(), toString(group.reason), group.message);
  constexpr std::size_t shown = 5;
  std::vector<std::string> others;
  for (auto object = group.objects.begin() + 1; object != group.objects.end() && others.size() < shown;
       ++object)
    others.push_back(plainNameOf(*object));
  const std::size_t more = group.objects.size() - 1 - others.size();
  return sentences(
      {fmt::format("{} are not Ready ({}); the first, {}: {}", countOf(group.kind, group.objects.size()),
                   toString(group.reason), plainNameOf(first), group.message),
       fmt::format("The others: {}{}", fmt::join(others, ", "),
                   more == 0 ? "." : fmt::format(" and {} more.", withSeparators(more)))});
}

void Failures::tell(std::ostream& out) const {
  const auto quoted = [&](const std::string& sentence) {
    return std::ranges::any_of(
        groups_, [&](const Group& group) { return group.message.find(sentence) != std::string::npos; });
  };
  std::set<std::string> said;
  for (const std::string& sentence : sentences_) {
    if (!quoted(sentence) && said.insert(sentence).second) say(out, "error: ", sentence);
  }
  for (const Group& group : groups_) say(out, "error: ", lineOf(group));
}

}  // namespace rookery::cli
