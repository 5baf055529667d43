#include "reconcile/placement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
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

namespace {

/// How many replicas have each value of the topology, while they are chosen.
class Spread {
 public:
  explicit Spread(const std::map<std::string, std::string>& topology) : topology_(topology) {}

  std::size_t at(const std::string& instance) const {
    const auto count = counts_.find(valueOf(instance));
    return count == counts_.end() ? 0 : count->second;
  }
  void add(const std::string& instance) { ++counts_[valueOf(instance)]; }
  void remove(const std::string& instance) { --counts_[valueOf(instance)]; }

 private:
  std::string valueOf(const std::string& instance) const {
    const auto value = topology_.find(instance);
    return value == topology_.end() ? std::string() : value->second;
  }

  const std::map<std::string, std::string>& topology_;
  std::map<std::string, std::size_t> counts_;
};

bool isAmong(const std::vector<std::string>& those, const std::string& instance) {
  return std::ranges::find(those, instance) != those.end();
}

}  // namespace

std::set<std::string> chooseInstances(const std::set<std::string>& candidates, std::size_t wanted,
                                      const std::map<std::string, std::string>& topology,
                                      const ReplicaPreferences& preferences) {
  Spread spread(topology);
  std::vector<std::string> chosen;
  for (const std::string& instance : preferences.present) {
    if (!candidates.contains(instance) || isAmong(chosen, instance)) continue;
    chosen.push_back(instance);
    spread.add(instance);
  }
  while (chosen.size() > wanted) {
    const auto crowded = std::ranges::max_element(chosen.rbegin(), chosen.rend(), {},
                                                  [&](const auto& instance) { return spread.at(instance); });
    spread.remove(*crowded);
    chosen.erase(std::next(crowded).base());
  }
  std::vector<std::string> others;
  std::ranges::copy_if(candidates, std::back_inserter(others),
                       [&](const auto& instance) { return !isAmong(chosen, instance); });
  const auto& headroom = preferences.headroom;
  const bool known = std::ranges::all_of(others, [&](const auto& each) { return headroom.contains(each); });
  while (chosen.size() < wanted && !others.empty()) {
    const auto best = std::ranges::min_element(others, {}, [&](const std::string& instance) {
      return std::pair(spread.at(instance), known ? -headroom.at(instance) : 0);
    });
    spread.add(*best);
    chosen.push_back(*best);
    others.erase(best);
  }
  return {chosen.begin(), chosen.end()};
}

Result<std::set<std::string>> selectedInstances(
    const api::ObjectKey& object, const api::LabelSelector& selector,
    const std::map<std::string, std::shared_ptr<plan::Desired>>& instances, std::string_view field) {
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
    return fail(Reason::InstanceNotFound,
                fmt::format("{} of {} ({}) selects no AlbatrossInstance. Their labels: {}.", field,
                            object.toString(), selector.toString(), api::listLabels(labels)));
  }
  if (open.empty()) {
    return fail(
        Reason::NamespaceNotAllowed,
        fmt::format("None of the AlbatrossInstances that {} of {} selects is open to the namespace {}: {}.",
                    field, object.toString(), object.nameSpace, fmt::join(selected, ", ")));
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
