#include "serve/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "serve/openapi/subresources.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

json groupJson(const ResourceType& type) {
  const json served = {{"groupVersion", type.apiVersion()}, {"version", type.version}};
  return {{"name", type.group}, {"versions", json::array({served})}, {"preferredVersion", served}};
}

json resourceJson(const ResourceType& type) {
  json resource = {{"name", type.plural},
                   {"singularName", type.singular},
                   {"namespaced", type.namespaced},
                   {"kind", type.kind},
                   {"verbs", type.verbs}};
  if (!type.shortNames.empty()) resource["shortNames"] = type.shortNames;
  const bool isListed = std::ranges::find(type.verbs, "list") != type.verbs.end();
  if (!type.group.empty() && isListed) resource["categories"] = {"rookery"};
  return resource;
}

json subresourceJson(const ResourceType& type, const Subresource& subresource) {
  json verbs = {"get"};
  if (!subresource.writing.empty()) verbs.push_back("update");
  return {{"name", fmt::format("{}/{}", type.plural, subresource.name)},
          {"singularName", ""},
          {"namespaced", type.namespaced},
          {"kind", type.kind},
          {"verbs", std::move(verbs)}};
}

}  // namespace

json coreVersions() {
  return {{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", json::array()}};
}

json groupList(const Resources& resources) {
  json groups = json::array();
  std::set<std::string> known = {""};
  for (const auto& resource : resources) {
    if (known.insert(resource->type().group).second) groups.push_back(groupJson(resource->type()));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

json groupNamed(const Resources& resources, std::string_view group) {
  for (const auto& resource : resources) {
    if (group.empty() || resource->type().group != group) continue;
    json document = groupJson(resource->type());
    document["kind"] = "APIGroup";
    document["apiVersion"] = "v1";
    return document;
  }
  return nullptr;
}

json resourceList(const Resources& resources, std::string_view group, std::string_view version) {
  json all = json::array();
  for (const auto& resource : resources) {
    const ResourceType& type = resource->type();
    if (type.group != group || type.version != version) continue;
    all.push_back(resourceJson(type));
    for (const Subresource& subresource : subresourcesOf(type.kind))
      all.push_back(subresourceJson(type, subresource));
  }
  if (all.empty()) return nullptr;
  const std::string groupVersion =
      group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", groupVersion},
          {"resources", std::move(all)}};
}

json versionDocument() {
  return {{"major", "1"}, {"minor", "30"}, {"gitVersion", "v1.30.0+rookery"}, {"platform", "linux/amd64"}};
}

}  // namespace rookery::serve
