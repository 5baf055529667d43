#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "api/object.h"
#include "plan/desired.h"

namespace rookery::reconcile {

/// How a unikernel on that instance stands, as far as is known.
using StandingOf =
    std::function<plan::Dependency(const std::string& instance, const api::ObjectKey& unikernel)>;

/// Tells instances of the unikernels that they wait for and do not have, and that others wait for what is on
/// them (Desired::dependencies, Desired::awaited); puts an error on those that wait for themselves.
/// `dependants`: those with spec.dependsOn. `whyAbsent`: of one that is on no instance, the end of a
/// sentence.
void linkDependencies(std::map<std::string, std::shared_ptr<plan::Desired>>& instances,
                      const std::set<api::ObjectKey>& dependants, const StandingOf& standingOf,
                      const std::function<std::string(const api::ObjectKey&)>& whyAbsent);

}  // namespace rookery::reconcile
