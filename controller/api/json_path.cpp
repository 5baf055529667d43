#include "api/json_path.h"

#include <charconv>
#include <optional>
#include <string>

namespace rookery::api {
namespace {

using nlohmann::json;

/// Takes a field's name from the front of `path`, up to the next dot or bracket that is not escaped.
std::string takeName(std::string_view& path) {
  std::string name;
  while (!path.empty() && path.front() != '.' && path.front() != '[') {
    if (path.front() == '\\' && path.size() > 1) path.remove_prefix(1);
    name += path.front();
    path.remove_prefix(1);
  }
  return name;
}

/// Takes what stands in brackets from the front of `path`, which follows the opening one. A bracket in a
/// quoted string does not close.
std::optional<std::string_view> takeBracket(std::string_view& path) {
  bool quoted = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '"') quoted = !quoted;
    if (path[i] != ']' || quoted) continue;
    const std::string_view inside = path.substr(0, i);
    path.remove_prefix(i + 1);
    return inside;
  }
  return std::nullopt;
}

const json* findField(const json* value, std::string_view name) {
  if (!value->is_object()) return nullptr;
  const auto field = value->find(name);
  return field == value->end() ? nullptr : &*field;
}

const std::string* stringIn(const json* value) {
  return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
}

/// `@.type=="Ready"`: the first element of which the path before the comparison has the value behind it.
const json* findMatch(const json* value, std::string_view filter) {
  const std::size_t comparison = filter.find("==");
  if (!value->is_array() || !filter.starts_with('@') || comparison == std::string_view::npos) return nullptr;
  const std::string_view path = filter.substr(1, comparison - 1);
  const std::string_view literal = filter.substr(comparison + 2);
  if (literal.size() < 2 || literal.front() != '"' || literal.back() != '"') return nullptr;
  for (const json& element : *value) {
    const json* field = findByPath(element, path);
    if (field != nullptr && *field == json(literal.substr(1, literal.size() - 2))) return &element;
  }
  return nullptr;
}

const json* findElement(const json* value, std::string_view bracket) {
  if (bracket.starts_with("?(") && bracket.ends_with(')')) {
    return findMatch(value, bracket.substr(2, bracket.size() - 3));
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(bracket.data(), bracket.data() + bracket.size(), index);
  if (error != std::errc() || end != bracket.data() + bracket.size()) return nullptr;
  return value->is_array() && index < value->size() ? &(*value)[index] : nullptr;
}

}  // namespace

const json& memberOf(const json& object, std::string_view member) {
  static const json none;
  const json* value = findField(&object, member);
  return value == nullptr ? none : *value;
}

const std::string* stringAt(const json& object, std::string_view member) {
  return stringIn(findField(&object, member));
}

std::string textAt(const json& object, std::string_view member) {
  const std::string* text = stringAt(object, member);
  return text == nullptr ? std::string() : *text;
}

std::int64_t numberAt(const json& object, std::string_view member) {
  const json& value = memberOf(object, member);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

const json* findByPath(const json& document, std::string_view path) {
  const json* value = &document;
  while (value != nullptr && !path.empty()) {
    const char kind = path.front();
    path.remove_prefix(1);
    if (kind == '.') {
      value = findField(value, takeName(path));
    } else if (const auto bracket = takeBracket(path); kind == '[' && bracket) {
      value = findElement(value, *bracket);
    } else {
      return nullptr;
    }
  }
  return value;
}

std::string textByPath(const json& document, std::string_view path) {
  const std::string* text = stringIn(findByPath(document, path));
  return text == nullptr ? std::string() : *text;
}

}  // namespace rookery::api
