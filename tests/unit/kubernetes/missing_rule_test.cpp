#include "kubernetes/missing_rule.h"

#include <gmock/gmock.h>

namespace rookery::kubernetes {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* who = "User \"system:serviceaccount:rookery:rookery\"";

TEST(MissingRule, IsReadFromWhatTheApiServerSays) {
  const std::pair<std::string, MissingRule> cases[] = {
      {std::string("unikernels.rookery.dev \"web\" is forbidden: ") + who +
           " cannot patch resource \"unikernels/status\" in API group \"rookery.dev\" in the namespace "
           "\"shop\"",
       {.verb = "patch",
        .group = "rookery.dev",
        .resource = "unikernels/status",
        .nameSpace = "shop",
        .name = "web"}},
      {std::string("albatrossinstances.rookery.dev is forbidden: ") + who +
           " cannot list resource \"albatrossinstances\" in API group \"rookery.dev\" at the cluster scope.",
       {.verb = "list",
        .group = "rookery.dev",
        .resource = "albatrossinstances",
        .nameSpace = "",
        .name = ""}},
      {std::string("secrets \"eu-1\" is forbidden: ") + who +
           " cannot get resource \"secrets\" in API group \"\" in the namespace \"pki\": RBAC: role not "
           "found",
       {.verb = "get", .group = "", .resource = "secrets", .nameSpace = "pki", .name = "eu-1"}},
  };
  for (const auto& [message, rule] : cases) {
    const auto read = missingRule(message);
    ASSERT_TRUE(read) << message;
    EXPECT_EQ(*read, rule) << message;
  }
}

TEST(MissingRule, IsNothingThatOthersForbid) {
  for (const char* message :
       {"pods \"a\" is forbidden: exceeded quota",
        "admission webhook \"x\" denied the request: you cannot do that",
        "events is forbidden: namespace shop is being terminated",
        "x is forbidden: User \"a\" cannot get path \"/metrics\"",
        "x is forbidden: User \"a\" cannot {}\n resource \"b\" in API group \"c\" in the namespace \"d\""}) {
    EXPECT_FALSE(missingRule(message)) << message;
  }
}

TEST(MissingRule, IsToldAsARuleAndAsValuesOfTheChart) {
  struct Case {
    MissingRule rule;
    const char* asRule;
    const char* values;
  };
  const Case cases[] = {
      {{"patch", "rookery.dev", "unikernels/status", "shop", "web"},
       "{apiGroups: [rookery.dev], resources: [unikernels/status], verbs: [patch]} in a Role of namespace "
       "shop",
       "rbac.create: true with shop among namespaces."},
      {{"list", "rookery.dev", "unikernels", "", ""},
       "{apiGroups: [rookery.dev], resources: [unikernels], verbs: [list]} in a ClusterRole",
       "rbac.create: true with namespaces: []."},
      {{"watch", "rookery.dev", "albatrossinstances", "", ""}, "in a ClusterRole", "rbac.create: true."},
      {{"get", "", "secrets", "pki", "eu-1"},
       "{apiGroups: [\"\"], resources: [secrets], resourceNames: [eu-1], verbs: [get]} in a Role of "
       "namespace pki",
       "rbac.secrets: [{namespace: pki, names: [eu-1]}]."},
      {{"update", "coordination.k8s.io", "leases", "rookery", "rookery"},
       "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [update]}",
       "rbac.create: true with leaseNamespace: rookery."},
  };
  for (const Case& each : cases) {
    const std::string told = howToGrant(each.rule);
    EXPECT_THAT(told, HasSubstr(each.asRule));
    EXPECT_THAT(told, EndsWith(each.values));
  }
}

}  // namespace
}  // namespace rookery::kubernetes
