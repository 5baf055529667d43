#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yaml/yaml.h"

/// Where the parts of a YAML text begin and end, so that one can be replaced and the others left as they are.
/// Offsets are in bytes; columns count from 0.
namespace rookery::yaml {

struct Entry;

/// A value as it is written.
struct Node {
  enum class Style {
    Empty,  // null that is not written; begins and ends behind the colon or dash
    Plain,
    SingleQuoted,
    DoubleQuoted,
    BlockScalar,
    Alias,
    Flow,  // a mapping in braces or a sequence in brackets
    Block
  };
  Style style = Style::Empty;
  std::size_t begin = 0;    // of its anchor or tag where it has one
  std::size_t end = 0;      // of its last character; of a block scalar: behind its last line
  std::size_t headEnd = 0;  // of a block scalar: the end of its indicators
  std::size_t column = 0;   // of a block collection: of its keys or dashes
  bool sequence = false;
  std::vector<Entry> entries;  // in the order of the text
};

/// A member of a mapping or an item of a sequence.
struct Entry {
  std::string key;            // of a member
  std::size_t begin = 0;      // of its key or dash; of an item in flow style: of its value
  std::size_t separator = 0;  // behind the colon or dash
  Node value;
};

/// One document of a text, from its --- on, or from the beginning; up to the next one.
struct Segment {
  std::size_t begin = 0, end = 0;
};

/// The root of a document that parse() read from `text`, which has no byte order mark. None where it uses
/// what is rare enough not to be followed here, such as keys behind "? ".
std::optional<Node> layOut(std::string_view text, const Document& document);

/// Whether a line begins with a mark (--- or ...) as yaml-cpp sees it: alone or before something. A carriage
/// return by itself ends no line.
bool beginsWithMark(std::string_view line, std::string_view mark);

/// The segments of a text, in order, empty documents and what follows a "..." included.
std::vector<Segment> splitSegments(std::string_view text);

/// The offset of a place in a text.
std::size_t offsetOf(std::string_view text, Place place);
/// The beginning of the line that holds the offset.
std::size_t lineBegin(std::string_view text, std::size_t at);
/// Behind the line feed of the line that holds the offset.
std::size_t lineEnd(std::string_view text, std::size_t at);
/// The first character from `at` on that is not a space; tabs and carriage returns count as spaces.
std::size_t skipSpaces(std::string_view text, std::size_t at);
/// Whether nothing but spaces stands from `at` to the end of the line.
bool isBlankFrom(std::string_view text, std::size_t at);

/// Behind the last line of an entry.
std::size_t tailOf(std::string_view text, const Entry& entry);

}  // namespace rookery::yaml
