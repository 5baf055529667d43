#include "serve/openapi/operations.h"

#include <fmt/format.h>

#include <cctype>

namespace rookery::serve {
namespace {

using nlohmann::json;
using Parameters = std::vector<OpenApiParameter>;

constexpr OpenApiParameter pretty = {"pretty", "string", "Whether the answer is indented: true or false."};
constexpr OpenApiParameter dryRun = {
    "dryRun", "string", "All: everything is checked, nothing is changed, and what would be answered is."};

const Parameters& reading() {
  static const Parameters parameters = {
      {"resourceVersion", "string", "The version that the answer must have at least."}};
  return parameters;
}

const Parameters& listing() {
  static const Parameters parameters = {
      {"allowWatchBookmarks", "boolean", "Whether a watch sends events of type BOOKMARK now and then."},
      {"continue", "string", "The token that the page before gave: the next page is answered."},
      {"fieldSelector", "string", "Only objects whose fields are so. All when absent."},
      {"labelSelector", "string", "Only objects whose labels are so. All when absent."},
      {"limit", "integer", "How many objects a page has at most."},
      {"resourceVersion", "string",
       "The version that a list must have at least, or that a watch starts behind."},
      {"resourceVersionMatch", "string", "How resourceVersion is meant in a list: Exact or NotOlderThan."},
      {"timeoutSeconds", "integer", "How many seconds a watch or list may take."},
      {"watch", "boolean", "Whether changes are sent as they happen rather than a list."}};
  return parameters;
}

const Parameters& writing() {
  static const Parameters parameters = {
      dryRun,
      {"fieldManager", "string", "Who makes the change: the name of the program."},
      {"fieldValidation", "string",
       "What to do with fields that are unknown or given twice: Ignore, Warn or Strict."}};
  return parameters;
}

const Parameters& deleting() {
  static const Parameters parameters = {
      dryRun,
      {"gracePeriodSeconds", "integer", "How many seconds the object may take to end."},
      {"orphanDependents", "boolean", "Whether objects that belong to this one stay."},
      {"propagationPolicy", "string",
       "What becomes of objects that belong to this one: Orphan, Background or Foreground."}};
  return parameters;
}

std::string capitalised(std::string word) {
  if (!word.empty()) word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  return word;
}

/// The words of group and version joined, as kube-apiserver does for operation ids: "RookeryDevV1alpha1",
/// "CoreV1".
std::string joinedGroupVersion(const OpenApiKind& kind) {
  std::string joined;
  const std::string rest = kind.group.empty() ? "core" : kind.group;
  for (std::size_t begin = 0; begin <= rest.size();) {
    const std::size_t end = std::min(rest.find('.', begin), rest.size());
    joined += capitalised(rest.substr(begin, end - begin));
    begin = end + 1;
  }
  return joined + capitalised(kind.version);
}

/// `subject` follows the group in the id: "NamespacedUnikernel".
OpenApiOperation makeOperation(const OpenApiKind& kind, std::string_view method, std::string_view action,
                               std::string_view verb, const std::string& subject) {
  OpenApiOperation operation;
  operation.method = method;
  operation.action = action;
  operation.id = fmt::format("{}{}{}", verb, joinedGroupVersion(kind), subject);
  operation.answer = kind.definition;
  return operation;
}

OpenApiOperation listOperation(const OpenApiKind& kind, const std::string& subject) {
  OpenApiOperation operation = makeOperation(kind, "get", "list", "list", subject);
  operation.description = fmt::format("List or watch objects of kind {}.", kind.kind);
  operation.answer += "List";
  operation.query = listing();
  return operation;
}

OpenApiOperation readOperation(const OpenApiKind& kind, const std::string& subject, std::string_view part) {
  OpenApiOperation operation = makeOperation(kind, "get", "get", "read", subject);
  operation.description = fmt::format("Read {}the specified {}.", part, kind.kind);
  operation.query = reading();
  return operation;
}

OpenApiOperation createOperation(const OpenApiKind& kind, const std::string& subject) {
  OpenApiOperation operation = makeOperation(kind, "post", "post", "create", subject);
  operation.description = fmt::format("Create an object of kind {}.", kind.kind);
  operation.body = kind.definition;
  operation.bodyTypes = {"application/json", "application/yaml"};
  operation.success = 201;
  operation.query = writing();
  return operation;
}

OpenApiOperation replaceOperation(const OpenApiKind& kind, const std::string& subject) {
  OpenApiOperation operation = makeOperation(kind, "put", "put", "replace", subject);
  operation.description = fmt::format("Replace the specified {}.", kind.kind);
  operation.body = kind.definition;
  operation.bodyTypes = {"application/json", "application/yaml"};
  operation.query = writing();
  return operation;
}

OpenApiOperation patchOperation(const OpenApiKind& kind, const std::string& subject) {
  OpenApiOperation operation = makeOperation(kind, "patch", "patch", "patch", subject);
  operation.description = fmt::format("Change parts of the specified {}.", kind.kind);
  operation.body = fmt::format("{}Patch", metaDefinitions);
  operation.bodyTypes = {"application/json-patch+json", "application/merge-patch+json"};
  operation.query = writing();
  return operation;
}

OpenApiOperation deleteOperation(const OpenApiKind& kind, const std::string& subject) {
  OpenApiOperation operation = makeOperation(kind, "delete", "delete", "delete", subject);
  operation.description = fmt::format("Delete the specified {}.", kind.kind);
  operation.answer = fmt::format("{}Status", metaDefinitions);
  operation.body = fmt::format("{}DeleteOptions", metaDefinitions);
  operation.bodyTypes = {"application/json"};
  operation.query = deleting();
  return operation;
}

std::vector<OpenApiOperation> subresourceOperations(const OpenApiKind& kind, const Subresource& part,
                                                    const std::string& subject) {
  const std::string name = fmt::format("{}{}", subject, part.word);
  std::vector<OpenApiOperation> operations = {readOperation(kind, name, part.what)};
  operations.front().answer = part.answer;
  operations.front().answerType = part.type;
  operations.front().query = part.query;
  if (part.writing.empty()) return operations;
  OpenApiOperation written = makeOperation(kind, "put", "put", "replace", name);
  written.description = fmt::format("Replace {}the specified {}.", part.what, kind.kind);
  written.answer = fmt::format("{}Status", metaDefinitions);
  written.bodyTypes = {std::string(part.type)};
  written.query = part.writing;
  operations.push_back(std::move(written));
  return operations;
}

json queryParameter(const OpenApiParameter& parameter, bool v3) {
  json described = {{"name", parameter.name}, {"in", "query"}, {"description", parameter.description}};
  if (v3) {
    described["schema"] = {{"type", parameter.type}};
  } else {
    described["type"] = parameter.type;
  }
  return described;
}

/// What all operations of a path have.
json commonParameters(const OpenApiPath& path, bool v3) {
  json parameters = json::array();
  for (const auto& [name, description] :
       {std::pair("namespace", std::string("Namespace of the object.")),
        std::pair("name", fmt::format("Name of the {}.", path.kind->kind))}) {
    if (!path.path.contains(fmt::format("{{{}}}", name))) continue;
    json parameter = {{"name", name}, {"in", "path"}, {"description", description}, {"required", true}};
    if (v3) {
      parameter["schema"] = {{"type", "string"}};
    } else {
      parameter["type"] = "string";
    }
    parameters.push_back(std::move(parameter));
  }
  parameters.push_back(queryParameter(pretty, v3));
  return parameters;
}

/// What is the same in both versions.
json commonOperation(const OpenApiPath& path, const OpenApiOperation& operation, bool v3) {
  const OpenApiKind& kind = *path.kind;
  json parameters = json::array();
  for (const OpenApiParameter& parameter : operation.query)
    parameters.push_back(queryParameter(parameter, v3));
  return {{"operationId", operation.id},
          {"description", operation.description},
          {"tags", {fmt::format("{}_{}", kind.group.empty() ? "core" : kind.group, kind.version)}},
          {"parameters", std::move(parameters)},
          {"x-kubernetes-action", operation.action},
          {"x-kubernetes-group-version-kind",
           {{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}}}};
}

bool mustHaveBody(const OpenApiOperation& operation) { return operation.method != "delete"; }

/// What is sent or answered: a definition, or else text or bytes.
json contentSchema(std::string_view definitions, std::string_view definition, std::string_view type) {
  if (!definition.empty()) return {{"$ref", fmt::format("{}{}", definitions, definition)}};
  json schema = {{"type", "string"}};
  if (!type.starts_with("text/")) schema["format"] = "binary";
  return schema;
}

json operationV2(const OpenApiPath& path, const OpenApiOperation& operation) {
  const auto schema = [](std::string_view definition, std::string_view type = {}) {
    return contentSchema("#/definitions/", definition, type);
  };
  json described = commonOperation(path, operation, false);
  if (!operation.bodyTypes.empty()) {
    described["parameters"].push_back({{"name", "body"},
                                       {"in", "body"},
                                       {"required", mustHaveBody(operation)},
                                       {"schema", schema(operation.body, operation.bodyTypes.front())}});
    described["consumes"] = operation.bodyTypes;
  }
  described["produces"] = {operation.answerType};
  if (operation.action == "list") described["produces"].push_back("application/json;stream=watch");
  described["responses"] = {
      {std::to_string(operation.success),
       {{"description", "Done."}, {"schema", schema(operation.answer, operation.answerType)}}},
      {"default",
       {{"description", "Failed."}, {"schema", schema(fmt::format("{}Status", metaDefinitions))}}}};
  return described;
}

json operationV3(const OpenApiPath& path, const OpenApiOperation& operation) {
  const auto content = [](std::string_view definition, std::string_view type = {}) -> json {
    return {{"schema", contentSchema("#/components/schemas/", definition, type)}};
  };
  json described = commonOperation(path, operation, true);
  if (!operation.bodyTypes.empty()) {
    json& body = described["requestBody"];
    body["required"] = mustHaveBody(operation);
    for (const std::string& type : operation.bodyTypes) body["content"][type] = content(operation.body, type);
  }
  json done = {{operation.answerType, content(operation.answer, operation.answerType)}};
  if (operation.action == "list") done["application/json;stream=watch"] = content(operation.answer);
  described["responses"] = {
      {std::to_string(operation.success), {{"description", "Done."}, {"content", std::move(done)}}},
      {"default",
       {{"description", "Failed."},
        {"content", {{"application/json", content(fmt::format("{}Status", metaDefinitions))}}}}}};
  return described;
}

template <class Describe>
json describePaths(const std::vector<OpenApiPath>& paths, bool v3, const Describe& describe) {
  json described = json::object();
  for (const OpenApiPath& path : paths) {
    json& item = described[path.path];
    item["parameters"] = commonParameters(path, v3);
    for (const OpenApiOperation& operation : path.operations)
      item[operation.method] = describe(path, operation);
  }
  return described;
}

}  // namespace

std::vector<OpenApiPath> pathsOf(const OpenApiKind& kind) {
  const std::string root = "/" + kind.groupVersionPath();
  const std::string everywhere = fmt::format("{}/{}", root, kind.plural);
  const std::string collection =
      kind.namespaced ? fmt::format("{}/namespaces/{{namespace}}/{}", root, kind.plural) : everywhere;
  const std::string subject = (kind.namespaced ? "Namespaced" : "") + kind.kind;

  std::vector<OpenApiPath> paths;
  if (kind.namespaced) {
    paths.push_back({everywhere, &kind, {listOperation(kind, kind.kind + "ForAllNamespaces")}});
  }
  OpenApiPath many{collection, &kind, {listOperation(kind, subject)}};
  OpenApiPath one{collection + "/{name}", &kind, {readOperation(kind, subject, "")}};
  if (kind.writable) {
    many.operations.push_back(createOperation(kind, subject));
    one.operations.push_back(replaceOperation(kind, subject));
    one.operations.push_back(patchOperation(kind, subject));
    one.operations.push_back(deleteOperation(kind, subject));
  }
  paths.push_back(std::move(many));
  paths.push_back(std::move(one));
  for (const Subresource& part : subresourcesOf(kind.kind))
    paths.push_back({fmt::format("{}/{{name}}/{}", collection, part.name), &kind,
                     subresourceOperations(kind, part, subject)});
  return paths;
}

json pathsV2(const std::vector<OpenApiPath>& paths) { return describePaths(paths, false, operationV2); }
json pathsV3(const std::vector<OpenApiPath>& paths) { return describePaths(paths, true, operationV3); }

}  // namespace rookery::serve
