#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/schema.h"
#include "cli/manual/manual.h"
#include "cli/manual/markdown.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

std::string typeOf(const json& schema) {
  if (schema.contains("enum")) {
    std::vector<std::string> words;
    for (const json& word : schema["enum"])
      words.push_back(word.is_string() ? word.get<std::string>() : yaml::dump(word));
    return fmt::format("{}", fmt::join(words, ", "));
  }
  if (schema.value("x-kubernetes-int-or-string", false)) return "integer or string";
  const std::string type = schema.value("type", "any");
  if (type == "array") return "list of " + typeOf(schema.value("items", json::object()));
  const json& values = schema.value("additionalProperties", json());
  return type == "object" && values.is_object() ? "map of " + typeOf(values) : type;
}

/// What a field must be like, besides its type.
std::string limitsOf(const json& schema, bool required) {
  std::vector<std::string> limits;
  if (required) limits.emplace_back("required");
  if (schema.contains("default"))
    limits.push_back(fmt::format("default: `{}`", yaml::dump(schema["default"])));
  for (const char* bound : {"minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"}) {
    if (schema.contains(bound)) limits.push_back(fmt::format("{}: {}", bound, yaml::dump(schema[bound])));
  }
  if (schema.contains("pattern"))
    limits.push_back(fmt::format("pattern: `{}`", schema["pattern"].get<std::string>()));
  return limits.empty() ? "" : fmt::format(" ({})", fmt::join(limits, "; "));
}

void addFields(const json& schema, const std::string& path, std::string& text) {
  const json required = schema.value("required", json::array());
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, field] : properties.items()) {
    const std::string at = path.empty() ? name : fmt::format("{}.{}", path, name);
    const bool needed = std::find(required.begin(), required.end(), name) != required.end();
    text += fmt::format("| `{}` | {} | {}{} |\n", at, cell(typeOf(field)),
                        cell(field.value("description", "")), cell(limitsOf(field, needed)));
    addFields(field, at, text);
    if (field.contains("items")) addFields(field["items"], fmt::format("{}[]", at), text);
  }
}

}  // namespace

std::string kindReference() {
  std::string text = fmt::format(
      "# Kinds\n\nGenerated from the CRDs in `crds/` by `make reference`. All are of apiVersion `{}`.\n",
      api::groupVersion);
  for (const api::Kind kind : api::customKinds()) {
    const api::Definition& definition = api::definitionOf(kind);
    text += fmt::format("\n## {}\n\n{}\n\nShort name: `{}`. {}.\n", api::toString(kind),
                        definition.schema.value("description", ""), fmt::join(definition.shortNames, "`, `"),
                        definition.namespaced ? "It is in a namespace" : "It is in no namespace");
    const json properties = definition.schema.value("properties", json::object());
    for (const char* part : {"spec", "status"}) {
      if (!properties.contains(part)) continue;
      text += fmt::format("\n### {} of {}\n\n| field | type | meaning |\n| --- | --- | --- |\n", part,
                          api::toString(kind));
      addFields(properties[part], part, text);
    }
  }
  return text;
}

}  // namespace rookery::cli
