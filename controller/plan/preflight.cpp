#include "plan/preflight.h"

#include <fmt/format.h>

#include "plan/world.h"

namespace rookery::plan {

std::optional<Error> cannotRun(const Desired& desired, const Observed& observed,
                               const api::Object& unikernel) {
  const auto& spec = unikernel.as<api::Unikernel>();
  if (spec.suspend || desired.spec().suspend) return std::nullopt;
  const std::string& nameSpace = unikernel.metadata.nameSpace;
  World world(observed);
  albatross::Name name{observed.base.path, std::nullopt};
  if (desired.spec().rootNamespace != nameSpace) {
    name.path.push_back(nameSpace);
    const auto declared = desired.policies.find(nameSpace);
    if (declared != desired.policies.end()) world.setPolicy(name, declared->second.policy);
    if (world.policy(name) == nullptr) return noPolicy(nameSpace, desired.name());
  }
  name.label = unikernel.metadata.name;
  const auto arguments = toArguments(spec);
  if (!arguments) return arguments.error();
  return world.cannotRun(name, *arguments);
}

Error noPolicy(const std::string& nameSpace, const std::string& instance) {
  return {Reason::NoPolicy,
          fmt::format("Namespace {0} has no policy on {1}. Declare a UnikernelPolicy in namespace {0} with "
                      "instance: {1} (unikernels, memory, cpuIDs, bridges).",
                      nameSpace, instance)};
}

}  // namespace rookery::plan
