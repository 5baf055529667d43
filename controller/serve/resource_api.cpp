#include "serve/resource_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "api/schema.h"
#include "serve/failure.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

const std::string_view group = api::groupVersion.substr(0, api::groupVersion.find('/'));
const std::string_view version = api::groupVersion.substr(group.size() + 1);

/// What a path below the version names: a kind's objects, of one namespace or all, or one of them.
struct Resource {
  const api::Definition* definition = nullptr;
  std::optional<std::string> nameSpace;
  std::optional<std::string> name;
};

FailureDetails detailsOf(const Resource& resource) {
  return {resource.name.value_or(""), std::string(group), resource.definition->plural};
}

std::string qualifiedName(const api::Definition& definition) {
  return fmt::format("{}.{}", definition.plural, group);
}

Response ok(const json& body) {
  return {.status = 200, .contentType = std::string(jsonType), .body = dump(body) + "\n", .headers = {}};
}

Response noSuchResource() { return failure(404, "the server could not find the requested resource"); }

json groupJson() {
  const json served = {{"groupVersion", api::groupVersion}, {"version", version}};
  return {{"name", group}, {"versions", json::array({served})}, {"preferredVersion", served}};
}

json groupDocument() {
  json document = groupJson();
  document["kind"] = "APIGroup";
  document["apiVersion"] = "v1";
  return document;
}

json groupListDocument() {
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", json::array({groupJson()})}};
}

json resourceListDocument() {
  json resources = json::array();
  for (const api::Kind kind : api::customKinds()) {
    const api::Definition& definition = api::definitionOf(kind);
    resources.push_back({{"name", definition.plural},
                         {"singularName", definition.singular},
                         {"namespaced", definition.namespaced},
                         {"kind", api::toString(kind)},
                         {"verbs", {"get", "list"}},
                         {"shortNames", definition.shortNames}});
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", api::groupVersion},
          {"resources", std::move(resources)}};
}

const api::Definition* findDefinition(std::string_view plural) {
  for (const api::Kind kind : api::customKinds()) {
    if (api::definitionOf(kind).plural == plural) return &api::definitionOf(kind);
  }
  return nullptr;
}

/// [namespaces NAMESPACE] PLURAL [NAME], where the kind's scope allows it.
std::optional<Resource> resolve(std::span<const std::string> path) {
  Resource resource;
  if (path.size() >= 3 && path[0] == "namespaces") {
    resource.nameSpace = path[1];
    path = path.subspan(2);
  }
  if (path.empty() || path.size() > 2) return std::nullopt;
  resource.definition = findDefinition(path[0]);
  if (path.size() == 2) resource.name = path[1];

  if (resource.definition == nullptr) return std::nullopt;
  const bool scoped = resource.definition->namespaced;
  if (resource.nameSpace && !scoped) return std::nullopt;
  if (resource.name && scoped && !resource.nameSpace) return std::nullopt;
  return resource;
}

/// One range of an Accept header (RFC 9110, section 12.5.1). Kubernetes' "as=Table" is another
/// representation.
bool takesJson(std::string_view range) {
  std::string text;
  for (const char c : range) {
    if (c != ' ' && c != '\t') text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const std::string_view type = std::string_view(text).substr(0, text.find(';'));
  return (type == "application/json" || type == "application/*" || type == "*/*") && !text.contains(";as=");
}

bool acceptsJson(std::string_view accept) {
  if (accept.empty()) return true;
  while (true) {
    const std::size_t comma = accept.find(',');
    if (takesJson(accept.substr(0, comma))) return true;
    if (comma == std::string_view::npos) return false;
    accept.remove_prefix(comma + 1);
  }
}

/// A parameter that would change the answer must not be passed over in silence.
std::optional<Response> refuseParameters(const Resource& resource,
                                         const std::map<std::string, std::string>& query) {
  const auto given = [&](const char* name) {
    const auto found = query.find(name);
    return found != query.end() && !found->second.empty() && found->second != "false" && found->second != "0";
  };
  if (given("watch")) {
    return failure(405,
                   fmt::format("watch is not supported on resources of kind \"{}\"",
                               qualifiedName(*resource.definition)),
                   detailsOf(resource));
  }
  for (const char* name : {"labelSelector", "fieldSelector", "continue"}) {
    if (given(name))
      return failure(400, fmt::format("the parameter {} is not supported by this server", name));
  }
  return std::nullopt;
}

/// Object by object, so that a long list never stands in memory as a tree.
Response list(const reconcile::StatusStore& store, const Resource& resource) {
  const api::Kind kind = resource.definition->kind;
  std::string body =
      fmt::format(R"({{"apiVersion":"{}","kind":"{}List","metadata":{{"resourceVersion":""}},"items":[)",
                  api::groupVersion, api::toString(kind));
  bool first = true;
  for (const reconcile::ObjectViewPtr& view : store.list(kind, resource.nameSpace)) {
    if (!first) body += ',';
    first = false;
    body += dump(api::toJson(*view->object, view->generation, view->status));
  }
  body += "]}\n";
  return {.status = 200, .contentType = std::string(jsonType), .body = std::move(body), .headers = {}};
}

Response get(const reconcile::StatusStore& store, const Resource& resource) {
  const reconcile::ObjectViewPtr view =
      store.find({resource.definition->kind, resource.nameSpace.value_or(""), *resource.name});
  if (!view) {
    return failure(404,
                   fmt::format("{} \"{}\" not found", qualifiedName(*resource.definition), *resource.name),
                   detailsOf(resource));
  }
  return ok(api::toJson(*view->object, view->generation, view->status));
}

}  // namespace

Response ResourceApi::handle(const Request& request, const Target& target) const {
  const std::span<const std::string> path = std::span(target.segments).subspan(1);
  if (!path.empty() && path[0] != group) return noSuchResource();
  if (path.size() >= 2 && path[1] != version) return noSuchResource();
  const auto resource = path.size() > 2 ? resolve(path.subspan(2)) : std::nullopt;
  if (path.size() > 2 && !resource) return noSuchResource();

  if (request.method != "GET" && request.method != "HEAD") {
    return methodNotAllowed(request.method, resource ? detailsOf(*resource) : FailureDetails{});
  }
  if (!acceptsJson(request.accept)) {
    return failure(406, "only the following media types are accepted: application/json");
  }
  if (path.empty()) return ok(groupListDocument());
  if (path.size() == 1) return ok(groupDocument());
  if (!resource) return ok(resourceListDocument());
  if (auto refused = refuseParameters(*resource, target.query)) return *std::move(refused);
  return resource->name ? get(store_, *resource) : list(store_, *resource);
}

}  // namespace rookery::serve
