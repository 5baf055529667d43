#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// JSON values as YAML. A string that a reader of YAML 1.1 or 1.2 would take for another type is quoted; one
/// of several lines is a literal block where that holds it exactly. Bytes that are not UTF-8 come out as
/// U+FFFD. Values are nested no deeper than maxDepth (yaml.h).
namespace rookery::yaml {

/// Keys that come first in a mapping, in this order; the others follow by the alphabet. Must outlive its use.
using KeyOrder = std::span<const std::string_view>;

/// The keys of a mapping in an order.
std::vector<std::string> keysOf(const nlohmann::json& mapping, KeyOrder order);

/// A document in block style.
std::string toYaml(const nlohmann::json& value, KeyOrder order = {});
/// JSON as it is sent: on one line, or indented by so many columns. Never throws on what came from outside.
std::string dump(const nlohmann::json& value, int indent = -1);
/// JSON as a file of its own: indented.
std::string toJson(const nlohmann::json& value, KeyOrder order = {});

/// How block style is laid out.
struct BlockStyle {
  std::size_t mappingIndent = 2;   // columns that a mapping stands further in than the key above it
  std::size_t sequenceIndent = 2;  // the same of a sequence; may be 0
  KeyOrder order = {};
};

enum class Quotes { AsNeeded, Single, Double };

/// What follows "key:" or "-".
struct Block {
  std::string head;  // on the same line, without the space before it; empty for a mapping or sequence
  std::string body;  // the lines below, each with its line feed
};

/// A value in block style, for a key or dash in `column` (from 0). `quotes`: of a string, where they can hold
/// it.
Block writeBlock(const nlohmann::json& value, std::size_t column, const BlockStyle& style,
                 Quotes quotes = Quotes::AsNeeded);
/// A member of a mapping in `column`, as whole lines.
std::string writeMember(const std::string& key, const nlohmann::json& value, std::size_t column,
                        const BlockStyle& style);
/// An item of a sequence whose dashes are in `column`, as whole lines.
std::string writeItem(const nlohmann::json& value, std::size_t column, const BlockStyle& style);

/// A value in flow style, on one line.
std::string writeFlow(const nlohmann::json& value, KeyOrder order = {}, Quotes quotes = Quotes::AsNeeded);
/// A member of a mapping in flow style.
std::string writeFlowMember(const std::string& key, const nlohmann::json& value, KeyOrder order = {});

}  // namespace rookery::yaml
