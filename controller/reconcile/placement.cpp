#include "reconcile/placement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace rookery::reconcile {

std::string chooseInstance(const std::set<std::string>& candidates, const Preferences& preferences) {
  check(!candidates.empty(), "there is something to choose from");
  for (const std::string& instance : preferences.near) {
    if (candidates.contains(instance)) return instance;
  }
  const auto& headroom = preferences.headroom;
  const bool known =
      std::ranges::all_of(candidates, [&](const auto& instance) { return headroom.contains(instance); });
  if (!known) return *candidates.begin();
  return *std::ranges::max_element(candidates, {}, [&](const auto& instance) {
    return headroom.at(instance);  // of equals, the first
  });
}

Result<std::set<std::string>> selectedInstances(
    const api::ObjectKey& object, const api::LabelSelector& selector,
    const std::map<std::string, std::shared_ptr<plan::Desired>>& instances) {
  std::set<std::string> selected, open;
  std::map<std::string, api::Labels> labels;
  for (const auto& [name, desired] : instances) {
    labels.emplace(name, desired->instance->metadata.labels);
    if (!selector.matches(desired->instance->metadata.labels)) continue;
    selected.insert(name);
    const auto& allowed = desired->spec().allowedNamespaces;
    if (!allowed || allowed->contains(object.nameSpace)) open.insert(name);
  }
  if (selected.empty()) {
    return fail(
        Reason::InstanceNotFound,
        fmt::format("spec.instanceSelector of {} ({}) selects no AlbatrossInstance. Their labels: {}.",
                    object.toString(), selector.toString(), api::listLabels(labels)));
  }
  if (open.empty()) {
    return fail(Reason::NamespaceNotAllowed,
                fmt::format("None of the AlbatrossInstances that spec.instanceSelector of {} selects is open "
                            "to the namespace {}: {}.",
                            object.toString(), object.nameSpace, fmt::join(selected, ", ")));
  }
  return open;
}

std::optional<std::int64_t> freeMemory(const std::map<std::string, plan::PolicyUse>& policies,
                                       const std::string& nameSpace) {
  std::optional<std::int64_t> free;
  for (const std::string& domain : {std::string(), nameSpace}) {
    const auto policy = policies.find(domain);
    if (policy == policies.end()) continue;
    const std::int64_t left = policy->second.limit.memory - policy->second.used.memory;
    free = free ? std::min(*free, left) : left;
  }
  return free;
}

}  // namespace rookery::reconcile
