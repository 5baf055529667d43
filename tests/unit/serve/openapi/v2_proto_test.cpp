#include "serve/openapi/v2_proto.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "serve/openapi/openapi.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

/// A field of a message on the wire.
struct WireField {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a varint or fixed64
  std::string_view bytes;   // of a length-delimited one
};

std::uint64_t takeVarint(std::string_view& text) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !text.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  ADD_FAILURE() << "a varint has no end";
  return 0;
}

/// Reads a message back, independently of how it was written.
std::vector<WireField> parseMessage(std::string_view text) {
  std::vector<WireField> fields;
  while (!text.empty()) {
    const std::uint64_t tag = takeVarint(text);
    WireField field{.number = tag >> 3, .value = 0, .bytes = {}};
    if ((tag & 7) == 0) {
      field.value = takeVarint(text);
    } else if ((tag & 7) == 1 && text.size() >= 8) {
      for (unsigned i = 0; i < 8; ++i) {
        field.value |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
      }
      text.remove_prefix(8);
    } else if (const std::uint64_t size = takeVarint(text); (tag & 7) == 2 && size <= text.size()) {
      field.bytes = text.substr(0, size);
      text.remove_prefix(size);
    } else {
      ADD_FAILURE() << "a field of another wire type, or cut";
      return fields;
    }
    fields.push_back(field);
  }
  return fields;
}

/// The bytes of the one field that `numbers` lead to.
std::string_view fieldAt(std::string_view message, std::initializer_list<std::uint64_t> numbers) {
  for (const std::uint64_t number : numbers) {
    std::optional<std::string_view> found;
    for (const WireField& field : parseMessage(message)) {
      if (field.number == number) found = field.bytes;
    }
    EXPECT_TRUE(found) << number;
    message = found.value_or("");
  }
  return message;
}

std::string_view fieldNamed(std::string_view message, std::uint64_t number, std::string_view name) {
  for (const WireField& field : parseMessage(message)) {
    if (field.number == number && fieldAt(field.bytes, {1}) == name) return fieldAt(field.bytes, {2});
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

std::vector<std::uint64_t> fieldValues(std::string_view message, std::uint64_t number) {
  std::vector<std::uint64_t> found;
  for (const WireField& field : parseMessage(message)) {
    if (field.number == number) found.push_back(field.value);
  }
  return found;
}

TEST(OpenApiV2Proto, WritesWhatTheMessageSays) {
  // swagger = 1, info = 2 {title = 1, version = 2}
  EXPECT_EQ(encodeOpenApiV2({{"swagger", "2.0"}, {"info", {{"title", "T"}, {"version", "1"}}}}),
            std::string("\x12\x06\x0a\x01T\x12\x01"
                        "1"
                        "\x0a\x03"
                        "2.0"));
  EXPECT_EQ(encodeOpenApiV2(json::object()), "");
}

TEST(OpenApiV2Proto, WritesSchemas) {
  const json schema = json::parse(R"({
    "type": "object", "description": "D", "required": ["a", "b"], "maxLength": 300, "minimum": -1.5,
    "uniqueItems": true, "enum": ["x", 1], "default": {"k": []}, "example": "32Mi",
    "properties": {"p": {"type": "array", "items": {"$ref": "#/definitions/Y"}}},
    "additionalProperties": {"type": "string"},
    "x-kubernetes-list-map-keys": ["name"]})");
  const std::string document =
      encodeOpenApiV2({{"definitions", {{"X", schema}, {"Y", {{"additionalProperties", true}}}}}});
  const std::string_view x = fieldNamed(fieldAt(document, {9}), 1, "X");
  EXPECT_EQ(fieldAt(x, {22, 1}), "object");
  EXPECT_EQ(fieldAt(x, {4}), "D");
  EXPECT_EQ(fieldAt(x, {19}), "b");
  EXPECT_EQ(fieldValues(x, 19).size(), 2U);
  EXPECT_EQ(fieldValues(x, 11), std::vector<std::uint64_t>{300});
  EXPECT_EQ(fieldValues(x, 9), std::vector<std::uint64_t>{std::bit_cast<std::uint64_t>(-1.5)});
  EXPECT_EQ(fieldValues(x, 16), std::vector<std::uint64_t>{1});
  EXPECT_EQ(fieldAt(x, {20, 2}), "1\n");
  EXPECT_EQ(fieldAt(x, {5, 2}), "{\"k\":[]}\n");
  EXPECT_EQ(fieldAt(x, {30, 2}), "\"32Mi\"\n");
  EXPECT_EQ(fieldAt(fieldNamed(fieldAt(x, {25}), 1, "p"), {23, 1, 1}), "#/definitions/Y");
  EXPECT_EQ(fieldAt(x, {21, 1, 22, 1}), "string");
  EXPECT_EQ(fieldAt(fieldNamed(x, 31, "x-kubernetes-list-map-keys"), {2}), "[\"name\"]\n");
  EXPECT_EQ(fieldValues(fieldAt(fieldNamed(fieldAt(document, {9}), 1, "Y"), {21}), 2),
            std::vector<std::uint64_t>{1});
}

// What client-go reads to learn whether a dry run is possible.
TEST(OpenApiV2Proto, ThePatchOfAKindHasItsParameters) {
  const std::string_view paths = fieldAt(openApiV2Protobuf().body, {8});
  const std::string_view patch = fieldAt(
      fieldNamed(paths, 2, "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}"), {8});
  EXPECT_EQ(json::parse(fieldAt(fieldNamed(patch, 13, "x-kubernetes-group-version-kind"), {2})),
            json({{"group", "rookery.dev"}, {"version", "v1alpha1"}, {"kind", "Unikernel"}}));
  bool dryRun = false;
  bool body = false;
  for (const WireField& field : parseMessage(patch)) {
    if (field.number != 8) continue;
    const std::string_view parameter = fieldAt(field.bytes, {1});
    const bool isBody = parseMessage(parameter).front().number == 1;
    body = body || (isBody && fieldAt(parameter, {1, 2}) == "body");
    dryRun = dryRun || (!isBody && fieldAt(parameter, {2, 3, 4}) == "dryRun");
  }
  EXPECT_TRUE(dryRun);
  EXPECT_TRUE(body);
  EXPECT_EQ(fieldAt(fieldNamed(fieldAt(patch, {9}), 1, "200"), {1, 2, 1, 1}),
            "#/definitions/dev.rookery.v1alpha1.Unikernel");
}

TEST(OpenApiV2ProtoDeathTest, AKeywordThatHasNoFieldIsABug) {
  EXPECT_DEATH(encodeOpenApiV2({{"definitions", {{"X", {{"nullable", true}}}}}}), "has a field for nullable");
}

}  // namespace
}  // namespace rookery::serve
