#include "serve/openapi/definitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/schema.h"
#include "yaml/yaml.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

constexpr std::string_view apiVersionDescription =
    "Version of the schema of this object: API group and version.";
constexpr std::string_view kindDescription = "What kind of object this is, in CamelCase.";

/// What Kubernetes has and a CRD does not say (k8s.io/apimachinery/pkg/apis/meta/v1, k8s.io/api/core/v1).
/// References are written without the package.
constexpr std::string_view kubernetesTypes = R"(
io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta:
  description: What every object has, beside what is declared.
  type: object
  properties:
    annotations:
      description: Text that tools keep with the object. It cannot be selected by.
      type: object
      additionalProperties: {type: string}
    creationTimestamp:
      description: When the object was created. Set by the server.
      type: string
      format: date-time
    deletionGracePeriodSeconds:
      description: How many seconds the object may take to end once it is being deleted. Set by the server.
      type: integer
      format: int64
    deletionTimestamp:
      description: >-
        When the object was asked to be deleted. It stays until its finalizers are gone. Set by the server.
      type: string
      format: date-time
    finalizers:
      description: What must be done before the object goes away, by the names of those who do it.
      type: array
      items: {type: string}
      x-kubernetes-list-type: set
      x-kubernetes-patch-strategy: merge
    generateName:
      description: Beginning of a name that the server completes, for an object without a name.
      type: string
    generation:
      description: Rises with each change of the spec. Set by the server.
      type: integer
      format: int64
    labels:
      description: What the object can be selected by.
      type: object
      additionalProperties: {type: string}
    managedFields:
      description: Which fields were set by whom. Kept for tools.
      type: array
      items: {$ref: ManagedFieldsEntry}
      x-kubernetes-list-type: atomic
    name:
      description: Unique among the objects of its kind in the namespace. It cannot be changed.
      type: string
    namespace:
      description: >-
        Where the name is unique. A cluster-scoped object has none. It cannot be changed.
      type: string
    ownerReferences:
      description: The objects that this one belongs to.
      type: array
      items: {$ref: OwnerReference}
      x-kubernetes-list-type: map
      x-kubernetes-list-map-keys: [uid]
      x-kubernetes-patch-merge-key: uid
      x-kubernetes-patch-strategy: merge
    resourceVersion:
      description: >-
        Changes with every change of the object. A change that names an older one is refused. Set by the server.
      type: string
    selfLink:
      description: Not set any more.
      type: string
    uid:
      description: Tells the object from any other that had or will have its name. Set by the server.
      type: string
io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference:
  description: An object that another one belongs to.
  type: object
  required: [apiVersion, kind, name, uid]
  properties:
    apiVersion: {description: API group and version of the owner., type: string}
    blockOwnerDeletion: {description: Whether the owner stays until this object is gone., type: boolean}
    controller: {description: Whether the owner controls the object., type: boolean}
    kind: {description: Kind of the owner., type: string}
    name: {description: Name of the owner., type: string}
    uid: {description: UID of the owner., type: string}
  x-kubernetes-map-type: atomic
io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry:
  description: The fields that one manager set.
  type: object
  properties:
    apiVersion: {description: Version of the schema that the fields belong to., type: string}
    fieldsType: {description: FieldsV1., type: string}
    fieldsV1: {description: The fields., $ref: FieldsV1}
    manager: {description: Who set them., type: string}
    operation: {description: Apply or Update., type: string}
    subresource: {description: The subresource that they were set through., type: string}
    time: {description: When they were set., type: string, format: date-time}
io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1:
  description: A set of fields, as a tree of their names.
  type: object
io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta:
  description: What a list has beside its items.
  type: object
  properties:
    continue: {description: What to ask for the next page with. Empty at the end., type: string}
    remainingItemCount: {description: How many items the next pages have., type: integer, format: int64}
    resourceVersion: {description: Version of the list that a watch can start from., type: string}
    selfLink: {description: Not set any more., type: string}
io.k8s.apimachinery.pkg.apis.meta.v1.Status:
  description: How a request ended that has no object to answer with.
  type: object
  properties:
    apiVersion: {description: v1., type: string}
    code: {description: The HTTP status., type: integer, format: int32}
    details: {description: What the failure is about., $ref: StatusDetails}
    kind: {description: Status., type: string}
    message: {description: 'What happened, in a sentence.', type: string}
    metadata: {description: Empty., $ref: ListMeta}
    reason: {description: 'Why, in one CamelCase word such as NotFound.', type: string}
    status: {description: Success or Failure., type: string}
io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails:
  description: What a failure is about.
  type: object
  properties:
    causes:
      description: Each single thing that is wrong.
      type: array
      items: {$ref: StatusCause}
      x-kubernetes-list-type: atomic
    group: {description: API group of the resource., type: string}
    kind: {description: 'The resource, in the plural.', type: string}
    name: {description: Name of the object., type: string}
    retryAfterSeconds: {description: After how many seconds to try again., type: integer, format: int32}
    uid: {description: UID of the object., type: string}
io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause:
  description: One thing that is wrong.
  type: object
  properties:
    field: {description: The field that it is about., type: string}
    message: {description: 'What is wrong, in a sentence.', type: string}
    reason: {description: 'What is wrong, in one CamelCase word.', type: string}
io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions:
  description: How to delete.
  type: object
  properties:
    apiVersion: {description: v1., type: string}
    dryRun:
      description: 'All: nothing is deleted, and what would be answered is.'
      type: array
      items: {type: string}
      x-kubernetes-list-type: atomic
    gracePeriodSeconds: {description: How many seconds the object may take to end., type: integer, format: int64}
    kind: {description: DeleteOptions., type: string}
    orphanDependents: {description: Whether objects that belong to this one stay., type: boolean}
    preconditions: {description: What must be so for the object to be deleted., $ref: Preconditions}
    propagationPolicy:
      description: 'What becomes of objects that belong to this one: Orphan, Background or Foreground.'
      type: string
io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions:
  description: What must be so for a request to be carried out.
  type: object
  properties:
    resourceVersion: {description: The object's resourceVersion., type: string}
    uid: {description: The object's UID., type: string}
io.k8s.apimachinery.pkg.apis.meta.v1.Patch:
  description: A change, in the form that the content type says.
  type: object
io.k8s.api.core.v1.Secret:
  description: Credentials and other values that are shown to few.
  type: object
  properties:
    data:
      description: The values in base64, by key.
      type: object
      additionalProperties: {type: string, format: byte}
    immutable: {description: Whether the values cannot be changed any more., type: boolean}
    stringData:
      description: Values as plain text, by key, which are put into data. It is never shown.
      type: object
      additionalProperties: {type: string}
    type: {description: 'What the secret is used for, such as Opaque or kubernetes.io/tls.', type: string}
io.k8s.api.core.v1.Namespace:
  description: Where objects are, which is a domain of Albatross. Nobody declares it.
  type: object
  properties:
    status:
      description: How it stands.
      type: object
      properties:
        phase: {description: Active., type: string}
io.k8s.api.core.v1.Event:
  description: Something that happened to an object. Events go away after a while.
  type: object
  required: [metadata, involvedObject]
  properties:
    action: {description: What was done about it., type: string}
    count: {description: How often it happened., type: integer, format: int32}
    eventTime: {description: When it happened first., type: string, format: date-time}
    firstTimestamp: {description: When it happened first., type: string, format: date-time}
    involvedObject: {description: The object that it happened to., $ref: ObjectReference}
    lastTimestamp: {description: When it happened last., type: string, format: date-time}
    message: {description: 'What happened, in a sentence.', type: string}
    reason: {description: 'Why, in one CamelCase word.', type: string}
    related: {description: Another object that has to do with it., $ref: ObjectReference}
    reportingComponent: {description: The controller that reports it., type: string}
    reportingInstance: {description: Which one of several such controllers., type: string}
    series: {description: How often it happened., $ref: EventSeries}
    source: {description: Who reports it., $ref: EventSource}
    type: {description: Normal or Warning., type: string}
io.k8s.api.core.v1.EventSeries:
  description: How often an event happened.
  type: object
  properties:
    count: {description: How often., type: integer, format: int32}
    lastObservedTime: {description: When it happened last., type: string, format: date-time}
io.k8s.api.core.v1.EventSource:
  description: Who reports an event.
  type: object
  properties:
    component: {description: The program., type: string}
    host: {description: The machine that it runs on., type: string}
io.k8s.api.core.v1.ObjectReference:
  description: An object, or a part of one.
  type: object
  properties:
    apiVersion: {description: API group and version., type: string}
    fieldPath: {description: 'The part, such as spec.image.', type: string}
    kind: {description: Kind of the object., type: string}
    name: {description: Name of the object., type: string}
    namespace: {description: Namespace of the object., type: string}
    resourceVersion: {description: The version that it is about., type: string}
    uid: {description: UID of the object., type: string}
  x-kubernetes-map-type: atomic
)";

/// What the API tells, and nobody declares: there are no CRDs of it.
constexpr std::string_view toldTypes = R"(
dev.rookery.v1alpha1.InstancePlan:
  description: What is about to be done on an AlbatrossInstance, and why, by what was last seen there.
  type: object
  properties:
    observedAt:
      description: When the server was looked at last with success.
      type: string
      format: date-time
    server:
      description: What the server is.
      type: object
      properties:
        version: {description: The releases of Albatross that speak as it does., type: string}
    changes:
      description: The steps, in the order in which they are taken.
      type: array
      items: {$ref: PlannedChange}
    changesLeftOut: {description: How many more steps there are., type: integer, format: int64}
    notPruned:
      description: 'What is not declared any more and stays, as pruning is off.'
      type: array
      items: {$ref: PlannedRemoval}
    notPrunedLeftOut: {description: How many more there are., type: integer, format: int64}
    withheld:
      description: What the prune guard withholds until somebody confirms its set.
      type: array
      items: {$ref: PlannedRemoval}
    withheldLeftOut: {description: How many more there are., type: integer, format: int64}
    errors:
      description: What is in the way.
      type: array
      items: {$ref: PlanError}
    errorsLeftOut: {description: How many more there are., type: integer, format: int64}
dev.rookery.v1alpha1.UnikernelPlan:
  description: What is about to be done about a Unikernel, and why, by what was last seen of it.
  type: object
  properties:
    apiVersion: {description: 'Version of the schema, API group and version.', type: string}
    kind: {description: UnikernelPlan., type: string}
    metadata:
      description: Name and namespace of the Unikernel.
      type: object
      properties:
        name: {description: Of the Unikernel., type: string}
        namespace: {description: Of the Unikernel., type: string}
    observedAt:
      description: When its server was looked at last with success.
      type: string
      format: date-time
    changes:
      description: The steps, in the order in which they are taken.
      type: array
      items: {$ref: PlannedChange}
    changesLeftOut: {description: How many more steps there are., type: integer, format: int64}
    errors:
      description: What is in the way.
      type: array
      items: {$ref: PlanError}
dev.rookery.v1alpha1.PlannedChange:
  description: One step.
  type: object
  properties:
    kind: {description: Kind of the object that it is about., type: string}
    namespace: {description: Namespace of the object., type: string}
    name: {description: Name of the object., type: string}
    instance: {description: The AlbatrossInstance that it is taken on., type: string}
    verb: {description: 'What is done, as in the output of rookery plan.', type: string}
    reason: {description: 'Why, in one CamelCase word.', type: string}
    message: {description: 'Why, and what it waits for, in sentences.', type: string}
    notBefore: {description: It is not taken before., type: string, format: date-time}
    waits: {description: Whether it waits until something else has changed., type: boolean}
    fields:
      description: What differs. Values that may be secret are redacted.
      type: array
      items: {$ref: PlannedField}
dev.rookery.v1alpha1.PlannedField:
  description: One field that changes.
  type: object
  properties:
    path: {description: 'Where it stands, such as spec.memory.', type: string}
    old: {description: What runs has., x-kubernetes-preserve-unknown-fields: true}
    new: {description: What is declared., x-kubernetes-preserve-unknown-fields: true}
dev.rookery.v1alpha1.PlannedRemoval:
  description: An object that runs and is not declared any more.
  type: object
  properties:
    kind: {description: Its kind., type: string}
    namespace: {description: Its namespace., type: string}
    name: {description: Its name., type: string}
    instance: {description: Where it runs., type: string}
    message: {description: Why it stays., type: string}
    set: {description: The ID of the set that is to be confirmed., type: string}
dev.rookery.v1alpha1.PlanError:
  description: What is in the way of something.
  type: object
  properties:
    object: {description: 'The object, as kind and name.', type: string}
    message: {description: 'What, in a sentence.', type: string}
dev.rookery.v1alpha1.UnikernelUsage:
  description: What a unikernel uses on an AlbatrossInstance, as its server said last.
  type: object
  properties:
    timestamp: {description: When the server said so., type: string, format: date-time}
    window: {description: 'What cpu is the average of, such as 10.0s. Absent while it is not known.', type: string}
    instance: {description: The AlbatrossInstance that it runs on., type: string}
    usage:
      description: What it uses now.
      type: object
      properties:
        cpu: {description: 'Thousandths of a CPU, such as 25m. Absent while it is not known.', type: string}
        memory: {description: Resident bytes., type: string}
    memoryLimit: {description: The memory that it has in bytes., type: string}
    cpuSeconds:
      description: CPU time since it was started.
      type: object
      properties:
        user: {description: In the unikernel itself., type: number}
        system: {description: On its behalf., type: number}
    pageFaults:
      description: Page faults since it was started.
      type: object
      properties:
        minor: {description: Without input or output., type: integer, format: int64}
        major: {description: With it., type: integer, format: int64}
    networkInterfaces:
      description: What went through its network interfaces since it was started.
      type: array
      items: {$ref: InterfaceUsage}
dev.rookery.v1alpha1.InterfaceUsage:
  description: What went through a network interface.
  type: object
  properties:
    name: {description: Its name on the server., type: string}
    receivedBytes: {description: Bytes received., type: integer, format: int64}
    receivedPackets: {description: Packets received., type: integer, format: int64}
    receiveErrors: {description: What could not be received., type: integer, format: int64}
    receiveDrops: {description: Received packets that were dropped., type: integer, format: int64}
    sentBytes: {description: Bytes sent., type: integer, format: int64}
    sentPackets: {description: Packets sent., type: integer, format: int64}
    sendErrors: {description: What could not be sent., type: integer, format: int64}
    sendDrops: {description: Packets to be sent that were dropped., type: integer, format: int64}
dev.rookery.v1alpha1.ManifestSource:
  description: Where an object is declared.
  type: object
  properties:
    apiVersion: {description: 'Version of the schema, API group and version.', type: string}
    kind: {description: ManifestSource., type: string}
    metadata:
      description: Name and namespace of the object.
      type: object
      properties:
        name: {description: Of the object., type: string}
        namespace: {description: 'Of the object, if it has one.', type: string}
    file: {description: The file of its manifest. Absent where it is in none., type: string}
    line: {description: Where it begins in that., type: integer, format: int64}
    writable: {description: Whether the API writes it., type: boolean}
)";

/// Calls `change` with a schema and each one in it, the outer ones first.
template <class Change>
void changeEach(json& schema, const Change& change) {
  change(schema);
  if (schema.contains("properties")) {
    for (json& property : schema["properties"]) changeEach(property, change);
  }
  for (const char* member : {"items", "additionalProperties"}) {
    if (schema.contains(member) && schema[member].is_object()) changeEach(schema[member], change);
  }
}

json reference(std::string_view definition, std::string_view description) {
  return {{"$ref", definition}, {"description", description}};
}

/// In the package of the definition that it stands in, or that of the metadata.
void completeReferences(const std::string& name, json& definition, const json& all) {
  const std::string package = name.substr(0, name.rfind('.') + 1);
  changeEach(definition, [&](json& schema) {
    if (!schema.contains("$ref")) return;
    const auto& target = schema["$ref"].get_ref<const std::string&>();
    const bool here = all.contains(package + target);
    schema["$ref"] = (here ? package : std::string(metaDefinitions)) + target;
  });
}

OpenApiDefinitions readTypes(std::string_view text) {
  auto documents = yaml::parse(text);
  check(documents && documents->size() == 1 && documents->front().duplicates.empty(),
        "the types that are compiled in are one YAML document");
  OpenApiDefinitions definitions;
  for (const auto& [name, schema] : documents->front().value.items()) {
    json definition = schema;
    completeReferences(name, definition, documents->front().value);
    definitions.emplace(name, std::move(definition));
  }
  return definitions;
}

json groupVersionKind(const OpenApiKind& kind, const std::string& suffix) {
  return json::array({{{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind + suffix}}});
}

/// A whole object: what is declared of it, and what every object has.
json objectSchema(const OpenApiKind& kind, json schema) {
  json& properties = schema["properties"];
  for (const auto& [member, description] :
       {std::pair("apiVersion", apiVersionDescription), std::pair("kind", kindDescription)}) {
    if (!properties.contains(member)) properties[member] = {{"type", "string"}, {"description", description}};
  }
  properties["metadata"] = reference(fmt::format("{}ObjectMeta", metaDefinitions),
                                     "Name, namespace, labels and what else every object has.");
  schema["x-kubernetes-group-version-kind"] = groupVersionKind(kind, "");
  return schema;
}

json listSchema(const OpenApiKind& kind) {
  return {{"description", fmt::format("A list of {}.", kind.plural)},
          {"type", "object"},
          {"required", {"items"}},
          {"properties",
           {{"apiVersion", {{"type", "string"}, {"description", apiVersionDescription}}},
            {"kind", {{"type", "string"}, {"description", kindDescription}}},
            {"metadata",
             reference(fmt::format("{}ListMeta", metaDefinitions), "Version and further pages of the list.")},
            {"items",
             {{"type", "array"}, {"description", "The objects."}, {"items", {{"$ref", kind.definition}}}}}}},
          {"x-kubernetes-group-version-kind", groupVersionKind(kind, "List")}};
}

const json* customSchema(const OpenApiKind& kind) {
  for (const api::Kind each : api::customKinds()) {
    if (api::toString(each) == kind.kind && !kind.group.empty()) return &api::definitionOf(each).schema;
  }
  return nullptr;
}

void referTo(json& definitions, std::string_view prefix, bool siblings) {
  for (json& definition : definitions) {
    changeEach(definition, [&](json& schema) {
      if (!schema.contains("$ref")) return;
      const std::string target = fmt::format("{}{}", prefix, schema["$ref"].get<std::string>());
      if (siblings || schema.size() == 1) {
        schema["$ref"] = target;
      } else {
        schema.erase("$ref");
        schema["allOf"] = json::array({{{"$ref", target}}});
      }
    });
  }
}

/// Takes the members that may be null out of those that are required: kubectl knows no null.
void requireOnlyWhatIsNotNullable(json& schema) {
  if (!schema.contains("required") || !schema.contains("properties")) return;
  json required = json::array();
  for (const json& member : schema["required"]) {
    const auto property = schema["properties"].find(member.get_ref<const std::string&>());
    if (property == schema["properties"].end() || !property->value("nullable", false))
      required.push_back(member);
  }
  schema["required"] = std::move(required);
  if (schema["required"].empty()) schema.erase("required");
}

void reduceToV2(json& schema) {
  for (const char* keyword : {"allOf", "anyOf", "oneOf", "not"}) schema.erase(keyword);
  requireOnlyWhatIsNotNullable(schema);
  const bool nullable = schema.value("nullable", false);
  const bool open = schema.value("x-kubernetes-preserve-unknown-fields", false);
  schema.erase("nullable");
  if (nullable || open) {
    schema.erase("items");
    schema.erase("properties");
  }
  const std::string type = schema.value("type", "");
  if (nullable || (open && type == "object") || (type == "array" && !schema.contains("items"))) {
    schema.erase("type");
  }
}

}  // namespace

std::string OpenApiKind::groupVersionPath() const {
  return group.empty() ? "api/" + version : fmt::format("apis/{}/{}", group, version);
}

const std::vector<OpenApiKind>& openApiKinds() {
  static const std::vector<OpenApiKind> all = [] {
    const std::string group(api::groupVersion.substr(0, api::groupVersion.find('/')));
    const std::string version(api::groupVersion.substr(group.size() + 1));
    std::vector<OpenApiKind> kinds;
    for (const api::Kind kind : api::customKinds()) {
      const api::Definition& definition = api::definitionOf(kind);
      kinds.push_back({.group = group,
                       .version = version,
                       .kind = std::string(api::toString(kind)),
                       .plural = definition.plural,
                       .namespaced = definition.namespaced,
                       .writable = true,
                       .definition = fmt::format("dev.rookery.{}.{}", version, api::toString(kind))});
    }
    kinds.push_back({.group = group,
                     .version = version,
                     .kind = "InstancePlan",
                     .plural = "instanceplans",
                     .namespaced = false,
                     .writable = false,
                     .definition = "dev.rookery.v1alpha1.InstancePlan"});
    kinds.push_back({.group = group,
                     .version = version,
                     .kind = "UnikernelUsage",
                     .plural = "unikernelusages",
                     .writable = false,
                     .definition = "dev.rookery.v1alpha1.UnikernelUsage"});
    kinds.push_back({.group = "",
                     .version = "v1",
                     .kind = "Event",
                     .plural = "events",
                     .writable = false,
                     .definition = "io.k8s.api.core.v1.Event"});
    kinds.push_back({.group = "",
                     .version = "v1",
                     .kind = "Namespace",
                     .plural = "namespaces",
                     .namespaced = false,
                     .writable = false,
                     .definition = "io.k8s.api.core.v1.Namespace"});
    kinds.push_back({.group = "",
                     .version = "v1",
                     .kind = "Secret",
                     .plural = "secrets",
                     .definition = "io.k8s.api.core.v1.Secret"});
    return kinds;
  }();
  return all;
}

OpenApiDefinitions definitionsOf(const std::vector<OpenApiKind>& kinds) {
  OpenApiDefinitions definitions = readTypes(kubernetesTypes);
  const bool core = std::ranges::any_of(kinds, [](const OpenApiKind& kind) { return kind.group.empty(); });
  if (!core)
    std::erase_if(definitions, [](const auto& each) { return !each.first.starts_with(metaDefinitions); });
  const bool own = std::ranges::any_of(kinds, [](const OpenApiKind& kind) { return !kind.group.empty(); });
  if (own) definitions.merge(readTypes(toldTypes));
  for (const OpenApiKind& kind : kinds) {
    const json* custom = customSchema(kind);
    definitions[kind.definition] =
        objectSchema(kind, custom != nullptr ? *custom : definitions.at(kind.definition));
    definitions[kind.definition + "List"] = listSchema(kind);
  }
  return definitions;
}

json toV3(const OpenApiDefinitions& definitions) {
  json schemas = definitions;
  referTo(schemas, "#/components/schemas/", false);
  return schemas;
}

json toV2(const OpenApiDefinitions& definitions) {
  json schemas = definitions;
  for (json& schema : schemas) changeEach(schema, reduceToV2);
  referTo(schemas, "#/definitions/", true);
  return schemas;
}

}  // namespace rookery::serve
