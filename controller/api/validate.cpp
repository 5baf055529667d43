#include "api/validate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <regex>
#include <set>

#include "text.h"

namespace rookery::api {

using nlohmann::json;

namespace {

/// Longest number, as it was written, that a message repeats.
constexpr std::size_t longestShown = 40;

const yaml::Places& placesOf(const yaml::Places& places, const std::string& member) {
  const auto found = places.members.find(member);
  return found == places.members.end() ? places : found->second;
}

const yaml::Places& placesOf(const yaml::Places& places, std::size_t index) {
  return index < places.items.size() ? places.items[index] : places;
}

const json* find(const json& schema, const char* keyword) {
  const auto found = schema.find(keyword);
  return found == schema.end() ? nullptr : &*found;
}

/// Schema of a member: its own, or the one of all others; none: unknown.
const json* memberSchema(const json& schema, const std::string& name) {
  if (const json* properties = find(schema, "properties")) {
    if (const json* own = find(*properties, name.c_str())) return own;
  }
  return find(schema, "additionalProperties");
}

bool hasType(const json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  return type == "integer" ? value.is_number_integer() : value.is_number();
}

std::string_view nameOfType(std::string_view type) {
  if (type == "object") return "a mapping";
  if (type == "array") return "a list";
  if (type == "string") return "a string";
  if (type == "boolean") return "true or false";
  return type == "integer" ? "a whole number" : "a number";
}

/// The unit in a schema's example: "Mi" in 32Mi.
std::string unitOf(const json& schema) {
  const std::string example = schema.value("example", "");
  const std::size_t digits = example.find_first_not_of("0123456789");
  const bool isUnit = digits != 0 && digits != std::string::npos &&
                      example.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                                digits) == std::string::npos;
  return isUnit ? example.substr(digits) : "";
}

class Validation {
 public:
  Validation(Quoting quoting, Findings& findings) : quoting_(quoting), findings_(findings) {}

  /// False: the value is of no use.
  bool visit(const json& schema, json& value, const yaml::Places& places, const std::string& path) {
    if (value.is_null()) {
      if (schema.value("nullable", false)) return false;
      findings_.add(path, places.key, "this field has no value; give it one or remove it");
      return false;
    }
    if (schema.value("x-kubernetes-int-or-string", false))
      return visitIntOrString(schema, value, places, path);
    const std::string& type = schema.at("type").get_ref<const std::string&>();
    if (!hasType(value, type)) {
      findings_.add(path, places.value, describeMismatch(schema, value, places));
      return false;
    }
    if (value.is_object()) return visitObject(schema, value, places, path);
    if (value.is_array()) return visitArray(schema, value, places, path);
    return value.is_string() ? visitString(schema, value, places, path)
                             : visitNumber(schema, value, places, path);
  }

 private:
  bool visitIntOrString(const json& schema, const json& value, const yaml::Places& places,
                        const std::string& path) {
    if (value.is_number_integer()) return visitNumber(schema, value, places, path);
    if (value.is_string()) return visitString(schema, value, places, path);
    findings_.add(path, places.value,
                  fmt::format("expected a whole number or a string, got {}", describe(value, places)));
    return false;
  }

  bool visitObject(const json& schema, json& object, const yaml::Places& places, const std::string& path) {
    if (schema.value("x-kubernetes-preserve-unknown-fields", false)) return true;
    dropUnknown(schema, object, places, path);
    dropNulls(schema, object);
    fillDefaults(schema, object);
    requireMembers(schema, object, places, path);
    for (auto member = object.begin(); member != object.end();) {
      const bool useful = visit(*memberSchema(schema, member.key()), member.value(),
                                placesOf(places, member.key()), yaml::memberPath(path, member.key()));
      member = useful ? std::next(member) : object.erase(member);
    }
    return true;
  }

  void dropUnknown(const json& schema, json& object, const yaml::Places& places, const std::string& path) {
    for (auto member = object.begin(); member != object.end();) {
      if (memberSchema(schema, member.key()) != nullptr) {
        ++member;
        continue;
      }
      findings_.add(yaml::memberPath(path, member.key()), placesOf(places, member.key()).key,
                    findings_.full() ? "" : describeUnknown(schema, member.key()), Reason::UnknownField);
      member = object.erase(member);
    }
  }

  /// As Kubernetes does: a null stands for a field that is not there, but where the schema has a meaning for
  /// it.
  static void dropNulls(const json& schema, json& object) {
    for (auto member = object.begin(); member != object.end();) {
      const bool absent = member->is_null() && !memberSchema(schema, member.key())->value("nullable", false);
      member = absent ? object.erase(member) : std::next(member);
    }
  }

  static std::string describeUnknown(const json& schema, const std::string& name) {
    std::vector<std::string_view> known;
    const json& properties = schema.at("properties");
    for (auto property = properties.begin(); property != properties.end(); ++property)
      known.emplace_back(property.key());
    if (const auto meant = didYouMean(name, known)) {
      return fmt::format("there is no such field; did you mean {}?", quote(*meant));
    }
    return fmt::format("there is no such field; there are {}", fmt::join(known, ", "));
  }

  static void fillDefaults(const json& schema, json& object) {
    const json* properties = find(schema, "properties");
    if (properties == nullptr) return;
    for (const auto& [name, property] : properties->items()) {
      const json* preset = find(property, "default");
      if (preset != nullptr && !object.contains(name)) object[name] = *preset;
    }
  }

  void requireMembers(const json& schema, const json& object, const yaml::Places& places,
                      const std::string& path) {
    const json* required = find(schema, "required");
    if (required == nullptr) return;
    for (const json& name : *required) {
      const auto& member = name.get_ref<const std::string&>();
      if (!object.contains(member)) {
        findings_.add(yaml::memberPath(path, member), placesOf(places, member).key, "this field is required");
      }
    }
  }

  bool visitArray(const json& schema, json& array, const yaml::Places& places, const std::string& path) {
    if (array.size() < schema.value("minItems", std::size_t{0})) {
      findings_.add(path, places.value, "this must not be empty");
    }
    if (const json* most = find(schema, "maxItems");
        most != nullptr && array.size() > most->get<std::size_t>()) {
      findings_.add(
          path, places.value,
          fmt::format("this list has {} items; at most {} are allowed", array.size(), most->dump()));
      return false;
    }
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (!visit(schema.at("items"), array[i], placesOf(places, i), yaml::itemPath(path, i)))
        array[i] = nullptr;
    }
    const std::string kind = schema.value("x-kubernetes-list-type", "atomic");
    if (kind == "set") requireUnique(array, "", places, path);
    if (kind == "map") requireUnique(array, schema.at("x-kubernetes-list-map-keys").at(0), places, path);
    return true;
  }

  /// Items, or the member `key` of items, must differ from each other.
  void requireUnique(const json& array, const std::string& key, const yaml::Places& places,
                     const std::string& path) {
    std::set<json> seen;
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (array[i].is_null()) continue;
      const json& item = key.empty() ? array[i] : array[i].value(json::json_pointer("/" + key), json());
      if (item.is_null() || seen.insert(item).second) continue;
      const yaml::Places& itemPlaces = placesOf(places, i);
      const std::string itemsPath = yaml::itemPath(path, i);
      findings_.add(key.empty() ? itemsPath : yaml::memberPath(itemsPath, key),
                    (key.empty() ? itemPlaces : placesOf(itemPlaces, key)).value,
                    fmt::format("{} is listed twice; remove one", show(item)));
    }
  }

  bool visitString(const json& schema, const json& value, const yaml::Places& places,
                   const std::string& path) {
    const auto& text = value.get_ref<const std::string&>();
    if (const json* allowed = find(schema, "enum"); allowed != nullptr && !contains(*allowed, value)) {
      std::vector<std::string_view> words;
      for (const json& word : *allowed) words.push_back(word.get_ref<const std::string&>());
      const auto meant = didYouMean(text, words);
      findings_.add(path, places.value,
                    fmt::format("this must be one of {}, not {}{}", fmt::join(words, ", "), show(value),
                                meant ? fmt::format("; did you mean {}?", *meant) : ""));
      return false;
    }
    if (text.size() < schema.value("minLength", std::size_t{0})) {
      findings_.add(path, places.value, "this must not be empty");
      return false;
    }
    if (const json* most = find(schema, "maxLength");
        most != nullptr && countCharacters(text) > most->get<std::size_t>()) {
      findings_.add(path, places.value,
                    fmt::format("this is {} characters long; at most {} are allowed", countCharacters(text),
                                most->dump()));
      return false;
    }
    return true;
  }

  static bool contains(const json& choices, const json& value) {
    return std::ranges::find(choices, value) != choices.end();
  }

  static std::size_t countCharacters(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
  }

  bool visitNumber(const json& schema, const json& value, const yaml::Places& places,
                   const std::string& path) {
    const json* least = find(schema, "minimum");
    const json* most = find(schema, "maximum");
    if ((least == nullptr || value >= *least) && (most == nullptr || value <= *most)) return true;
    const std::string range = most == nullptr    ? fmt::format("at least {}", least->dump())
                              : least == nullptr ? fmt::format("at most {}", most->dump())
                                                 : fmt::format("from {} to {}", least->dump(), most->dump());
    findings_.add(path, places.value, fmt::format("this must be {}, not {}", range, show(value)));
    return false;
  }

  std::string describeMismatch(const json& schema, const json& value, const yaml::Places& places) const {
    const auto& type = schema.at("type").get_ref<const std::string&>();
    std::string message = fmt::format("expected {}, got {}", nameOfType(type), describe(value, places));
    const bool plain = value.is_number() || value.is_boolean();
    if (type != "string" || !plain || quoting_ == Quoting::Nothing) return message;
    if (places.text.size() > longestShown) return message + "; write it in quotes";
    return message +
           fmt::format("; write {}", quote(places.text + (value.is_number() ? unitOf(schema) : "")));
  }

  /// The type of a value and, for a scalar, the value.
  std::string describe(const json& value, const yaml::Places& places) const {
    if (value.is_object()) return "a mapping";
    if (value.is_array()) return "a list";
    const std::string_view type = value.is_string() ? "string" : value.is_number() ? "number" : "boolean";
    if (quoting_ == Quoting::Nothing || places.text.size() > longestShown) return fmt::format("a {}", type);
    return fmt::format("the {} {}", type, value.is_string() ? show(value) : places.text);
  }

  std::string show(const json& value) const {
    if (quoting_ == Quoting::Nothing) return "the value";
    return value.is_string() ? quote(value.get_ref<const std::string&>()) : value.dump();
  }

  Quoting quoting_;
  Findings& findings_;
};

bool matches(const std::string& text, const std::string& pattern) {
  // std::regex recurses once per character: what is longer than any field with a pattern could overflow the
  // stack.
  constexpr std::size_t longest = 512;
  thread_local std::map<std::string, std::regex> compiled;
  const auto found = compiled.try_emplace(pattern, pattern).first;
  return text.size() <= longest && std::regex_search(text, found->second);
}

void checkPatterns(const json& schema, const json& value, const yaml::Places& places, const std::string& path,
                   Findings& findings) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      const json* own = memberSchema(schema, name);
      if (own != nullptr)
        checkPatterns(*own, member, placesOf(places, name), yaml::memberPath(path, name), findings);
    }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      checkPatterns(schema.at("items"), value[i], placesOf(places, i), yaml::itemPath(path, i), findings);
    }
  } else if (value.is_string()) {
    const json* pattern = find(schema, "pattern");
    if (pattern == nullptr || matches(value.get<std::string>(), pattern->get<std::string>())) return;
    findings.add(path, places.value,
                 fmt::format("this does not match the pattern {}", pattern->get<std::string>()));
  }
}

void pruneAt(const json& schema, json& value, const std::string& path, std::size_t most,
             std::vector<std::string>& taken) {
  if (value.is_array()) {
    const json* items = find(schema, "items");
    for (std::size_t i = 0; items != nullptr && i < value.size(); ++i)
      pruneAt(*items, value[i], yaml::itemPath(path, i), most, taken);
  }
  const bool open = schema.value("x-kubernetes-preserve-unknown-fields", false);
  if (!value.is_object() || open || schema.value("type", "") != "object") return;
  for (auto member = value.begin(); member != value.end();) {
    const json* own = memberSchema(schema, member.key());
    const std::string memberIs = yaml::memberPath(path, member.key());
    if (own != nullptr && member->is_null() && !own->value("nullable", false)) {
      member = value.erase(member);
      continue;
    }
    if (own != nullptr) {
      pruneAt(*own, member.value(), memberIs, most, taken);
      ++member;
      continue;
    }
    if (taken.size() < most) taken.push_back(memberIs);
    member = value.erase(member);
  }
}

}  // namespace

void validate(const json& schema, json& value, const yaml::Places& places, Quoting quoting,
              Findings& findings) {
  if (!Validation(quoting, findings).visit(schema, value, places, "")) value = json::object();
}

std::vector<std::string> prune(const json& schema, json& value, std::size_t most) {
  std::vector<std::string> taken;
  pruneAt(schema, value, "", most, taken);
  return taken;
}

void checkPatterns(const json& schema, const json& value, const yaml::Places& places, Findings& findings) {
  checkPatterns(schema, value, places, "", findings);
}

json withoutDefaults(const json& schema, json value) {
  if (value.is_array()) {
    for (json& item : value) item = withoutDefaults(schema.at("items"), std::move(item));
  }
  if (!value.is_object()) return value;
  for (auto member = value.begin(); member != value.end();) {
    const json* own = memberSchema(schema, member.key());
    if (own != nullptr) member.value() = withoutDefaults(*own, std::move(member.value()));
    const json* preset = own == nullptr ? nullptr : find(*own, "default");
    member = preset != nullptr && member.value() == *preset ? value.erase(member) : std::next(member);
  }
  return value;
}

json withoutAddedDefaults(const json& schema, json value, const json& written) {
  if (!value.is_object() || !written.is_object()) return value;
  for (auto member = value.begin(); member != value.end();) {
    const json* own = memberSchema(schema, member.key());
    const json* preset = own == nullptr ? nullptr : find(*own, "default");
    const auto before = written.find(member.key());
    if (own != nullptr && before != written.end()) {
      member.value() = withoutAddedDefaults(*own, std::move(member.value()), *before);
    }
    const bool added =
        before == written.end() && preset != nullptr && withoutDefaults(*own, member.value()) == *preset;
    member = added ? value.erase(member) : std::next(member);
  }
  return value;
}

}  // namespace rookery::api
