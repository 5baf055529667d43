#include "kubernetes/missing_rule.h"

#include <fmt/format.h>

#include <algorithm>

namespace rookery::kubernetes {

namespace {

/// Takes what stands before `mark` off the text, and `mark` with it; nothing: it is not in there.
std::optional<std::string_view> takeUntil(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return taken;
}

/// Whether it can stand in a rule as it is: the server's word may be somebody else's.
bool isPlain(std::string_view word) {
  constexpr std::string_view others = "-./:*";
  return std::ranges::all_of(word, [&](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || others.find(c) != std::string_view::npos;
  });
}

/// The object in `secrets "eu-1" is forbidden: …`.
std::string_view nameIn(std::string_view subject) {
  if (!takeUntil(subject, "\"")) return {};
  return takeUntil(subject, "\" is forbidden").value_or("");
}

/// Rules for these are better about one object than about all.
bool isNamedInRules(std::string_view resource) {
  return resource == "secrets" || resource == "customresourcedefinitions";
}

std::string chartValues(const MissingRule& rule) {
  if (rule.resource == "secrets") {
    if (rule.nameSpace.empty()) return "rbac.allSecrets: true";
    const std::string names = rule.name.empty() ? "" : fmt::format(", names: [{}]", rule.name);
    return fmt::format("rbac.secrets: [{{namespace: {}{}}}]", rule.nameSpace, names);
  }
  std::string values = "rbac.create: true";
  if (rule.resource == "leases") return values + fmt::format(" with leaseNamespace: {}", rule.nameSpace);
  const bool ofInstances = rule.resource.starts_with("albatrossinstances");
  const bool ofTheCluster = ofInstances || rule.resource == "customresourcedefinitions";
  if (ofTheCluster) return values;
  return values + (rule.nameSpace.empty() ? " with namespaces: []"
                                          : fmt::format(" with {} among namespaces", rule.nameSpace));
}

}  // namespace

std::optional<MissingRule> missingRule(std::string_view message) {
  const auto subject = takeUntil(message, " cannot ");
  const auto verb = takeUntil(message, " resource \"");
  const auto resource = takeUntil(message, "\" in API group \"");
  const auto apiGroup = takeUntil(message, "\" ");
  if (!subject || !verb || !resource || !apiGroup) return std::nullopt;
  std::string_view nameSpace;
  if (takeUntil(message, "in the namespace \"")) nameSpace = takeUntil(message, "\"").value_or("");
  const std::string_view name = nameIn(*subject);
  for (const std::string_view word : {*verb, *resource, *apiGroup, nameSpace, name}) {
    if (!isPlain(word)) return std::nullopt;
  }
  return MissingRule{.verb = std::string(*verb),
                     .group = std::string(*apiGroup),
                     .resource = std::string(*resource),
                     .nameSpace = std::string(nameSpace),
                     .name = std::string(name)};
}

std::string howToGrant(const MissingRule& rule) {
  const bool named = !rule.name.empty() && isNamedInRules(rule.resource);
  return fmt::format(
      "Grant it with a rule {{apiGroups: [{}], resources: [{}]{}, verbs: [{}]}} in a {}; Rookery's chart "
      "does "
      "with {}.",
      rule.group.empty() ? "\"\"" : rule.group, rule.resource,
      named ? fmt::format(", resourceNames: [{}]", rule.name) : "", rule.verb,
      rule.nameSpace.empty() ? "ClusterRole" : fmt::format("Role of namespace {}", rule.nameSpace),
      chartValues(rule));
}

}  // namespace rookery::kubernetes
