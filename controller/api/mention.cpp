#include "api/mention.h"

#include <algorithm>
#include <array>

#include "yaml/yaml.h"

namespace rookery::api {

namespace {

constexpr std::string_view whitespace = " \t\r\n";

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

/// `text` without the white space and quotation marks at its end.
std::string_view withoutTail(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n\"'");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// Whether a mapping has the key `kind` with a value that begins with Secret.
bool namesSecret(std::string_view text) {
  constexpr std::string_view word = "Secret";
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    // A value stands close to its key: what is further away is not looked at again for each.
    constexpr std::size_t near = 64;
    const std::size_t from = at > near ? at - near : 0;
    std::string_view before = withoutTail(text.substr(from, at - from));
    if (!before.ends_with(':')) continue;
    before.remove_suffix(1);
    if (withoutTail(before).ends_with("kind")) return true;
  }
  return false;
}

/// Whether a line begins with the key `kind`, and what follows is the beginning of a list, or of a mapping
/// but not of a template.
bool leavesKindUnsaid(std::string_view text) {
  constexpr std::string_view key = "kind:";
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at > 0 && text[at - 1] != '\n') continue;
    const std::string_view rest = text.substr(at + key.size());
    const std::size_t value = rest.find_first_not_of(" \t");
    if (value == std::string_view::npos) continue;
    if (rest[value] == '[' || (rest[value] == '{' && !rest.substr(value).starts_with("{{"))) return true;
  }
  return false;
}

}  // namespace

Mentions mentionsIn(std::string_view text) {
  constexpr std::array words = {"Secret", "Unikernel", "AlbatrossInstance"};
  return {.group = contains(text, "rookery.dev/") || contains(text, "rookery.dev\\/"),
          .secret = namesSecret(text),
          .unsaid = leavesKindUnsaid(text),
          .word = std::ranges::any_of(words, [&](const char* word) { return contains(text, word); }),
          .damaged = text.find('\0') != std::string_view::npos};
}

bool isBlank(std::string_view text) {
  if (text.starts_with(yaml::byteOrderMark)) text.remove_prefix(yaml::byteOrderMark.size());
  return text.find_first_not_of(whitespace) == std::string_view::npos;
}

bool endsWithin(std::string_view text) {
  if (text.empty()) return false;
  if (!text.ends_with('\n')) return true;
  const std::size_t last = text.find_last_not_of(whitespace);
  if (last == std::string_view::npos) return false;
  text = text.substr(0, last + 1);
  const std::size_t line = text.rfind('\n') + 1;  // npos + 1 == 0
  return text.substr(line) == "---";
}

}  // namespace rookery::api
