#include "reconcile/dependencies.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "api/cycles.h"

namespace rookery::reconcile {

using api::ObjectKey;
using plan::Desired;

namespace {

using Places = std::map<std::string, std::shared_ptr<Desired>>;

std::shared_ptr<Desired> placeOf(const Places& instances, const ObjectKey& unikernel) {
  for (const auto& [name, desired] : instances) {
    if (desired->unikernels.contains(unikernel)) return desired;
  }
  return nullptr;
}

void refuseCycle(Desired& desired, const ObjectKey& key, const std::string& cycle) {
  plan::DesiredUnikernel unikernel = desired.unikernels.at(key);
  unikernel.error = Error{
      Reason::DependencyCycle,
      fmt::format("{} depends on itself, and neither it nor those between can be the first: {}. Take one of "
                  "these out of spec.dependsOn.",
                  key.toString(), cycle)};
  desired.unikernels.set(key, std::move(unikernel));
}

}  // namespace

void linkDependencies(Places& instances, const std::set<ObjectKey>& dependants, const StandingOf& standingOf,
                      const std::function<std::string(const ObjectKey&)>& whyAbsent) {
  api::WaitsFor waitsFor;
  std::map<ObjectKey, std::shared_ptr<Desired>> places;
  for (const ObjectKey& dependant : dependants) {
    std::shared_ptr<Desired> here = placeOf(instances, dependant);
    if (here == nullptr) continue;
    for (const std::string& name : here->unikernels.at(dependant).spec().dependsOn)
      waitsFor[dependant].push_back({api::Kind::Unikernel, dependant.nameSpace, name});
    places.emplace(dependant, std::move(here));
  }
  for (const auto& [dependant, others] : waitsFor) {
    Desired& here = *places.at(dependant);
    for (const ObjectKey& other : others) {
      if (here.unikernels.contains(other) || here.dependencies.contains(other)) continue;
      const std::shared_ptr<Desired> there = placeOf(instances, other);
      if (there == nullptr) {
        here.dependencies[other] = {.ready = false, .settled = true, .absence = whyAbsent(other)};
      } else {
        here.dependencies[other] = standingOf ? standingOf(there->name(), other) : plan::Dependency{};
        there->awaited.insert(other);
      }
    }
  }
  for (const auto& [dependant, cycle] : api::cyclesOf(waitsFor))
    refuseCycle(*places.at(dependant), dependant, cycle);
}

}  // namespace rookery::reconcile
