#include "cli/api_resource.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/schema.h"
#include "api/syntax.h"
#include "text.h"

namespace rookery::cli {
namespace {

using nlohmann::json;

const std::string_view apiGroup = api::groupVersion.substr(0, api::groupVersion.find('/'));
constexpr const char* coreRoot = "/api/v1";

ApiResource custom(api::Kind kind) {
  const api::Definition& definition = api::definitionOf(kind);
  return {.root = fmt::format("/apis/{}", api::groupVersion),
          .plural = definition.plural,
          .kind = std::string(api::toString(kind)),
          .typeName = fmt::format("{}.{}", definition.singular, apiGroup),
          .namespaced = definition.namespaced,
          .columns = serve::columnsOf(kind)};
}

ApiResource events() {
  return {.root = coreRoot,
          .plural = "events",
          .kind = "Event",
          .typeName = "event",
          .columns = serve::eventColumns()};
}

ApiResource namespaces() {
  return {.root = coreRoot,
          .plural = "namespaces",
          .kind = "Namespace",
          .typeName = "namespace",
          .namespaced = false,
          .columns = serve::namespaceColumns()};
}

ApiResource usages() {
  return {.root = fmt::format("/apis/{}", api::groupVersion),
          .plural = "unikernelusages",
          .kind = "UnikernelUsage",
          .typeName = fmt::format("unikernelusage.{}", apiGroup),
          .columns = serve::usageColumns()};
}

ApiResource plans() {
  return {.root = fmt::format("/apis/{}", api::groupVersion),
          .plural = "instanceplans",
          .kind = "InstancePlan",
          .typeName = fmt::format("instanceplan.{}", apiGroup),
          .namespaced = false,
          .columns = serve::planColumns()};
}

ApiResource secrets() {
  ApiResource secrets{.root = coreRoot,
                      .plural = "secrets",
                      .kind = "Secret",
                      .typeName = "secret",
                      .columns = serve::columnsOf(api::Kind::Secret)};
  // No controller tells how many values there are.
  std::erase_if(secrets.columns, [](const serve::TableColumn& column) { return column.name == "Data"; });
  return secrets;
}

}  // namespace

Result<ApiResource> ApiResource::named(std::string_view word) {
  constexpr std::array eventNames = {"events", "event", "ev"};
  constexpr std::array secretNames = {"secrets", "secret"};
  constexpr std::array namespaceNames = {"namespaces", "namespace", "ns"};
  constexpr std::array usageNames = {"unikernelusages", "unikernelusage", "ukusage"};
  constexpr std::array planNames = {"instanceplans", "instanceplan", "albaplan"};
  const std::string wanted = toLower(word);
  if (std::ranges::find(planNames, wanted) != planNames.end()) return plans();
  if (std::ranges::find(usageNames, wanted) != usageNames.end()) return usages();
  if (std::ranges::find(namespaceNames, wanted) != namespaceNames.end()) return namespaces();
  if (std::ranges::find(eventNames, wanted) != eventNames.end()) return events();
  if (std::ranges::find(secretNames, wanted) != secretNames.end()) return secrets();
  const auto kind = api::parseKind(word);
  if (kind) return custom(*kind);
  return fail(kind.error().reason, kind.error().message + ", events (ev), namespaces (ns), secrets");
}

std::string ApiResource::path(const std::optional<std::string>& nameSpace) const {
  const bool within = namespaced && nameSpace;
  return fmt::format("{}{}/{}", root, within ? "/namespaces/" + percentEncode(*nameSpace) : "", plural);
}

std::string ApiResource::path(const std::optional<std::string>& nameSpace, const std::string& name) const {
  return path(nameSpace) + "/" + percentEncode(name);
}

json ApiResource::presentable(json object) const {
  if (kind != "Secret" || !object.is_object()) return object;
  object.erase("data");
  object.erase("stringData");
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return object;
  const auto annotations = metadata->find("annotations");
  if (annotations != metadata->end() && annotations->is_object()) {
    annotations->erase("kubectl.kubernetes.io/last-applied-configuration");
  }
  return object;
}

std::string escapeFieldValue(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == ',' || c == '=' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace rookery::cli
