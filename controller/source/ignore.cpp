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
bool isOfClass(std::string_view name, char c) {
  struct Class {
    std::string_view name;
    int (*holds)(int);
  };
  static constexpr Class classes[] = {
      {"alnum", std::isalnum}, {"alpha", std::isalpha}, {"blank", std::isblank}, {"cntrl", std::iscntrl},
      {"digit", std::isdigit}, {"graph", std::isgraph}, {"lower", std::islower}, {"print", std::isprint},
      {"punct", std::ispunct}, {"space", std::isspace}, {"upper", std::isupper}, {"xdigit", std::isxdigit}};
  const auto* const found = std::ranges::find(classes, name, &Class::name);
  return found != std::end(classes) && found->holds(static_cast<unsigned char>(c)) != 0;
}

/// Takes what a bracket expression says of a character; `pattern` begins after its `[` and, on success, after
/// its `]`. None: the expression does not end.
std::optional<bool> takeRange(std::string_view& pattern, char c) {
  std::string_view rest = pattern;
  const bool negated = !rest.empty() && (rest.front() == '!' || rest.front() == '^');
  if (negated) rest.remove_prefix(1);
  bool found = false;
  for (bool first = true; !rest.empty(); first = false) {
    if (rest.front() == ']' && !first) {
      pattern = rest.substr(1);
      return found != negated && c != '/';
    }
    if (rest.starts_with("[:")) {
      const std::size_t end = rest.find(":]");
      if (end == std::string_view::npos) return std::nullopt;
      found = found || isOfClass(rest.substr(2, end - 2), c);
      rest.remove_prefix(end + 2);
      continue;
    }
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    const char from = rest.front();
    rest.remove_prefix(1);
    char to = from;
    if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
      rest.remove_prefix(1);
      if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
      to = rest.front();
      rest.remove_prefix(1);
    }
    found = found || (from <= c && c <= to);
  }
  return std::nullopt;
}

/// Takes one character of `text` off if the first element of `pattern`, which is no star, matches it.
bool takeOne(std::string_view& pattern, std::string_view& text) {
  if (text.empty()) return false;
  const char c = text.front();
  std::string_view rest = pattern.substr(1);
  switch (pattern.front()) {
    case '?':
      if (c == '/') return false;
      break;
    case '[': {
      const auto inRange = takeRange(rest, c);
      if (!inRange.value_or(false)) return false;
      break;
    }
    case '\\':
      if (rest.empty() || rest.front() != c) return false;
      rest.remove_prefix(1);
      break;
    default:
      if (pattern.front() != c) return false;
  }
  pattern = rest;
  text.remove_prefix(1);
  return true;
}

/// Where matching goes on when what followed a star did not fit: one character further on. Only the last star
/// of a part, and the last that spans parts, need to be tried again: the time is bounded by the square of the
/// lengths.
struct Retry {
  std::string_view pattern, text;
};

/// Whether `text` goes on one character further under a star that does (`spans`) or does not match `/`.
bool goOn(std::optional<Retry>& retry, bool spans, std::string_view& pattern, std::string_view& text) {
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
  pattern = retry->pattern;
  text = retry->text;
  return true;
}

/// wildmatch of git with WM_PATHNAME.
bool matches(const std::string_view whole, std::string_view text) {
  std::string_view pattern = whole;
  std::optional<Retry> star, spanning;
  while (!pattern.empty() || !text.empty()) {
    const std::size_t at = whole.size() - pattern.size();
    const bool beginsPart = at == 0 || whole[at - 1] == '/';
    if (beginsPart && pattern == "**") return !text.empty();
    if (beginsPart && pattern.starts_with("**/")) {
      pattern.remove_prefix(3);
      spanning = Retry{pattern, text};
      star.reset();
    } else if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(pattern.find_first_not_of('*') == std::string_view::npos
                                ? pattern.size()
                                : pattern.find_first_not_of('*'));
      star = Retry{pattern, text};
    } else if (pattern.empty() || !takeOne(pattern, text)) {
      if (goOn(star, false, pattern, text)) continue;
      star.reset();
      if (!goOn(spanning, true, pattern, text)) return false;
    }
  }
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
    if (line.empty()) continue;
    rule.pattern = line;
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
