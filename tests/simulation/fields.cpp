#include "simulation/fields.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

#include "api/schema.h"
#include "error.h"
#include "simulation/field_hints.h"

namespace rookery::simulation {

using nlohmann::json;

namespace {

using Steps = std::vector<std::string>;  // of a path: names, "[]" and "{}"

Steps stepsOf(std::string_view path) {
  Steps steps;
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] == '.') ++at;
    const bool inner = path[at] == '[' || path[at] == '{';
    const std::size_t end = inner ? at + 2 : std::min(path.find_first_of(".[{", at), path.size());
    steps.emplace_back(path.substr(at, end - at));
    at = end;
  }
  return steps;
}

const json* member(const json& schema, const char* name) {
  const auto found = schema.find(name);
  return found == schema.end() ? nullptr : &*found;
}

/// The schema of what is one step further.
const json& schemaBelow(const json& schema, const std::string& step) {
  if (step == "[]") return schema.at("items");
  if (step == "{}") return schema.at("additionalProperties");
  return schema.at("properties").at(step);
}

std::string pathBelow(const std::string& path, const std::string& step) {
  return path.empty() || step == "[]" || step == "{}" ? path + step : path + "." + step;
}

bool isLeaf(const json& schema) { return !schema.contains("properties") && !schema.contains("items"); }

/// Makes values of what the schema says, and of what is known of some fields.
class Maker {
 public:
  explicit Maker(api::Kind kind) : kind_(kind) {}

  std::vector<json> values(const std::string& path, const json& schema) const {
    if (const json hint = hintOf(kind_, path); hint.contains("values"))
      return hint.at("values").get<std::vector<json>>();
    if (const json* words = member(schema, "enum")) return words->get<std::vector<json>>();
    if (schema.value("x-kubernetes-int-or-string", false)) return {};
    const std::string type = schema.at("type");
    if (type == "boolean") return {true, false};
    if (type == "integer") return numbers(schema);
    if (type == "string") return texts(schema);
    return type == "array" ? lists(path, schema) : mappings(path, schema);
  }

  json sample(const std::string& path, const json& schema) const {
    const auto all = values(path, schema);
    check(!all.empty(), "what is around a field can be made");
    return all.front();
  }

  /// What the schema forbids.
  std::vector<json> wrong(const std::string& path, const json& schema) const {
    std::vector<json> all;
    if (schema.value("x-kubernetes-int-or-string", false)) {
      all = {true, json::array(), "Some"};
      addNumbers(schema, all);
      return all;
    }
    const std::string type = schema.at("type");
    all.emplace_back(type == "string" ? json(7) : json("text"));
    all.push_back(type == "array" ? json::object() : json::array());
    if (type == "integer") addNumbers(schema, all), all.emplace_back(1.5);
    if (type == "string") addTexts(schema, all);
    if (type == "array") addLists(path, schema, all);
    if (type == "object") addMappings(path, schema, all);
    return all;
  }

  /// The least and the most that the schema allows.
  static std::vector<json> edges(const json& schema) {
    std::vector<json> all;
    for (const char* edge : {"minimum", "maximum"}) {
      if (const json* number = member(schema, edge)) all.push_back(*number);
    }
    constexpr std::size_t longestShown = 1'024;  // of what is told, the end is cut off
    if (const json* most = member(schema, "maxLength");
        most != nullptr && isFree(schema) && most->get<std::size_t>() <= longestShown)
      all.emplace_back(std::string(most->get<std::size_t>(), 'a'));
    return all;
  }

 private:
  static bool isFree(const json& schema) {
    return !schema.contains("pattern") && !schema.contains("format") && !schema.contains("enum");
  }

  static std::vector<json> numbers(const json& schema) {
    const json* least = member(schema, "minimum");
    const json* most = member(schema, "maximum");
    const json low = least == nullptr ? json(1) : *least;
    return {low, most == nullptr ? json(low.get<std::int64_t>() + 1) : *most};
  }

  static std::vector<json> texts(const json& schema) {
    if (const json* pattern = member(schema, "pattern")) return textsOfPattern(*pattern);
    if (isFree(schema)) return {"one", "two"};
    return {};
  }

  std::vector<json> lists(const std::string& path, const json& schema) const {
    std::vector<json> all;
    for (const json& item : values(path + "[]", schema.at("items"))) all.push_back(json::array({item}));
    return all;
  }

  std::vector<json> mappings(const std::string& path, const json& schema) const {
    std::vector<json> all;
    if (const json* others = member(schema, "additionalProperties")) {
      for (const json& value : values(path + "{}", *others)) all.push_back({{"key", value}});
      return all;
    }
    json least = json::object();
    for (const json& name : schema.value("required", json::array())) {
      const std::string below = pathBelow(path, name);
      const auto some = values(below, schemaBelow(schema, name));
      if (some.empty()) return {};
      least[name.get<std::string>()] = some.front();
    }
    all.push_back(least);
    const json properties = schema.value("properties", json::object());
    for (const auto& [name, property] : properties.items()) {
      const auto some = least.contains(name) ? std::vector<json>() : values(pathBelow(path, name), property);
      if (some.empty()) continue;
      all.push_back(least);
      all.back()[name] = some.back();
    }
    return all;
  }

  static void addNumbers(const json& schema, std::vector<json>& all) {
    if (const json* least = member(schema, "minimum")) all.emplace_back(least->get<std::int64_t>() - 1);
    if (const json* most = member(schema, "maximum")) all.emplace_back(most->get<std::int64_t>() + 1);
  }

  static void addTexts(const json& schema, std::vector<json>& all) {
    if (schema.value("minLength", 0) > 0) all.emplace_back("");
    if (const json* most = member(schema, "maxLength"))
      all.emplace_back(std::string(most->get<std::size_t>() + 1, 'a'));
    if (schema.contains("pattern")) all.emplace_back("§ no pattern has this");
    if (schema.contains("enum")) all.emplace_back("Unheard");
    if (schema.value("format", "") == "uri") all.emplace_back("no address");
    if (const json* pattern = member(schema, "pattern"))
      std::ranges::copy(mistakesOfPattern(*pattern), std::back_inserter(all));
  }

  void addLists(const std::string& path, const json& schema, std::vector<json>& all) const {
    if (schema.value("minItems", 0) > 0) all.push_back(json::array());
    const json item = sample(path, schema).at(0);
    if (schema.value("x-kubernetes-list-type", "atomic") != "atomic")
      all.push_back(json::array({item, item}));
    if (const json* most = member(schema, "maxItems"))
      all.push_back(std::vector<json>(most->get<std::size_t>() + 1, item));
    all.push_back(json::array({nullptr}));
  }

  void addMappings(const std::string& path, const json& schema, std::vector<json>& all) const {
    json stranger = sample(path, schema);
    stranger["unheardOf"] = 1;
    const bool isOpen = schema.value("x-kubernetes-preserve-unknown-fields", false);
    if (!isOpen && !schema.contains("additionalProperties")) all.push_back(stranger);
    if (schema.contains("required")) all.push_back(json::object());
  }

  const api::Kind kind_;
};

/// Calls `visit` with the path and the schema of all that is below.
void descend(const std::string& path, const json& schema,
             const std::function<void(const std::string&, const json&, bool)>& visit) {
  if (const json* properties = member(schema, "properties")) {
    const json required = schema.value("required", json::array());
    for (const auto& [name, property] : properties->items()) {
      const bool needed = std::ranges::find(required, json(name)) != required.end();
      visit(pathBelow(path, name), property, needed);
      descend(pathBelow(path, name), property, visit);
    }
  }
  for (const auto& [keyword, step] : {std::pair("items", "[]"), std::pair("additionalProperties", "{}")}) {
    const json* inner = member(schema, keyword);
    if (inner == nullptr) continue;
    if (isLeaf(*inner) || inner->contains("items")) visit(path + step, *inner, false);
    descend(path + step, *inner, visit);
  }
}

/// What is at the end of some steps, where what is missing on the way is made; the last step is the caller's.
json& holderOf(const Field& field, json& document, const Steps& steps) {
  json* here = &document;
  const json* schema = &api::manifestSchemaOf(field.kind);
  std::string path;
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    path = pathBelow(path, steps[i]);
    schema = &schemaBelow(*schema, steps[i]);
    if (steps[i] == "[]") {
      here = &here->at(0);
    } else if (steps[i] == "{}") {
      here = &*here->begin();
    } else {
      if (!here->contains(steps[i])) (*here)[steps[i]] = Maker(field.kind).sample(path, *schema);
      here = &here->at(steps[i]);
    }
  }
  return *here;
}

}  // namespace

std::string Field::name() const {
  std::string text = path;
  for (const std::string_view inner : {"[]", "{}"}) {
    for (std::size_t at = text.find(inner); at != std::string::npos; at = text.find(inner)) text.erase(at, 2);
  }
  return text;
}

const std::vector<Field>& everyField() {
  static const std::vector<Field> all = [] {
    std::vector<Field> made;
    for (const api::Kind kind : api::allKinds) {
      descend("", api::manifestSchemaOf(kind), [&](const std::string& path, const json& schema, bool needed) {
        if (!isIdentity(path)) made.push_back({kind, path, &schema, needed});
      });
    }
    return made;
  }();
  return all;
}

FieldCases::FieldCases(const Field& field) : field_(field), document_(documentOf(field.kind)) {
  const Maker maker(field.kind);
  const json hint = hintOf(field.kind, field.path);
  values = maker.values(field.path, *field.schema);
  quiet = hint.value("quiet", false);
  leaves = hint.value("leaves", false);
  told = hint.value("told", "");
  pulled = hint.value("pulled", false);
  if (hint.contains("vain")) vain = hint.at("vain").get<std::vector<json>>();
  document_.merge_patch(setupOf(field.kind, field.path));
  if (values.empty()) return;
  edges = Maker::edges(*field.schema);
  if (hint.contains("edges")) std::ranges::copy(hint.at("edges"), std::back_inserter(edges));
  wrong = maker.wrong(field.path, *field.schema);
  if (hint.contains("wrong")) std::ranges::copy(hint.at("wrong"), std::back_inserter(wrong));
}

std::vector<json> FieldCases::without() const {
  json document = document_;
  const Steps steps = stepsOf(field_.path);
  json& holder = holderOf(field_, document, steps);
  if (steps.back() == "[]" || steps.back() == "{}") {
    holder.clear();
  } else {
    holder.erase(steps.back());
  }
  return fleet(document);
}

std::vector<json> FieldCases::with(const json& value) const {
  json document = document_;
  const Steps steps = stepsOf(field_.path);
  json& holder = holderOf(field_, document, steps);
  if (steps.back() == "[]") {
    holder = json::array({value});
  } else if (steps.back() == "{}") {
    *holder.begin() = value;
  } else {
    holder[steps.back()] = value;
  }
  return fleet(document);
}

api::ObjectKey FieldCases::subject() const {
  const json& metadata = document_.at("metadata");
  return {field_.kind, metadata.value("namespace", ""), metadata.at("name")};
}

std::vector<json> FieldCases::fleet(const json& document) const {
  std::vector<json> all = othersThan(field_.kind);
  all.push_back(document);
  return all;
}

}  // namespace rookery::simulation
