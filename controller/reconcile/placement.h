#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "api/selector.h"
#include "error.h"
#include "plan/desired.h"
#include "plan/policy_use.h"

namespace rookery::reconcile {

/// What speaks for one of several instances that an object may be on.
struct Preferences {
  std::vector<std::string> near = {};                 // where it was, then what it needs: the best first
  std::map<std::string, std::int64_t> headroom = {};  // Mi that would be left there; of all, or it counts not
};

/// One of `candidates`, of which there must be some: the nearest; else the one with the most headroom; else,
/// and among equals, the first by name.
std::string chooseInstance(const std::set<std::string>& candidates, const Preferences& preferences);

/// What speaks for some of several instances that replicas of an object may be on.
struct ReplicaPreferences {
  std::vector<std::string> present = {};  // where replicas are, those that are to stay longest first
  std::map<std::string, std::int64_t> headroom = {};  // as of Preferences
};

/// So many of `candidates`, or all that there are: where replicas are they stay, as far as there are not too
/// many; of those the ones go first whose value of `topology` most have, and of these the newest. What is
/// added goes where the fewest have its value; among equals, where the most headroom is, or the first by
/// name. `topology`: a value for each candidate that has one.
std::set<std::string> chooseInstances(const std::set<std::string>& candidates, std::size_t wanted,
                                      const std::map<std::string, std::string>& topology,
                                      const ReplicaPreferences& preferences);

/// The instances that `selector` selects for an object, and that are open to its namespace. Errors:
/// InstanceNotFound (none is selected; says which labels there are), NamespaceNotAllowed.
/// `field`: where the selector stands.
Result<std::set<std::string>> selectedInstances(
    const api::ObjectKey& object, const api::LabelSelector& selector,
    const std::map<std::string, std::shared_ptr<plan::Desired>>& instances,
    std::string_view field = "spec.instanceSelector");

/// How much memory is left on an instance for the unikernels of a namespace, Mi, by its policies; nothing:
/// too little is known.
std::optional<std::int64_t> freeMemory(const std::map<std::string, plan::PolicyUse>& policies,
                                       const std::string& nameSpace);

}  // namespace rookery::reconcile
