#include "yaml/tree.h"

#include <algorithm>
#include <utility>

#include "yaml/scalar.h"

namespace rookery::yaml {

using nlohmann::json;
using Style = Node::Style;

namespace {

constexpr std::string_view flowIndicators = ",[]{}";

/// What surrounds a value.
struct Surroundings {
  std::size_t separator;  // behind the colon, dash, comma or bracket before it
  std::ptrdiff_t indent;  // column of the innermost block collection; -1: none
  bool flow;
};

using Member = std::pair<std::string_view, const Places*>;

std::vector<Member> inOrderOfText(const Places& places) {
  std::vector<Member> members;
  members.reserve(places.members.size());
  for (const auto& [name, member] : places.members) members.emplace_back(name, &member);
  std::ranges::sort(members, {}, [](const Member& member) { return member.second->key; });
  return members;
}

class Layout {
 public:
  explicit Layout(std::string_view text) : text_(text) {
    for (std::size_t at = 0; at < text.size(); at = lineEnd(text, at)) lines_.push_back(at);
  }

  std::optional<Node> node(const json& value, const Places& places, const Surroundings& around) const {
    if (value.is_null()) return null(around);
    const auto begin = offset(places.value);
    if (!begin || *begin < around.separator) return std::nullopt;
    if (text_[*begin] == '*') return alias(*begin);
    const std::size_t bare = skipProperties(*begin);
    if (bare >= text_.size()) return std::nullopt;
    auto found =
        value.is_structured() ? collection(value, places, bare, around) : scalar(value, places, bare, around);
    if (found) found->begin = *begin;
    return found;
  }

 private:
  char at(std::size_t index) const { return index < text_.size() ? text_[index] : '\n'; }
  bool isSpace(std::size_t index) const { return std::string_view(" \t\r\n").contains(at(index)); }
  bool isFlowIndicator(std::size_t index) const { return flowIndicators.contains(at(index)); }
  bool isComment(std::size_t index) const { return at(index) == '#' && (index == 0 || isSpace(index - 1)); }
  std::size_t columnOf(std::size_t index) const { return index - lineBegin(text_, index); }

  std::optional<std::size_t> offset(Place place) const {
    if (place.line == 0 || place.line > lines_.size()) return std::nullopt;
    const std::size_t found = lines_[place.line - 1] + place.column - 1;
    return found < text_.size() ? std::optional(found) : std::nullopt;
  }

  /// Over spaces, line breaks and comments.
  std::size_t skipBlank(std::size_t from) const {
    while (from < text_.size()) {
      if (isSpace(from)) {
        ++from;
      } else if (isComment(from)) {
        from = lineEnd(text_, from);
      } else {
        break;
      }
    }
    return from;
  }

  /// Over an anchor and a tag, to what they belong to.
  std::size_t skipProperties(std::size_t from) const {
    while (at(from) == '&' || at(from) == '!') {
      while (!isSpace(from)) ++from;
      from = skipBlank(from);
    }
    return from;
  }

  std::optional<Node> alias(std::size_t begin) const {
    std::size_t end = begin;
    while (!isSpace(end) && !isFlowIndicator(end)) ++end;
    return Node{.style = Style::Alias, .begin = begin, .end = end, .entries = {}};
  }

  /// The parser does not tell where a null stands.
  std::optional<Node> null(const Surroundings& around) const {
    const std::size_t begin = skipSpaces(text_, around.separator);
    if (at(begin) == '\n' || isComment(begin) || (around.flow && isFlowIndicator(begin))) {
      return Node{.style = Style::Empty, .begin = around.separator, .end = around.separator, .entries = {}};
    }
    if (at(begin) == '*') return alias(begin);
    const std::size_t end = plainLineEnd(begin, around.flow);
    if (readPlainScalar(text_.substr(begin, end - begin)) != json(nullptr)) return std::nullopt;
    return Node{.style = Style::Plain, .begin = begin, .end = end, .entries = {}};
  }

  std::optional<Node> scalar(const json& value, const Places& places, std::size_t begin,
                             const Surroundings& around) const {
    const char first = at(begin);
    if (first == '"' || first == '\'') {
      const auto end = quotedEnd(begin);
      if (!end) return std::nullopt;
      return Node{.style = first == '"' ? Style::DoubleQuoted : Style::SingleQuoted,
                  .begin = begin,
                  .end = *end,
                  .entries = {}};
    }
    if (!around.flow && (first == '|' || first == '>')) return blockScalar(begin, around.indent);
    const std::string& written = value.is_string() ? value.get_ref<const std::string&>() : places.text;
    return Node{
        .style = Style::Plain, .begin = begin, .end = plainEnd(begin, written, around), .entries = {}};
  }

  std::optional<std::size_t> quotedEnd(std::size_t begin) const {
    const char quote = text_[begin];
    for (std::size_t end = begin + 1; end < text_.size(); ++end) {
      if (quote == '"' && text_[end] == '\\') {
        ++end;
      } else if (text_[end] == quote) {
        if (quote == '"' || at(end + 1) != quote) return end + 1;
        ++end;
      }
    }
    return std::nullopt;
  }

  std::size_t plainLineEnd(std::size_t begin, bool flow) const {
    std::size_t end = begin;
    for (std::size_t next = begin; at(next) != '\n' && !isComment(next); ++next) {
      if (flow && isFlowIndicator(next)) break;
      if (!isSpace(next)) end = next + 1;
    }
    return end;
  }

  /// A plain scalar goes on in the next lines where the first does not hold all of it.
  std::size_t plainEnd(std::size_t begin, std::string_view written, const Surroundings& around) const {
    std::size_t end = plainLineEnd(begin, around.flow);
    if (text_.substr(begin, end - begin) == written) return end;
    while (isBlankFrom(text_, end)) {
      std::size_t next = end;
      do {
        next = lineEnd(text_, next);
      } while (next < text_.size() && isBlankFrom(text_, next));
      const std::size_t word = skipSpaces(text_, next);
      const bool inside = around.flow || static_cast<std::ptrdiff_t>(columnOf(word)) > around.indent;
      if (word >= text_.size() || !inside || isComment(word)) break;
      const std::size_t lineEndsAt = plainLineEnd(word, around.flow);
      if (lineEndsAt == word) break;
      end = lineEndsAt;
    }
    return end;
  }

  Node blockScalar(std::size_t begin, std::ptrdiff_t indent) const {
    std::size_t headEnd = begin + 1;
    std::size_t contentColumn = 0;  // 0: as the first line shows
    while (!isSpace(headEnd)) {
      const char indicator = at(headEnd++);
      if (indicator >= '1' && indicator <= '9') {
        contentColumn = static_cast<std::size_t>(std::max<std::ptrdiff_t>(indent, 0) + indicator - '0');
      }
    }
    const bool keepsBlankLines = text_.substr(begin, headEnd - begin).contains('+');
    std::size_t end = lineEnd(text_, headEnd);
    for (std::size_t line = end; line < text_.size(); line = lineEnd(text_, line)) {
      if (isBlankFrom(text_, line)) {
        if (keepsBlankLines) end = lineEnd(text_, line);
        continue;
      }
      const std::size_t column = text_.find_first_not_of(' ', line) - line;
      if (contentColumn == 0) contentColumn = std::max(column, static_cast<std::size_t>(indent + 1));
      if (column < contentColumn) break;
      end = lineEnd(text_, line);
    }
    return {.style = Style::BlockScalar, .begin = begin, .end = end, .headEnd = headEnd, .entries = {}};
  }

  std::optional<Node> collection(const json& value, const Places& places, std::size_t begin,
                                 const Surroundings& around) const {
    if (at(begin) == (value.is_object() ? '{' : '[')) {
      const Surroundings inside{.separator = begin + 1, .indent = around.indent, .flow = true};
      return value.is_object() ? flowMapping(value, places, begin, inside)
                               : flowSequence(value, places, begin, inside);
    }
    if (around.flow) return std::nullopt;
    return value.is_object() ? blockMapping(value, places, begin) : blockSequence(value, places, begin);
  }

  /// Behind the colon after the key at `begin`.
  std::optional<std::size_t> separatorAfter(std::size_t begin, std::string_view key, bool flow) const {
    if (at(begin) == '"' || at(begin) == '\'') {
      const std::size_t colon = skipSpaces(text_, quotedEnd(begin).value_or(text_.size()));
      return at(colon) == ':' ? std::optional(colon + 1) : std::nullopt;
    }
    if (text_.substr(begin, key.size()) != key) return std::nullopt;
    const std::size_t colon = skipSpaces(text_, begin + key.size());
    const bool ends = isSpace(colon + 1) || (flow && isFlowIndicator(colon + 1));
    return at(colon) == ':' && ends ? std::optional(colon + 1) : std::nullopt;
  }

  std::optional<Entry> entryOf(const Member& member, const json& mapping, Surroundings around) const {
    const auto begin = offset(member.second->key);
    if (!begin || *begin < around.separator) return std::nullopt;
    Entry entry{.key = std::string(member.first), .begin = *begin, .value = {}};
    const auto separator = separatorAfter(*begin, entry.key, around.flow);
    if (!separator) return std::nullopt;
    entry.separator = around.separator = *separator;
    auto value = node(mapping.at(entry.key), *member.second, around);
    if (!value) return std::nullopt;
    entry.value = std::move(*value);
    return entry;
  }

  std::optional<Node> blockMapping(const json& value, const Places& places, std::size_t begin) const {
    Node mapping{
        .style = Style::Block, .begin = begin, .end = begin, .column = columnOf(begin), .entries = {}};
    for (const Member& each : inOrderOfText(places)) {
      auto entry = entryOf(
          each, value,
          {.separator = mapping.end, .indent = static_cast<std::ptrdiff_t>(mapping.column), .flow = false});
      if (!entry || columnOf(entry->begin) != mapping.column) return std::nullopt;
      mapping.end = entry->value.end;
      mapping.entries.push_back(std::move(*entry));
    }
    return mapping;
  }

  std::optional<Node> blockSequence(const json& value, const Places& places, std::size_t begin) const {
    Node sequence{.style = Style::Block,
                  .begin = begin,
                  .end = begin,
                  .column = columnOf(begin),
                  .sequence = true,
                  .entries = {}};
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::size_t dash = skipBlank(sequence.end);
      if (at(dash) != '-' || !isSpace(dash + 1) || columnOf(dash) != sequence.column) return std::nullopt;
      auto item = node(
          value[i], places.items[i],
          {.separator = dash + 1, .indent = static_cast<std::ptrdiff_t>(sequence.column), .flow = false});
      if (!item) return std::nullopt;
      sequence.end = item->end;
      sequence.entries.push_back(
          {.key = {}, .begin = dash, .separator = dash + 1, .value = std::move(*item)});
    }
    return sequence;
  }

  std::optional<Node> flowMapping(const json& value, const Places& places, std::size_t begin,
                                  Surroundings inside) const {
    Node mapping{.style = Style::Flow, .begin = begin, .entries = {}};
    for (const Member& each : inOrderOfText(places)) {
      auto entry = entryOf(each, value, inside);
      if (!entry) return std::nullopt;
      inside.separator = afterComma(entry->value.end);
      mapping.entries.push_back(std::move(*entry));
    }
    return close(std::move(mapping), inside.separator, '}');
  }

  std::optional<Node> flowSequence(const json& value, const Places& places, std::size_t begin,
                                   Surroundings inside) const {
    Node sequence{.style = Style::Flow, .begin = begin, .sequence = true, .entries = {}};
    for (std::size_t i = 0; i < value.size(); ++i) {
      inside.separator = skipBlank(inside.separator);
      auto item = node(value[i], places.items[i], inside);
      if (!item) return std::nullopt;
      const std::size_t itemBegin = item->begin;
      inside.separator = afterComma(item->end);
      sequence.entries.push_back(
          {.key = {}, .begin = itemBegin, .separator = itemBegin, .value = std::move(*item)});
    }
    return close(std::move(sequence), inside.separator, ']');
  }

  std::size_t afterComma(std::size_t from) const {
    from = skipBlank(from);
    return at(from) == ',' ? from + 1 : from;
  }

  std::optional<Node> close(Node node, std::size_t from, char bracket) const {
    from = skipBlank(from);
    if (at(from) != bracket) return std::nullopt;
    node.end = from + 1;
    return node;
  }

  std::string_view text_;
  std::vector<std::size_t> lines_;  // their beginnings
};

}  // namespace

bool beginsWithMark(std::string_view line, std::string_view mark) {
  if (!line.starts_with(mark)) return false;
  line.remove_prefix(mark.size());
  return line.empty() || std::string_view(" \t\n").contains(line.front()) || line.starts_with("\r\n");
}

std::optional<Node> layOut(std::string_view text, const Document& document) {
  if (!document.duplicates.empty()) return std::nullopt;
  return Layout(text).node(document.value, document.places, {.separator = 0, .indent = -1, .flow = false});
}

std::vector<Segment> splitSegments(std::string_view text) {
  std::vector<Segment> segments;
  std::size_t begin = 0;
  for (std::size_t line = 0; line < text.size(); line = lineEnd(text, line)) {
    const std::string_view rest = text.substr(line);
    if (line == 0 || !(beginsWithMark(rest, "---") || beginsWithMark(rest, "..."))) continue;
    segments.push_back({begin, line});
    begin = line;
  }
  segments.push_back({begin, text.size()});
  return segments;
}

std::size_t offsetOf(std::string_view text, Place place) {
  std::size_t at = 0;
  for (std::size_t line = 1; line < place.line; ++line) at = lineEnd(text, at);
  return std::min(at + std::max<std::size_t>(place.column, 1) - 1, text.size());
}

std::size_t lineBegin(std::string_view text, std::size_t at) {
  return text.substr(0, at).rfind('\n') + 1;  // npos + 1 == 0
}

std::size_t lineEnd(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

std::size_t skipSpaces(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r", at), text.size());
}

bool isBlankFrom(std::string_view text, std::size_t at) {
  const std::size_t next = skipSpaces(text, at);
  return next == text.size() || text[next] == '\n';
}

std::size_t tailOf(std::string_view text, const Entry& entry) {
  const Node& value = entry.value;
  if (value.style == Style::Block && !value.entries.empty()) return tailOf(text, value.entries.back());
  if (value.style == Style::BlockScalar) return value.end;
  return lineEnd(text, value.end);
}

}  // namespace rookery::yaml
