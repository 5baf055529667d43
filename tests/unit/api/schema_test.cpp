#include "api/schema.h"

#include <gmock/gmock.h>

#include <functional>

#include "crds.h"

namespace rookery::api {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::Field;

/// Calls `visit` with each schema below `schema`, itself included, and its path.
void forEachSchema(const json& schema, const std::string& path,
                   const std::function<void(const json&, const std::string&)>& visit) {
  visit(schema, path);
  if (schema.contains("items")) forEachSchema(schema["items"], path + "[]", visit);
  if (!schema.contains("properties")) return;
  for (const auto& [name, property] : schema["properties"].items()) {
    forEachSchema(property, path + "." + name, visit);
  }
}

TEST(Schema, EachCustomKindHasADefinition) {
  EXPECT_EQ(crds::files().size(), customKinds().size());
  EXPECT_FALSE(definitionOf(Kind::AlbatrossInstance).namespaced);
  EXPECT_TRUE(definitionOf(Kind::Unikernel).namespaced);
  EXPECT_EQ(definitionOf(Kind::UnikernelPolicy).plural, "unikernelpolicies");
  EXPECT_EQ(definitionOf(Kind::UnikernelPolicy).shortNames, std::vector<std::string>{"ukpol"});
  EXPECT_THAT(definitionOf(Kind::Unikernel).columns, Contains(Field(&Column::jsonPath, ".status.placedOn")));
  EXPECT_THAT(definitionOf(Kind::Unikernel).columns,
              Contains(Field(&Column::jsonPath, R"(.status.conditions[?(@.type=="Ready")].status)")));
}

// What Kubernetes asks of a structural schema, what `kubectl explain` shows, and what the validation relies
// on.
TEST(Schema, IsStructuralAndUsesOnlyKeywordsThatAreChecked) {
  const std::set<std::string> keywords = {
      "additionalProperties",
      "default",
      "description",
      "enum",
      "example",
      "items",
      "maxItems",
      "maxLength",
      "maximum",
      "minItems",
      "minLength",
      "minimum",
      "nullable",
      "pattern",
      "properties",
      "required",
      "type",
      "x-kubernetes-int-or-string",
      "x-kubernetes-list-map-keys",
      "x-kubernetes-list-type",
      "x-kubernetes-preserve-unknown-fields",
      "format",  // says the width of an integer, or documents a string of the status
      "anyOf",
      "not",
      "oneOf"};  // of spec.credentials, spec.image and spec.source: the decoder says it in words
  for (const Kind kind : {Kind::AlbatrossInstance, Kind::Unikernel, Kind::UnikernelPolicy,
                          Kind::UnikernelVolume, Kind::Secret}) {
    forEachSchema(
        manifestSchemaOf(kind), std::string(toString(kind)),
        [&](const json& schema, const std::string& path) {
          EXPECT_TRUE(schema.contains("type") || schema.contains("x-kubernetes-int-or-string")) << path;
          for (const auto& [keyword, unused] : schema.items())
            EXPECT_TRUE(keywords.contains(keyword)) << path << keyword;
          if (schema.contains("pattern")) {
            EXPECT_LE(schema.value("maxLength", 9999), 512) << path;
          }
          if (schema.value("type", "") == "array") {
            EXPECT_TRUE(schema.contains("items")) << path;
          }
          if (schema.value("x-kubernetes-list-type", "") == "map") {
            EXPECT_THAT(schema["items"]["required"], Contains(schema["x-kubernetes-list-map-keys"][0]))
                << path;
          }
        });
  }
}

TEST(Schema, EachFieldIsExplained) {
  for (const Kind kind : customKinds()) {
    forEachSchema(definitionOf(kind).schema, std::string(toString(kind)),
                  [](const json& schema, const std::string& path) {
                    if (!path.contains(".metadata")) {
                      EXPECT_TRUE(schema.contains("description")) << path;
                    }
                  });
  }
}

TEST(Schema, KindsHaveTheNamesThatKubectlTakes) {
  for (const char* word : {"unikernel", "unikernels", "Unikernel", "uk", "UK", "unikernels.rookery.dev",
                           "unikernels.v1alpha1.rookery.dev"}) {
    EXPECT_EQ(parseKind(word), Kind::Unikernel) << word;
  }
  EXPECT_EQ(parseKind("alba"), Kind::AlbatrossInstance);
  const auto unknown = parseKind("pods");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error(),
            (Error{Reason::UsageError,
                   "\"pods\" is not a kind; write one of albatrossinstances (alba), unikernels (uk), "
                   "unikernelpolicies (ukpol), unikernelvolumes (ukvol)"}));
}

}  // namespace
}  // namespace rookery::api
