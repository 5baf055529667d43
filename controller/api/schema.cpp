#include "api/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/syntax.h"
#include "crds.h"
#include "text.h"
#include "yaml/yaml.h"

namespace rookery::api {

using nlohmann::json;

namespace {

/// What Kubernetes' API server knows of every object's metadata (meta/v1 ObjectMeta). In a file, only name,
/// namespace, labels and annotations mean something; the rest is what `kubectl get -o yaml` adds.
constexpr std::string_view objectMeta = R"(
type: object
required: [name]
properties:
  name: {type: string, minLength: 1, maxLength: 253}
  generateName: {type: string}
  namespace: {type: string, minLength: 1, maxLength: 63}
  labels: {type: object, additionalProperties: {type: string, maxLength: 63}}
  annotations: {type: object, additionalProperties: {type: string}}
  uid: {type: string}
  resourceVersion: {type: string}
  generation: {type: integer}
  creationTimestamp: {type: string, nullable: true}
  deletionTimestamp: {type: string, nullable: true}
  deletionGracePeriodSeconds: {type: integer}
  selfLink: {type: string}
  finalizers: {type: array, items: {type: string}}
  ownerReferences: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  managedFields: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
)";

constexpr std::string_view secret = R"(
type: object
properties:
  apiVersion: {type: string}
  kind: {type: string}
  metadata: {type: object}
  type: {type: string}
  immutable: {type: boolean}
  data: {type: object, additionalProperties: {type: string}}
  stringData: {type: object, additionalProperties: {type: string}}
)";

constexpr std::string_view list = R"(
type: object
required: [items]
properties:
  apiVersion: {type: string}
  kind: {type: string}
  metadata: {type: object, x-kubernetes-preserve-unknown-fields: true}
  items: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
)";

json parseOwn(std::string_view text) {
  auto documents = yaml::parse(text);
  check(documents && documents->size() == 1 && documents->front().duplicates.empty(),
        "a schema that is compiled in is one YAML document");
  return std::move(documents->front().value);
}

Definition readDefinition(Kind kind, const json& crd) {
  const json& names = crd.at("spec").at("names");
  const json& version = crd.at("spec").at("versions").at(0);
  Definition definition{.kind = kind,
                        .namespaced = crd.at("spec").at("scope") == "Namespaced",
                        .plural = names.at("plural"),
                        .singular = names.at("singular"),
                        .shortNames = names.at("shortNames"),
                        .columns = {},
                        .schema = version.at("schema").at("openAPIV3Schema")};
  for (const json& column : version.at("additionalPrinterColumns")) {
    definition.columns.push_back(
        {column.at("name"), column.at("type"), column.at("jsonPath"), column.value("priority", 0)});
  }
  return definition;
}

Definition loadDefinition(Kind kind) {
  for (const crds::File& file : crds::files()) {
    const json crd = parseOwn(file.text);
    if (crd.at("spec").at("names").at("kind") == toString(kind)) return readDefinition(kind, crd);
  }
  check(false, "each custom kind has a CRD");
  return {};
}

/// The schema of a whole manifest: what the CRD says, and the metadata that every object has. A status is
/// ignored, whatever it holds, as kubectl ignores it.
json manifestSchema(json schema) {
  json metadata = parseOwn(objectMeta);
  metadata.merge_patch(schema["properties"]["metadata"]);
  schema["properties"]["metadata"] = std::move(metadata);
  schema["properties"].erase("status");
  schema["required"].push_back("metadata");
  return schema;
}

}  // namespace

const std::vector<Kind>& customKinds() {
  static const std::vector<Kind> kinds = {Kind::AlbatrossInstance, Kind::Unikernel, Kind::UnikernelPolicy,
                                          Kind::UnikernelVolume};
  return kinds;
}

const Definition& definitionOf(Kind kind) {
  static const auto definitions = [] {
    std::map<Kind, Definition> all;
    for (const Kind each : customKinds()) all.emplace(each, loadDefinition(each));
    return all;
  }();
  const auto found = definitions.find(kind);
  check(found != definitions.end(), "only custom kinds have a definition");
  return found->second;
}

const json& manifestSchemaOf(Kind kind) {
  static const auto schemas = [] {
    std::map<Kind, json> all;
    for (const Kind each : customKinds()) all.emplace(each, manifestSchema(definitionOf(each).schema));
    all.emplace(Kind::Secret, manifestSchema(parseOwn(secret)));
    return all;
  }();
  return schemas.at(kind);
}

const json& listSchema() {
  static const json schema = parseOwn(list);
  return schema;
}

Result<Kind> parseKind(std::string_view word) {
  std::string wanted = toLower(word);
  for (const std::string_view group : {".v1alpha1.rookery.dev", ".rookery.dev"}) {
    if (wanted.ends_with(group)) wanted.erase(wanted.size() - group.size());
  }
  std::vector<std::string> known;
  for (const Kind kind : customKinds()) {
    const Definition& definition = definitionOf(kind);
    const bool isShort = std::ranges::find(definition.shortNames, wanted) != definition.shortNames.end();
    if (isShort || wanted == definition.plural || wanted == definition.singular) return kind;
    known.push_back(fmt::format("{} ({})", definition.plural, fmt::join(definition.shortNames, ", ")));
  }
  return fail(Reason::UsageError,
              fmt::format("{} is not a kind; write one of {}", quote(word), fmt::join(known, ", ")));
}

}  // namespace rookery::api
