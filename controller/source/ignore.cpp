#include "source/ignore.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <ranges>
#include <utility>

#include "api/manifest.h"
#include "api/mention.h"
#include "yaml/yaml.h"

namespace rookery::source {

namespace {

/// The classes of regex(7), in the C locale.
bool isOfClass(std::string_view name, int c) {
  struct Class {
    std::string_view name;
    int (*holds)(int);
  };
  static constexpr Class classes[] = {
      {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank}, {"cntrl", std::iscntrl},
      {"digit", std::isdigit}, {"graph", std::isgraph}, {"lower", std::islower}, {"print", std::isprint},
      {"punct", std::ispunct}, {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit}};
  const auto* const found = std::ranges::find(classes, name, &Class::name);
  return found != std::end(classes) && found->holds(c) != 0;
}

using Letters = std::bitset<256>;

Letters letter(char c) { return Letters().set(static_cast<unsigned char>(c)); }

/// Takes the next character of a bracket expression off, and a backslash before it.
unsigned char takeLetter(std::string_view& rest) {
  if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
  const auto c = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  return c;
}

/// Takes a bracket expression off; `pattern` begins after its `[` and, on success, after its `]`. None: it
/// does not end.
std::optional<Letters> takeRange(std::string_view& pattern) {
  std::string_view rest = pattern;
  const bool negated = !rest.empty() && (rest.front() == '!' || rest.front() == '^');
  if (negated) rest.remove_prefix(1);
  Letters found;
  for (bool first = true; !rest.empty(); first = false) {
    if (rest.front() == ']' && !first) {
      pattern = rest.substr(1);
      return (negated ? ~found : found).reset('/');
    }
    if (rest.starts_with("[:")) {
      const std::size_t end = rest.find(":]");
      if (end == std::string_view::npos) return std::nullopt;
      for (int c = 0; c < 256; ++c) {
        if (isOfClass(rest.substr(2, end - 2), c)) found.set(static_cast<std::size_t>(c));
      }
      rest.remove_prefix(end + 2);
      continue;
    }
    const unsigned from = takeLetter(rest);
    const bool isRange = rest.size() > 1 && rest[0] == '-' && rest[1] != ']';
    if (isRange) rest.remove_prefix(1);
    const unsigned to = isRange ? takeLetter(rest) : from;
    for (unsigned c = from; c <= to; ++c) found.set(c);
  }
  return std::nullopt;
}

/// Takes the first element of `pattern` off, which is no star. None: nothing matches it.
std::optional<Letters> takeOne(std::string_view& pattern) {
  const char c = pattern.front();
  pattern.remove_prefix(1);
  if (c == '?') return (~Letters()).reset('/');
  if (c == '[') return takeRange(pattern);
  if (c != '\\') return letter(c);
  if (pattern.empty()) return std::nullopt;
  const char kept = pattern.front();
  pattern.remove_prefix(1);
  return letter(kept);
}

/// Where matching goes on when what followed a star did not fit: one character further on. Only the last star
/// of a part, and the last that spans parts, need to be tried again: the time is bounded by the square of the
/// text's length, and the pattern's.
struct Retry {
  std::size_t element;
  std::string_view text;
};

/// Whether `text` goes on one character further under a star that does (`spans`) or does not match `/`.
bool goOn(std::optional<Retry>& retry, bool spans, std::size_t& element, std::string_view& text) {
  if (!retry || retry->text.empty()) return false;
  if (spans) {
    // `**/` begins at the beginning of a part.
    const std::size_t slash = retry->text.find('/');
    if (slash == std::string_view::npos) return false;
    retry->text.remove_prefix(slash + 1);
  } else {
    if (retry->text.front() == '/') return false;
    retry->text.remove_prefix(1);
  }
  element = retry->element;
  text = retry->text;
  return true;
}

/// A line without the spaces at its end that no backslash keeps.
std::string_view withoutTrailingSpaces(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
  return line;
}

std::string_view nameOf(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 == 0
}

}  // namespace

/// None: nothing matches it, as it does not end.
std::optional<IgnoreRules::Pattern> IgnoreRules::compile(std::string_view pattern) {
  Pattern compiled;
  const std::string_view whole = pattern;
  while (!pattern.empty()) {
    const std::size_t at = whole.size() - pattern.size();
    const bool beginsPart = at == 0 || whole[at - 1] == '/';
    if (beginsPart && pattern == "**") {
      compiled.push_back({.kind = Element::Kind::Rest});
      break;
    }
    if (beginsPart && pattern.starts_with("**/")) {
      pattern.remove_prefix(3);
      compiled.push_back({.kind = Element::Kind::Folders});
    } else if (pattern.front() == '*') {
      pattern.remove_prefix(std::min(pattern.find_first_not_of('*'), pattern.size()));
      compiled.push_back({.kind = Element::Kind::Star});
    } else {
      const auto letters = takeOne(pattern);
      if (!letters) return std::nullopt;
      compiled.push_back({.kind = Element::Kind::One, .letters = *letters});
    }
  }
  return compiled;
}

/// wildmatch of git with WM_PATHNAME.
bool IgnoreRules::matches(const Pattern& pattern, std::string_view text) {
  std::optional<Retry> star, spanning;
  std::size_t at = 0;
  while (at < pattern.size() || !text.empty()) {
    const Element* const element = at < pattern.size() ? &pattern[at] : nullptr;
    if (element != nullptr && element->kind == Element::Kind::Rest) return !text.empty();
    if (element != nullptr && element->kind == Element::Kind::Folders) {
      spanning = Retry{++at, text};
      star.reset();
    } else if (element != nullptr && element->kind == Element::Kind::Star) {
      star = Retry{++at, text};
    } else if (element != nullptr && !text.empty() &&
               element->letters.test(static_cast<unsigned char>(text.front()))) {
      ++at;
      text.remove_prefix(1);
    } else {
      if (goOn(star, false, at, text)) continue;
      star.reset();
      if (!goOn(spanning, true, at, text)) return false;
    }
  }
  return true;
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules rules;
  if (text.starts_with(yaml::byteOrderMark)) text.remove_prefix(yaml::byteOrderMark.size());
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = withoutTrailingSpaces(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    Rule rule{.pattern = {}, .line = number};
    rule.negated = line.front() == '!';
    if (rule.negated) line.remove_prefix(1);
    rule.folderOnly = line.ends_with('/');
    if (rule.folderOnly) line.remove_suffix(1);
    rule.anchored = line.find('/') != std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    auto pattern = compile(line);
    if (line.empty() || !pattern) continue;
    rule.pattern = *std::move(pattern);
    rules.rules_.push_back(std::move(rule));
  }
  return rules;
}

Result<IgnoreRules> IgnoreRules::read(const std::filesystem::path& file) {
  const Result<std::string> text = api::readText(file);
  if (!text) return std::unexpected(text.error());
  if (text->size() > maxBytes) {
    return fail(Reason::InvalidManifest, "the file has " + std::to_string(text->size()) +
                                             " bytes; one with rules has at most " +
                                             std::to_string(maxBytes));
  }
  // As a full disk leaves it: what it hid would be deployed.
  if (api::isBlank(*text)) {
    return fail(Reason::InvalidManifest,
                "the file is empty; remove it, if nothing is to be ignored, or write a comment (#) into it");
  }
  return parse(*text);
}

std::optional<IgnoreRules::Verdict> IgnoreRules::match(std::string_view path, bool isFolder) const {
  for (const Rule& rule : std::views::reverse(rules_)) {
    if (rule.folderOnly && !isFolder) continue;
    if (matches(rule.pattern, rule.anchored ? path : nameOf(path)))
      return Verdict{.ignored = !rule.negated, .line = rule.line};
  }
  return std::nullopt;
}

}  // namespace rookery::source
