#include "cli/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace rookery::cli {
namespace {

using nlohmann::json;

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
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(words, lower) != words.end() || text == "=" || text.starts_with("---") ||
         text.starts_with("...") || looksNumeric(text);
}

void emitString(YAML::Emitter& out, const std::string& text) {
  if (readsAsOtherType(text)) out << YAML::DoubleQuoted;
  out << text;
}

void emit(YAML::Emitter& out, const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      if (value.empty()) out << YAML::Flow;
      out << YAML::BeginMap;
      for (const auto& [name, field] : value.items()) {
        out << YAML::Key;
        emitString(out, name);
        out << YAML::Value;
        emit(out, field);
      }
      out << YAML::EndMap;
      break;
    case json::value_t::array:
      if (value.empty()) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const json& element : value) emit(out, element);
      out << YAML::EndSeq;
      break;
    case json::value_t::string:
      emitString(out, value.get_ref<const std::string&>());
      break;
    case json::value_t::null:
      out << YAML::Null;
      break;
    default:
      out << value.dump();  // numbers and booleans are written alike in both
      break;
  }
}

}  // namespace

std::string toYaml(const json& json) {
  YAML::Emitter out;
  out.SetNullFormat(YAML::LowerNull);
  emit(out, json);
  return std::string(out.c_str()) + "\n";
}

}  // namespace rookery::cli
