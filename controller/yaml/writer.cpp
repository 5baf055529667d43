#include "yaml/writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "text.h"
#include "yaml/scalar.h"

namespace rookery::yaml {

using nlohmann::json;

namespace {

/// Within a flow collection these end a plain scalar.
enum class Context { Block, Flow };

/// YAML 1.2, section 7.4.2: a key that is written without "? " has at most 1024 characters.
constexpr std::size_t longestSimpleKey = 1024;

/// Words of YAML 1.1 and 1.2 that are not strings, in lower case.
constexpr std::array<std::string_view, 16> words = {"",  "~", "null", "true", "false", "yes",   "no",   "on",
                                                    "y", "n", "off",  ".inf", "-.inf", "+.inf", ".nan", "<<"};

/// Begins like a number and has only characters that occur in numbers (1e3, 0x1F, 1_000, 12:30:45) and dates.
bool looksNumeric(std::string_view text) {
  constexpr std::string_view starts = "0123456789+-.";
  constexpr std::string_view inside = "0123456789+-._:,abcdefABCDEFoOxXtTzZ ";
  return starts.contains(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return inside.contains(c); });
}

bool readsAsOtherType(std::string_view text) {
  return std::ranges::find(words, toLower(text)) != words.end() || text == "=" || text.starts_with("---") ||
         text.starts_with("...") || looksNumeric(text) || readPlainScalar(text) != json(text);
}

/// Whether all characters show themselves or are among `others`.
bool isPrintable(std::string_view text, std::string_view others) {
  while (!text.empty()) {
    const std::size_t length = utf8Length(text);
    if (length == 0 || (!beginsVisible(text) && !others.contains(text[0]))) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool canBePlain(std::string_view text, Context context) {
  if (readsAsOtherType(text) || !isPrintable(text, "")) return false;
  constexpr std::string_view indicators = "?:,[]{}#&*!|>'\"%@` ";
  const bool begins = !indicators.contains(text.front()) && !text.starts_with("- ") && text != "-";
  const bool ends = text.back() != ' ' && text.back() != ':';
  const bool flows = context == Context::Block || text.find_first_of(",[]{}") == std::string_view::npos;
  return begins && ends && flows && !text.contains(": ") && !text.contains(" #");
}

std::string escape(std::string_view character) {
  constexpr std::array<std::pair<char, std::string_view>, 5> named = {
      {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\t', "\\t"}, {'\r', "\\r"}}};
  for (const auto& [plain, escaped] : named) {
    if (character[0] == plain) return std::string(escaped);
  }
  if (beginsVisible(character)) return std::string(character);
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(character[i]));
  };
  if (character.size() == 1) return fmt::format("\\x{:02x}", byte(0));
  if (character.size() == 2) return fmt::format("\\u{:04x}", (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu));
  const unsigned rest = (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
  if (character.size() == 3) return fmt::format("\\u{:04x}", (byte(0) & 0xFu) << 12 | rest);
  return fmt::format("\\U{:08x}", (byte(0) & 7u) << 18 | rest << 6 | (byte(3) & 0x3Fu));
}

std::string doubleQuoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8Length(text);
    quoted += length == 0 ? "\xEF\xBF\xBD" : escape(text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return quoted + '"';
}

std::string singleQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
  return quoted + '\'';
}

std::string writeString(const std::string& text, Context context, Quotes quotes) {
  if (quotes == Quotes::Single && isPrintable(text, "")) return singleQuoted(text);
  if (quotes == Quotes::AsNeeded && canBePlain(text, context)) return text;
  return doubleQuoted(text);
}

std::string writeScalar(const json& value, Context context, Quotes quotes) {
  // Numbers and booleans are written alike in both.
  return value.is_string() ? writeString(value.get_ref<const std::string&>(), context, quotes) : value.dump();
}

/// Whether a literal block without an indicator of its indentation holds exactly `text`.
bool fitsLiteral(std::string_view text) {
  if (!text.contains('\n') || text.ends_with("\n\n") || !isPrintable(text, "\n\t")) return false;
  // Tabs and spaces that begin a line could be taken for its indentation.
  const bool begins = text[0] != ' ' && text[0] != '\n';
  return begins && text[0] != '\t' && !text.contains("\n\t") && text != "\n";
}

Block writeLiteral(std::string_view text, std::size_t column) {
  Block block{.head = text.ends_with('\n') ? "|" : "|-", .body = {}};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) block.body.append(column, ' ').append(text.substr(0, end));
    block.body += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return block;
}

std::string writeMembers(const json& mapping, std::size_t column, const BlockStyle& style) {
  std::string lines;
  for (const std::string& key : keysOf(mapping, style.order)) {
    lines += writeMember(key, mapping.at(key), column, style);
  }
  return lines;
}

std::string writeItems(const json& sequence, std::size_t column, const BlockStyle& style) {
  std::string lines;
  for (const json& item : sequence) lines += writeItem(item, column, style);
  return lines;
}

nlohmann::ordered_json inOrder(const json& value, KeyOrder order) {
  if (value.is_object()) {
    auto ordered = nlohmann::ordered_json::object();
    for (const std::string& key : keysOf(value, order)) ordered[key] = inOrder(value.at(key), order);
    return ordered;
  }
  if (value.is_array()) {
    auto ordered = nlohmann::ordered_json::array();
    for (const json& item : value) ordered.push_back(inOrder(item, order));
    return ordered;
  }
  return value;
}

}  // namespace

std::vector<std::string> keysOf(const json& mapping, KeyOrder order) {
  const auto rank = [&](const std::string& key) { return std::ranges::find(order, key) - order.begin(); };
  std::vector<std::string> keys;
  keys.reserve(mapping.size());
  for (const auto& member : mapping.items()) keys.push_back(member.key());
  std::ranges::stable_sort(keys, {}, rank);
  return keys;
}

std::string toYaml(const json& value, KeyOrder order) {
  const BlockStyle style{.order = order};
  if (value.empty() || !value.is_structured()) {
    const Block block = writeBlock(value, 0, style);
    return block.head + '\n' + block.body;
  }
  return value.is_object() ? writeMembers(value, 0, style) : writeItems(value, 0, style);
}

std::string dump(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string toJson(const json& value, KeyOrder order) {
  return inOrder(value, order).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

Block writeBlock(const json& value, std::size_t column, const BlockStyle& style, Quotes quotes) {
  if (value.is_structured() && !value.empty()) {
    return {.head = {},
            .body = value.is_object() ? writeMembers(value, column + style.mappingIndent, style)
                                      : writeItems(value, column + style.sequenceIndent, style)};
  }
  if (value.is_string() && fitsLiteral(value.get_ref<const std::string&>())) {
    return writeLiteral(value.get_ref<const std::string&>(), column + style.mappingIndent);
  }
  return {.head = writeScalar(value, Context::Block, quotes), .body = {}};
}

std::string writeMember(const std::string& key, const json& value, std::size_t column,
                        const BlockStyle& style) {
  const std::string indent(column, ' ');
  const std::string name = writeString(key, Context::Block, Quotes::AsNeeded);
  const Block block = writeBlock(value, column, style);
  const std::string start = name.size() > longestSimpleKey ? fmt::format("{0}? {1}\n{0}:", indent, name)
                                                           : fmt::format("{}{}:", indent, name);
  return fmt::format("{}{}{}\n{}", start, block.head.empty() ? "" : " ", block.head, block.body);
}

std::string writeItem(const json& value, std::size_t column, const BlockStyle& style) {
  const std::string dash = std::string(column, ' ') + "- ";
  if (!value.is_structured() || value.empty()) {
    const Block block = writeBlock(value, column, style);
    return dash + block.head + '\n' + block.body;
  }
  std::string lines =
      value.is_object() ? writeMembers(value, dash.size(), style) : writeItems(value, dash.size(), style);
  return lines.replace(0, dash.size(), dash);  // its first line stands beside the dash
}

std::string writeFlow(const json& value, KeyOrder order, Quotes quotes) {
  if (!value.is_structured()) return writeScalar(value, Context::Flow, quotes);
  std::vector<std::string> parts;
  if (value.is_object()) {
    for (const std::string& key : keysOf(value, order))
      parts.push_back(writeFlowMember(key, value.at(key), order));
    return fmt::format("{{{}}}", fmt::join(parts, ", "));
  }
  for (const json& item : value) parts.push_back(writeFlow(item, order));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string writeFlowMember(const std::string& key, const json& value, KeyOrder order) {
  const std::string name = writeString(key, Context::Flow, Quotes::AsNeeded);
  return fmt::format("{}{}: {}", name.size() > longestSimpleKey ? "? " : "", name, writeFlow(value, order));
}

}  // namespace rookery::yaml
