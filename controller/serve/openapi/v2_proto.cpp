#include "serve/openapi/v2_proto.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include "error.h"
#include "yaml/writer.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using Number = std::uint32_t;  // of a field

enum class Wire : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2 };

void putVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void putTag(std::string& out, Number number, Wire wire) {
  putVarint(out, (std::uint64_t{number} << 3) | static_cast<std::uint64_t>(wire));
}

void putBytes(std::string& out, Number number, std::string_view bytes) {
  putTag(out, number, Wire::Bytes);
  putVarint(out, bytes.size());
  out += bytes;
}

/// Appends a field of a message.
using Put = void (*)(std::string& out, Number number, const json& value);

/// What a member of a JSON object is in the message of its kind.
struct Field {
  std::string_view member;
  Number number;
  Put put;
};

void putText(std::string& out, Number number, const json& value) {
  putBytes(out, number, value.get_ref<const std::string&>());
}

void putInteger(std::string& out, Number number, const json& value) {
  putTag(out, number, Wire::Varint);
  putVarint(out, static_cast<std::uint64_t>(value.get<std::int64_t>()));
}

void putBoolean(std::string& out, Number number, const json& value) {
  putTag(out, number, Wire::Varint);
  putVarint(out, value.get<bool>() ? 1 : 0);
}

void putReal(std::string& out, Number number, const json& value) {
  putTag(out, number, Wire::Fixed64);
  const auto bits = std::bit_cast<std::uint64_t>(value.get<double>());
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((bits >> shift) & 0xff);
}

/// Any: its YAML; JSON is YAML.
void putAny(std::string& out, Number number, const json& value) {
  std::string any;
  putBytes(any, 2, yaml::dump(value) + "\n");
  putBytes(out, number, any);
}

/// A repeated field.
template <Put put>
void putEach(std::string& out, Number number, const json& values) {
  for (const json& value : values) put(out, number, value);
}

/// A repeated message of a name and a value: NamedAny, NamedSchema, …
template <Put put>
void putNamed(std::string& out, Number number, const std::string& name, const json& value) {
  std::string named;
  putBytes(named, 1, name);
  put(named, 2, value);
  putBytes(out, number, named);
}

/// An object as a message. Members that begin with x- are its vendor extensions.
std::string encodeMessage(std::span<const Field> fields, Number extensions, const json& object) {
  std::string message;
  for (const auto& [member, value] : object.items()) {
    if (member.starts_with("x-")) {
      putNamed<putAny>(message, extensions, member, value);
      continue;
    }
    const auto field = std::ranges::find(fields, std::string_view(member), &Field::member);
    check(field != fields.end(), fmt::format("the message for OpenAPI 2.0 has a field for {}", member));
    field->put(message, field->number, value);
  }
  return message;
}

/// An object of any members as a message of one repeated field.
template <Put put>
void putMap(std::string& out, Number number, const json& object) {
  std::string map;
  for (const auto& [name, value] : object.items()) putNamed<put>(map, 1, name, value);
  putBytes(out, number, map);
}

/// `type` may be several; `items` likewise.
template <Put put>
void putOneOfSeveral(std::string& out, Number number, const json& value) {
  std::string several;
  put(several, 1, value);
  putBytes(out, number, several);
}

void putSchema(std::string& out, Number number, const json& schema);

void putAdditionalProperties(std::string& out, Number number, const json& value) {
  std::string item;
  if (value.is_boolean()) {
    putBoolean(item, 2, value);
  } else {
    putSchema(item, 1, value);
  }
  putBytes(out, number, item);
}

void putSchema(std::string& out, Number number, const json& schema) {
  static constexpr Field fields[] = {{"$ref", 1, putText},
                                     {"format", 2, putText},
                                     {"title", 3, putText},
                                     {"description", 4, putText},
                                     {"default", 5, putAny},
                                     {"multipleOf", 6, putReal},
                                     {"maximum", 7, putReal},
                                     {"exclusiveMaximum", 8, putBoolean},
                                     {"minimum", 9, putReal},
                                     {"exclusiveMinimum", 10, putBoolean},
                                     {"maxLength", 11, putInteger},
                                     {"minLength", 12, putInteger},
                                     {"pattern", 13, putText},
                                     {"maxItems", 14, putInteger},
                                     {"minItems", 15, putInteger},
                                     {"uniqueItems", 16, putBoolean},
                                     {"maxProperties", 17, putInteger},
                                     {"minProperties", 18, putInteger},
                                     {"required", 19, putEach<putText>},
                                     {"enum", 20, putEach<putAny>},
                                     {"additionalProperties", 21, putAdditionalProperties},
                                     {"type", 22, putOneOfSeveral<putText>},
                                     {"items", 23, putOneOfSeveral<putSchema>},
                                     {"properties", 25, putMap<putSchema>},
                                     {"example", 30, putAny}};
  putBytes(out, number, encodeMessage(fields, 31, schema));
}

/// ParametersItem > Parameter > BodyParameter, or NonBodyParameter > the one for its place.
void putParameter(std::string& out, Number number, const json& parameter) {
  static constexpr Field bodyFields[] = {{"description", 1, putText},
                                         {"name", 2, putText},
                                         {"in", 3, putText},
                                         {"required", 4, putBoolean},
                                         {"schema", 5, putSchema}};
  static constexpr Field queryFields[] = {{"required", 1, putBoolean},
                                          {"in", 2, putText},
                                          {"description", 3, putText},
                                          {"name", 4, putText},
                                          {"type", 6, putText}};
  static constexpr Field pathFields[] = {{"required", 1, putBoolean},
                                         {"in", 2, putText},
                                         {"description", 3, putText},
                                         {"name", 4, putText},
                                         {"type", 5, putText}};
  std::string any;
  if (parameter.at("in") == "body") {
    putBytes(any, 1, encodeMessage(bodyFields, 6, parameter));
  } else {
    const bool query = parameter.at("in") == "query";
    std::string other;
    putBytes(other, query ? 3 : 4,
             query ? encodeMessage(queryFields, 23, parameter) : encodeMessage(pathFields, 22, parameter));
    putBytes(any, 2, other);
  }
  std::string item;
  putBytes(item, 1, any);
  putBytes(out, number, item);
}

/// ResponseValue > Response, with a SchemaItem > Schema.
void putResponse(std::string& out, Number number, const json& response) {
  static constexpr Field fields[] = {{"description", 1, putText}, {"schema", 2, putOneOfSeveral<putSchema>}};
  std::string value;
  putBytes(value, 1, encodeMessage(fields, 5, response));
  putBytes(out, number, value);
}

void putOperation(std::string& out, Number number, const json& operation) {
  static constexpr Field fields[] = {
      {"tags", 1, putEach<putText>},        {"description", 3, putText},
      {"operationId", 5, putText},          {"produces", 6, putEach<putText>},
      {"consumes", 7, putEach<putText>},    {"parameters", 8, putEach<putParameter>},
      {"responses", 9, putMap<putResponse>}};
  putBytes(out, number, encodeMessage(fields, 13, operation));
}

void putPathItem(std::string& out, Number number, const json& item) {
  static constexpr Field fields[] = {{"get", 2, putOperation},   {"put", 3, putOperation},
                                     {"post", 4, putOperation},  {"delete", 5, putOperation},
                                     {"patch", 8, putOperation}, {"parameters", 9, putEach<putParameter>}};
  putBytes(out, number, encodeMessage(fields, 10, item));
}

void putPaths(std::string& out, Number number, const json& paths) {
  std::string message;
  for (const auto& [path, item] : paths.items()) putNamed<putPathItem>(message, 2, path, item);
  putBytes(out, number, message);
}

void putInfo(std::string& out, Number number, const json& info) {
  static constexpr Field fields[] = {
      {"title", 1, putText}, {"version", 2, putText}, {"description", 3, putText}};
  putBytes(out, number, encodeMessage(fields, 7, info));
}

}  // namespace

std::string encodeOpenApiV2(const json& document) {
  static constexpr Field fields[] = {{"swagger", 1, putText},
                                     {"info", 2, putInfo},
                                     {"paths", 8, putPaths},
                                     {"definitions", 9, putMap<putSchema>}};
  return encodeMessage(fields, 16, document);
}

}  // namespace rookery::serve
