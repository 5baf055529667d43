#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "yaml/place.h"

namespace rookery::yaml {

/// Limits on what is untrusted input.
inline constexpr std::size_t maxBytes = 4u << 20;
inline constexpr std::size_t maxNodes = 200'000;  // after aliases are followed
inline constexpr std::size_t maxDepth = 64;

/// Whether a value is nested more than maxDepth levels deep.
bool isTooDeep(const nlohmann::json& value);

/// Where the parts of a JSON value stand in the YAML that it was read from.
struct Places {
  Place key;  // of a member: its key; of anything else: the value
  Place value;
  std::string text;  // a number or boolean as it was written
  std::map<std::string, Places, std::less<>> members;
  std::vector<Places> items;
};

/// What is wrong with YAML, and where. `field` is known for a duplicate key.
struct Problem {
  Place place;
  std::string field;
  std::string message;
};

struct Document {
  nlohmann::json value;
  Places places;
  std::vector<Problem> duplicates;  // keys given twice, at the second; the first one's value is in `value`
};

/// May stand at the beginning of a text of either notation.
inline constexpr std::string_view byteOrderMark = "\xEF\xBB\xBF";

/// How a file is written. JSON has no anchors, tags and comments.
enum class Notation { Yaml, Json };
/// By the file's extension.
Notation notationOf(const std::filesystem::path& file);

/// Reads a stream of YAML documents, or of JSON values (json_reader.h), as JSON. Empty documents are left
/// out. Scalars of YAML are read as kubectl reads them (YAML 1.1), for what JSON can hold:
///
///   plain  empty, ~, null, Null, NULL                                        null
///          true, yes, y, on and false, no, n, off, as they stand,
///          capitalised or in capitals                                        boolean
///          [+-] 0x…, 0o…, 0b…, leading 0 (octal) or decimal, _ ignored       integer
///          [+-] digits with . or exponent; whole ones count as integers      number
///          anything else, times and dates included                           string
///   quoted, block scalars, and anything tagged !!str or !                    string
///   tagged !!int, !!float, !!bool, !!null                                    read as if plain; must be of
///   that type
///
/// Refused, with the place: other tags, `<<`, keys that are not scalars, an alias within its own anchor,
/// infinities, bytes that are not UTF-8, control characters, a second document without `---`, and what
/// exceeds the limits on values and depth (above, and document_builder.h): while it is read, a text takes at
/// most 16 MiB and 192 times its size of memory, of JSON 96 times. Throws nothing but std::bad_alloc.
std::expected<std::vector<Document>, Problem> parse(std::string_view text,
                                                    Notation notation = Notation::Yaml);

/// Reads a text that is one JSON value; blank: null. Refused besides what parse() refuses: duplicate
/// keys, whose field is named. Takes no more memory than parse().
std::expected<nlohmann::json, Problem> parseJson(std::string_view text);

/// `path` followed by a member's name; quoted in brackets where it is not a plain word.
std::string memberPath(std::string_view path, std::string_view member);
std::string itemPath(std::string_view path, std::size_t index);

}  // namespace rookery::yaml
