#include "serve/discovery.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "serve/resource_api.h"

namespace rookery::serve {
namespace {

using nlohmann::json;

const json& answerOf(const std::string& path) {
  static const reconcile::UsageStore usages;
  static const reconcile::InstancePlans plans;
  static const reconcile::ObjectStore store;
  static const reconcile::EventRecorder events{store};
  static const ResourceApi api(store, events.events(), nullptr, {.usages = &usages, .plans = &plans});
  static std::map<std::string, json> answers;
  if (!answers.contains(path)) {
    Request request;
    request.method = "GET";
    request.target = path;
    request.host = "localhost";
    answers[path] = json::parse(api.handle(request, *http::parseTarget(path)).body);
  }
  return answers[path];
}

json resourceNamed(const std::string& name) {
  for (const json& resource : answerOf("/apis/rookery.dev/v1alpha1").at("resources"))
    if (resource.at("name") == name) return resource;
  return nullptr;
}

/// Where the operation stands that answers a verb: the end of its path, and its method.
std::pair<std::string, std::string> operationOf(const std::string& verb) {
  static const std::map<std::string, std::pair<std::string, std::string>> all = {
      {"create", {"", "post"}},         {"list", {"", "get"}},          {"watch", {"", "get"}},
      {"get", {"/{name}", "get"}},      {"update", {"/{name}", "put"}}, {"patch", {"/{name}", "patch"}},
      {"delete", {"/{name}", "delete"}}};
  return all.at(verb);
}

/// All that discovery names, as paths and methods of OpenAPI.
std::set<std::string> discovered(const std::string& base) {
  std::set<std::string> found;
  for (const json& resource : answerOf(base).at("resources")) {
    const std::string name = resource.at("name");
    const std::size_t slash = name.find('/');
    const std::string rest = slash == std::string::npos ? "" : name.substr(slash);
    const std::string collection = fmt::format(
        "{}{}/{}", base, resource.at("namespaced") ? "/namespaces/{namespace}" : "", name.substr(0, slash));
    for (const json& verb : resource.at("verbs")) {
      const auto [item, method] = operationOf(verb);
      found.insert(fmt::format("{} {}{}{}", method, collection, item, rest));
    }
  }
  return found;
}

/// All that OpenAPI describes, but for lists of all namespaces, which discovery does not tell apart.
std::set<std::string> described(const std::string& base) {
  std::set<std::string> found;
  for (const auto& [path, item] : answerOf("/openapi/v3" + base).at("paths").items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      const std::string id = operation.at("operationId");
      if (!id.ends_with("ForAllNamespaces")) found.insert(fmt::format("{} {}", method, path));
    }
  }
  return found;
}

TEST(Discovery, NamesWhatOpenApiDescribes) {
  for (const std::string& base : {std::string("/apis/rookery.dev/v1alpha1"), std::string("/api/v1")}) {
    EXPECT_GT(discovered(base).size(), 5u) << base;
    EXPECT_EQ(discovered(base), described(base)) << base;
  }
}

TEST(Discovery, SaysWhatCanBeDoneWithPartsOfAnObject) {
  const std::pair<const char*, json> parts[] = {
      {"unikernels/log", {"get"}},           {"unikernels/usage", {"get"}},
      {"unikernels/plan", {"get"}},          {"unikernels/source", {"get"}},
      {"unikernels/status", {"get"}},        {"albatrossinstances/plan", {"get"}},
      {"unikernelpolicies/source", {"get"}}, {"unikernelvolumes/content", {"get", "update"}},
  };
  for (const auto& [name, verbs] : parts) {
    const json resource = resourceNamed(name);
    ASSERT_FALSE(resource.is_null()) << name;
    EXPECT_EQ(resource.at("verbs"), verbs) << name;
  }
  EXPECT_EQ(resourceNamed("unikernelusages").at("verbs"), json({"get", "list"}));
  EXPECT_EQ(resourceNamed("instanceplans").at("namespaced"), false);
}

}  // namespace
}  // namespace rookery::serve
