#include "reconcile/dependencies.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/cycles.h"

namespace rookery::reconcile {

using api::ObjectKey;
using plan::Desired;

namespace {

using Places = std::map<std::string, std::shared_ptr<Desired>>;

std::vector<std::shared_ptr<Desired>> placesOf(const Places& instances, const ObjectKey& unikernel) {
  std::vector<std::shared_ptr<Desired>> places;
  for (const auto& [name, desired] : instances) {
    if (desired->unikernels.contains(unikernel)) places.push_back(desired);
  }
  return places;
}

/// How one stands that is on several instances: Ready where it is on all, and there are as many as there are
/// to be.
plan::Dependency standingOn(const std::vector<std::shared_ptr<Desired>>& places, const ObjectKey& unikernel,
                            const StandingOf& standingOf) {
  const auto& replicas = places.front()->unikernels.at(unikernel).replicas;
  if (!replicas) return standingOf ? standingOf(places.front()->name(), unikernel) : plan::Dependency{};
  plan::Dependency all{.ready = true, .settled = false};
  for (const auto& place : places) {
    const plan::Dependency one = standingOf ? standingOf(place->name(), unikernel) : plan::Dependency{};
    all.settled = all.settled || (one.settled && !one.ready);
    all.ready = all.ready && one.ready;
  }
  if (all.ready) all.settled = true;
  if (std::cmp_less(places.size(), replicas->wanted)) all = {.ready = false, .settled = true};
  return all;
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
  std::map<ObjectKey, std::vector<std::shared_ptr<Desired>>> places;
  for (const ObjectKey& dependant : dependants) {
    auto here = placesOf(instances, dependant);
    if (here.empty()) continue;
    for (const std::string& name : here.front()->unikernels.at(dependant).spec().dependsOn)
      waitsFor[dependant].push_back({api::Kind::Unikernel, dependant.nameSpace, name});
    places.emplace(dependant, std::move(here));
  }
  for (const auto& [dependant, others] : waitsFor) {
    for (const ObjectKey& other : others) {
      const auto there = placesOf(instances, other);
      const bool several = !there.empty() && there.front()->unikernels.at(other).replicas.has_value();
      for (const auto& here : places.at(dependant)) {
        const bool local = here->unikernels.contains(other) && !several;
        if (local || here->dependencies.contains(other)) continue;
        if (there.empty()) {
          here->dependencies[other] = {.ready = false, .settled = true, .absence = whyAbsent(other)};
          continue;
        }
        here->dependencies[other] = standingOn(there, other, standingOf);
        for (const auto& place : there) place->awaited.insert(other);
      }
    }
  }
  for (const auto& [dependant, cycle] : api::cyclesOf(waitsFor)) {
    for (const auto& here : places.at(dependant)) refuseCycle(*here, dependant, cycle);
  }
}

}  // namespace rookery::reconcile
