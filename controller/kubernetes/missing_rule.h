#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rookery::kubernetes {

/// What somebody may not do, as a rule of RBAC has it.
struct MissingRule {
  std::string verb, group, resource;  // "patch", "rookery.dev", "unikernels/status"
  std::string nameSpace;              // empty: at the cluster scope
  std::string name;                   // of the object; empty: none is named
  friend bool operator==(const MissingRule&, const MissingRule&) = default;
};

/// What the message of a 403 says is missing, in the words of RBAC's authorizer (k8s.io/apiserver,
/// responsewriters.Forbidden). Nothing: it says something else, as quotas and webhooks do.
std::optional<MissingRule> missingRule(std::string_view message);

/// The rule as it stands in a Role or ClusterRole, and the values of the chart that give it: a sentence.
std::string howToGrant(const MissingRule& rule);

}  // namespace rookery::kubernetes
