#include "plan/policy_use.h"

#include <algorithm>

namespace rookery::plan {

namespace {

/// The namespace that a domain is, or lies below; "": the credential's own.
std::string nameSpaceOf(const albatross::Name& name, const albatross::Name& base) {
  const std::size_t depth = base.path.size();
  return name.path.size() > depth ? name.path[depth] : "";
}

}  // namespace

std::map<std::string, PolicyUse> policyUse(const Observed& observed) {
  std::map<std::string, PolicyUse> policies;
  const std::size_t depth = observed.base.path.size();
  for (const auto& [domain, policy] : observed.policies) {
    if (domain.path.size() > depth + 1 || policies.size() >= mostPolicies) continue;
    policies.emplace(nameSpaceOf(domain, observed.base), PolicyUse{policy, {}});
  }
  const auto find = [&](const std::string& nameSpace) {
    const auto found = policies.find(nameSpace);
    return found == policies.end() ? nullptr : &found->second.used;
  };
  api::Use* const own = find("");
  // What is in one namespace stands together.
  std::string last;
  api::Use* inner = nullptr;
  const auto count = [&](const albatross::Name& name, const auto& add) {
    if (own != nullptr) add(*own);
    if (name.path.size() <= depth) return;
    if (name.path[depth] != last) {
      last = name.path[depth];
      inner = find(last);
    }
    if (inner != nullptr) add(*inner);
  };
  for (const auto& [name, info] : observed.unikernels) {
    count(name, [&](api::Use& used) {
      ++used.unikernels;
      used.memory += info.memory;
    });
  }
  if (!observed.blockDevices) return policies;
  for (auto& [nameSpace, policy] : policies) policy.used.blockStorage = 0;
  for (const auto& [name, device] : *observed.blockDevices)
    count(name, [&](api::Use& used) { *used.blockStorage += device.size; });
  return policies;
}

}  // namespace rookery::plan
