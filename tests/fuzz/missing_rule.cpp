// What an API server, or somebody behind it, says that it forbids.

#include "kubernetes/missing_rule.h"

#include <fmt/format.h>

#include <algorithm>

#include "fuzz/target.h"

namespace rookery::fuzz {
namespace {

using kubernetes::MissingRule;

/// As the authorizer words it.
std::string writtenAs(const MissingRule& rule) {
  return fmt::format(R"(x{} is forbidden: User "u" cannot {} resource "{}" in API group "{}" {})",
                     rule.name.empty() ? "" : fmt::format(R"( "{}")", rule.name), rule.verb, rule.resource,
                     rule.group,
                     rule.nameSpace.empty() ? "at the cluster scope"
                                            : fmt::format(R"(in the namespace "{}")", rule.nameSpace));
}

const Target missingRule("missing_rule", [](std::string_view input) {
  const auto rule = kubernetes::missingRule(input);
  if (!rule) return;
  const std::string told = howToGrant(*rule);
  check(std::ranges::all_of(told, [](char c) { return c >= ' ' && c <= '~'; }), "a rule is plain text");
  check(kubernetes::missingRule(writtenAs(*rule)) == rule, "a rule survives writing");
});

}  // namespace
}  // namespace rookery::fuzz
