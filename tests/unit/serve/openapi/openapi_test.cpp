#include "serve/openapi/openapi.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/schema.h"
#include "serve/openapi/operations.h"

namespace rookery::serve {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;

const json swagger = json::parse(openApiV2Json().body);
const json customDocument = json::parse(findOpenApiV3("apis/rookery.dev/v1alpha1")->body);
const json coreDocument = json::parse(findOpenApiV3("api/v1")->body);

constexpr const char* itemPath = "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}";

json gvk(const char* group, const char* version, const char* kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

std::set<std::string> memberNames(const json& objectOrParameters) {
  std::set<std::string> found;
  for (const auto& [name, value] : objectOrParameters.items()) {
    found.insert(objectOrParameters.is_array() ? value.at("name").get<std::string>() : name);
  }
  return found;
}

/// All references in a document.
void collectReferences(const json& value, std::set<std::string>& references) {
  if (!value.is_structured()) return;
  if (value.is_object() && value.contains("$ref")) references.insert(value["$ref"]);
  for (const json& member : value) collectReferences(member, references);
}

TEST(OpenApi, EveryReferenceIsDefined) {
  for (const json& document : {swagger, customDocument, coreDocument}) {
    std::set<std::string> references;
    collectReferences(document, references);
    EXPECT_GT(references.size(), 5U);
    for (const std::string& reference : references) {
      EXPECT_TRUE(document.contains(json::json_pointer(reference.substr(1)))) << reference;
    }
  }
}

TEST(OpenApi, TheIndexNamesEachGroupWithItsHash) {
  const json paths = json::parse(openApiV3Index().body).at("paths");
  EXPECT_THAT(memberNames(paths), UnorderedElementsAre("api/v1", "apis/rookery.dev/v1alpha1"));
  for (const auto& [path, entry] : paths.items()) {
    const OpenApiDocument* document = findOpenApiV3(path);
    ASSERT_NE(document, nullptr) << path;
    const std::string hash = document->etag.substr(1, document->etag.size() - 2);
    EXPECT_EQ(hash.size(), 64U);
    EXPECT_EQ(entry.at("serverRelativeURL"), "/openapi/v3/" + path + "?hash=" + hash);
  }
  EXPECT_EQ(findOpenApiV3("apis/apps/v1"), nullptr);
  EXPECT_EQ(findOpenApiV3(""), nullptr);
}

TEST(OpenApi, DocumentsHaveTheirTypesAndTags) {
  EXPECT_EQ(openApiV2Json().contentType, "application/json");
  EXPECT_EQ(openApiV3Index().contentType, "application/json");
  EXPECT_EQ(openApiV2Protobuf().contentType, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  EXPECT_NE(openApiV2Json().etag, openApiV2Protobuf().etag);
  EXPECT_EQ(&openApiV2Json(), &openApiV2Json());
}

TEST(OpenApi, KindsAreFoundByGroupVersionAndKind) {
  const json& definitions = swagger.at("definitions");
  const auto expect = [&](const char* definition, const json& kind) {
    EXPECT_EQ(definitions.at(definition).at("x-kubernetes-group-version-kind"), json::array({kind}))
        << definition;
  };
  expect("dev.rookery.v1alpha1.Unikernel", gvk("rookery.dev", "v1alpha1", "Unikernel"));
  expect("dev.rookery.v1alpha1.UnikernelList", gvk("rookery.dev", "v1alpha1", "UnikernelList"));
  expect("dev.rookery.v1alpha1.AlbatrossInstance", gvk("rookery.dev", "v1alpha1", "AlbatrossInstance"));
  expect("dev.rookery.v1alpha1.UnikernelPolicy", gvk("rookery.dev", "v1alpha1", "UnikernelPolicy"));
  expect("io.k8s.api.core.v1.Secret", gvk("", "v1", "Secret"));
  expect("io.k8s.api.core.v1.EventList", gvk("", "v1", "EventList"));
}

TEST(OpenApi, SchemasAreTheCrds) {
  const json& crd = api::definitionOf(api::Kind::Unikernel).schema.at("properties");
  const json& schema = customDocument.at("components").at("schemas").at("dev.rookery.v1alpha1.Unikernel");
  EXPECT_EQ(schema.at("properties").at("spec"), crd.at("spec"));
  EXPECT_EQ(schema.at("properties").at("status"), crd.at("status"));
  EXPECT_EQ(schema.at("required"), json::array({"spec"}));
  EXPECT_EQ(schema.at("properties").at("metadata").at("allOf").at(0).at("$ref"),
            "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");

  const json& old = swagger.at("definitions").at("dev.rookery.v1alpha1.Unikernel").at("properties");
  json plain = crd.at("spec");
  const std::pair<const char*, const char*> words[] = {{"", "not"},  // OpenAPI 2 has no such words
                                                       {"/properties/healthCheck", "oneOf"},
                                                       {"/properties/placement/properties/replicas", "anyOf"},
                                                       {"/properties/image", "anyOf"},
                                                       {"/properties/image", "not"}};
  for (const auto& [path, keyword] : words)
    ASSERT_EQ(plain.at(json::json_pointer(path)).erase(keyword), 1) << path;
  EXPECT_EQ(old.at("spec"), plain);
  EXPECT_EQ(old.at("metadata").at("$ref"), "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
  EXPECT_TRUE(old.at("metadata").contains("description"));
  EXPECT_EQ(old.at("spec").at("properties").at("blockDevices").at("x-kubernetes-list-map-keys"),
            json::array({"name"}));
}

// kubectl refuses what a definition does not know.
TEST(OpenApi, DefinitionsKnowWhatAManifestMayHave) {
  const json& definitions = swagger.at("definitions");
  const json& secret = api::manifestSchemaOf(api::Kind::Secret).at("properties");
  EXPECT_THAT(memberNames(definitions.at("io.k8s.api.core.v1.Secret").at("properties")),
              IsSupersetOf(memberNames(secret)));
  const json& metadata = definitions.at("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").at("properties");
  EXPECT_THAT(memberNames(metadata), IsSupersetOf(memberNames(secret.at("metadata").at("properties"))));
}

TEST(OpenApi, EveryFieldIsExplained) {
  for (const auto& [name, definition] : swagger.at("definitions").items()) {
    EXPECT_TRUE(definition.contains("description")) << name;
    if (!definition.contains("properties")) continue;
    for (const auto& [field, schema] : definition.at("properties").items()) {
      EXPECT_TRUE(schema.contains("description")) << name << '.' << field;
    }
  }
}

TEST(OpenApi, PathsAreThoseOfTheKinds) {
  EXPECT_THAT(memberNames(customDocument.at("paths")),
              IsSupersetOf({"/apis/rookery.dev/v1alpha1/unikernels",
                            "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels",
                            "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}",
                            "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}/status",
                            "/apis/rookery.dev/v1alpha1/albatrossinstances",
                            "/apis/rookery.dev/v1alpha1/albatrossinstances/{name}",
                            "/apis/rookery.dev/v1alpha1/albatrossinstances/{name}/plan",
                            "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernels/{name}/plan",
                            "/apis/rookery.dev/v1alpha1/instanceplans"}));
  const std::string events = "/api/v1/namespaces/{namespace}/events";
  EXPECT_THAT(memberNames(coreDocument.at("paths").at(events)), UnorderedElementsAre("get", "parameters"));
  EXPECT_THAT(memberNames(coreDocument.at("paths").at(events + "/{name}")),
              UnorderedElementsAre("get", "parameters"));
  EXPECT_THAT(memberNames(coreDocument.at("paths").at("/api/v1/namespaces/{namespace}/secrets/{name}")),
              UnorderedElementsAre("delete", "get", "parameters", "patch", "put"));
  EXPECT_THAT(memberNames(swagger.at("paths")).size(),
              memberNames(customDocument.at("paths")).size() + memberNames(coreDocument.at("paths")).size());
}

// What kubectl looks for before it asks for a dry run or for the validation of fields.
TEST(OpenApi, PatchesSayTheirKindAndParameters) {
  for (const json& document : {swagger, customDocument}) {
    const json& patch = document.at("paths").at(itemPath).at("patch");
    EXPECT_EQ(patch.at("x-kubernetes-group-version-kind"), gvk("rookery.dev", "v1alpha1", "Unikernel"));
    EXPECT_EQ(patch.at("x-kubernetes-action"), "patch");
    EXPECT_THAT(memberNames(patch.at("parameters")),
                IsSupersetOf({"dryRun", "fieldManager", "fieldValidation"}));
    EXPECT_EQ(patch.at("operationId"), "patchRookeryDevV1alpha1NamespacedUnikernel");
  }
  EXPECT_EQ(swagger.at("paths").at(itemPath).at("patch").at("consumes"),
            json({"application/json-patch+json", "application/merge-patch+json"}));
  EXPECT_THAT(
      memberNames(customDocument.at("paths").at(itemPath).at("patch").at("requestBody").at("content")),
      UnorderedElementsAre("application/json-patch+json", "application/merge-patch+json"));
}

// What is text or bytes has no definition.
TEST(OpenApi, PartsOfAnObjectSayWhatTheyAre) {
  const std::string volume =
      "/apis/rookery.dev/v1alpha1/namespaces/{namespace}/unikernelvolumes/{name}/content";
  const json binary = {{"type", "string"}, {"format", "binary"}};
  const json& content = customDocument.at("paths").at(volume);
  EXPECT_EQ(content.at("get").at("responses").at("200").at("content"),
            json({{"application/octet-stream", {{"schema", binary}}}}));
  EXPECT_EQ(content.at("put").at("requestBody").at("content"),
            json({{"application/octet-stream", {{"schema", binary}}}}));
  EXPECT_EQ(content.at("put").at("x-kubernetes-action"), "put");
  EXPECT_THAT(memberNames(content.at("put").at("parameters")), UnorderedElementsAre("force"));
  EXPECT_THAT(content.at("put").at("responses").at("200").dump(), testing::HasSubstr("meta.v1.Status"));
  const json& old = swagger.at("paths").at(volume);
  EXPECT_EQ(old.at("get").at("produces"), json({"application/octet-stream"}));
  EXPECT_EQ(old.at("put").at("consumes"), json({"application/octet-stream"}));
  EXPECT_EQ(old.at("put").at("parameters").back().at("schema"), binary);

  const std::string item = itemPath;
  const json& log = swagger.at("paths").at(item + "/log").at("get");
  EXPECT_EQ(log.at("produces"), json({"text/plain"}));
  EXPECT_EQ(log.at("responses").at("200").at("schema"), json({{"type", "string"}}));
  EXPECT_EQ(log.at("operationId"), "readRookeryDevV1alpha1NamespacedUnikernelLog");
  EXPECT_THAT(memberNames(log.at("parameters")), IsSupersetOf({"follow", "instance", "tailLines"}));
  for (const auto& [part, kind] : {std::pair("usage", "UnikernelUsage"), std::pair("plan", "UnikernelPlan"),
                                   std::pair("source", "ManifestSource"), std::pair("status", "Unikernel")}) {
    EXPECT_EQ(
        swagger.at("paths").at(item + "/" + part).at("get").at("responses").at("200").at("schema").at("$ref"),
        std::string("#/definitions/dev.rookery.v1alpha1.") + kind);
  }
}

TEST(OpenApi, OperationsHaveIdsOfTheirOwn) {
  std::set<std::string> ids;
  for (const json& path : swagger.at("paths")) {
    for (const auto& [method, operation] : path.items()) {
      if (method == "parameters") continue;
      EXPECT_TRUE(ids.insert(operation.at("operationId")).second) << operation.at("operationId");
    }
  }
  EXPECT_THAT(ids, Contains("listRookeryDevV1alpha1UnikernelForAllNamespaces"));
  EXPECT_THAT(ids, Contains("readRookeryDevV1alpha1AlbatrossInstanceStatus"));
  EXPECT_THAT(ids, Contains("createCoreV1NamespacedSecret"));
  EXPECT_THAT(ids, Not(Contains("createCoreV1NamespacedEvent")));
}

TEST(OpenApi, ParametersStandWhereTheVersionHasThem) {
  const json& old = swagger.at("paths").at(itemPath).at("get").at("parameters").at(0);
  EXPECT_EQ(old.at("type"), "string");
  EXPECT_EQ(customDocument.at("paths").at(itemPath).at("get").at("parameters").at(0).at("schema").at("type"),
            "string");
  EXPECT_THAT(memberNames(swagger.at("paths").at(itemPath).at("parameters")),
              UnorderedElementsAre("namespace", "name", "pretty"));
}

TEST(OpenApi, V2LacksWhatKubectlWouldMisread) {
  const OpenApiDefinitions definitions = {{"X", json::parse(R"({
        "type": "object", "required": ["maybe", "sure"],
        "oneOf": [{"required": ["maybe"]}], "anyOf": [], "allOf": [], "not": {},
        "properties": {
          "maybe": {"type": "object", "nullable": true, "properties": {"a": {"type": "string"}}},
          "sure": {"type": "array", "items": {"type": "string", "nullable": true}},
          "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
          "opens": {"type": "array", "x-kubernetes-preserve-unknown-fields": true, "items": {"type": "string"}},
          "either": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
          "map": {"type": "object", "additionalProperties": {"type": "string", "oneOf": []}},
          "reference": {"$ref": "X", "description": "Another."}}})")}};
  EXPECT_EQ(toV2(definitions), json::parse(R"({"X": {
        "type": "object", "required": ["sure"],
        "properties": {
          "maybe": {},
          "sure": {"type": "array", "items": {}},
          "open": {"x-kubernetes-preserve-unknown-fields": true},
          "opens": {"x-kubernetes-preserve-unknown-fields": true},
          "either": {"x-kubernetes-int-or-string": true},
          "map": {"type": "object", "additionalProperties": {"type": "string"}},
          "reference": {"$ref": "#/definitions/X", "description": "Another."}}}})"));
  EXPECT_EQ(toV3(definitions).at("X").at("properties").at("reference"),
            json::parse(R"({"allOf": [{"$ref": "#/components/schemas/X"}], "description": "Another."})"));
  EXPECT_EQ(toV3(definitions).at("X").at("oneOf"), definitions.at("X").at("oneOf"));
}

}  // namespace
}  // namespace rookery::serve
