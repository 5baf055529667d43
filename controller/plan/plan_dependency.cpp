// What plan decides about unikernels that wait for others (spec.dependsOn).

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "plan/planner.h"
#include "sentence.h"

namespace rookery::plan {

namespace {

api::ObjectKey dependencyKey(const api::ObjectKey& dependant, const std::string& name) {
  return {api::Kind::Unikernel, dependant.nameSpace, name};
}

}  // namespace

Dependency standingOf(const Memory& memory, const api::ObjectKey& unikernel) {
  const auto known = memory.objects.find(unikernel);
  if (known == memory.objects.end()) return {};
  return {.ready = known->second.ready, .settled = known->second.settled};
}

/// How many have to come before each that waits for any, one after the other: the same whichever subjects are
/// asked about.
std::map<api::ObjectKey, std::size_t> Planner::depths(const std::vector<Subject>& subjects) const {
  struct Visit {
    api::ObjectKey key;
    std::size_t looked = 0;  // so many of those that it waits for
  };
  std::map<api::ObjectKey, std::size_t> depths;
  std::vector<Visit> path;
  const auto begin = [&](const api::ObjectKey& key) {
    const auto found = desired_.unikernels.find(key);
    if (found == desired_.unikernels.end() || found->second.spec().dependsOn.empty()) return;
    if (depths.emplace(key, 1).second) path.push_back({key});
  };
  for (const Subject& subject : subjects) {
    begin(subject.key);
    while (!path.empty()) {
      Visit& visit = path.back();
      const std::vector<std::string>& names = desired_.unikernels.at(visit.key).spec().dependsOn;
      if (visit.looked < names.size()) {
        begin(dependencyKey(visit.key, names[visit.looked++]));
        continue;
      }
      std::size_t& depth = depths.at(visit.key);
      for (const std::string& name : names) {
        const auto before = depths.find(dependencyKey(visit.key, name));
        if (before != depths.end()) depth = std::max(depth, before->second + 1);
      }
      path.pop_back();
    }
  }
  return depths;
}

Dependency Planner::dependencyOf(const api::ObjectKey& key) const {
  const auto known = desired_.dependencies.find(key);
  const bool here = known == desired_.dependencies.end() && desired_.unikernels.contains(key);
  if (here) return standingOf(plan_.memory, key);
  return known == desired_.dependencies.end()
             ? Dependency{.ready = false, .settled = true, .absence = "which is not declared"}
             : known->second;
}

/// What does not run is created once all that it depends on is Ready. What was stopped in this plan runs on.
std::optional<Planner::Verdict> Planner::awaitDependencies(const Subject& subject, Step& step) const {
  if (step.verb != Verb::Create || subject.stopped) return std::nullopt;
  std::optional<Verdict> waits;
  for (const std::string& name : subject.spec().dependsOn) {
    const api::ObjectKey key = dependencyKey(subject.key, name);
    const Dependency dependency = dependencyOf(key);
    if (dependency.ready || (waits && !dependency.settled)) continue;
    const bool absent = !dependency.absence.empty();
    std::string message = fmt::format("{} waits for {}", subject.key.toString(), key.toString());
    message +=
        absent ? fmt::format(" (spec.dependsOn), {}.", dependency.absence) : " to be Ready (spec.dependsOn).";
    if (!absent && dependency.settled) message += " What is in its way it says itself.";
    waits = Verdict{.reason = absent ? Reason::ReferenceNotFound : Reason::DependencyNotReady,
                    .message = std::move(message),
                    .reconciling = !dependency.settled,
                    .stalled = dependency.settled,
                    .state = dependency.settled ? UnikernelState::Failed : UnikernelState::Progressing};
    if (dependency.settled) break;
  }
  if (!waits) return std::nullopt;
  step.reason = Reason::DependencyNotReady;
  step.message = waits->message;
  step.notBefore = SystemTime::max();
  return waits;
}

/// What is to be said of one that runs, and depends on what is not there; empty: nothing.
std::string Planner::absentDependencies(const Subject& subject) const {
  std::string told;
  for (const std::string& name : subject.spec().dependsOn) {
    const api::ObjectKey key = dependencyKey(subject.key, name);
    const Dependency dependency = dependencyOf(key);
    if (dependency.absence.empty()) continue;
    told = sentences({told, fmt::format("It depends on {}, {}.", key.toString(), dependency.absence)});
  }
  return told;
}

}  // namespace rookery::plan
