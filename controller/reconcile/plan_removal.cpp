// What plan decides about unikernels of ours that the manifests do not want here any more.

#include <fmt/format.h>

#include "reconcile/planner.h"

namespace rookery::reconcile {

void Planner::planRemovals() {
  for (const Error& withheld : desired_.withheld) report(withheld);
  auto& inventory = plan_.memory.inventory;
  for (auto it = inventory.begin(); it != inventory.end();) {
    const bool keep = planRemoval(it->second);
    it = keep ? std::next(it) : inventory.erase(it);
  }
}

/// False: it is not ours any more.
bool Planner::planRemoval(Entry& entry) {
  if (desired_.unikernels.contains(entry.object)) {
    const albatross::Name name = nameOf(entry.object);
    if (name == entry.name) return true;
    // It lives under another name now (rootNamespace changed). The old one goes when the new one is there.
    const Entry* successor = ownEntry(name);
    if (successor == nullptr || !successor->confirmed || world_.find(name) == nullptr || !desired_.prunes)
      return true;
    return destroy(entry, Reason::Moved,
                   fmt::format("{} runs as {} now.", entry.object.toString(), name.toString()));
  }
  const auto absence = desired_.absences.find(entry.object);
  if (absence == desired_.absences.end()) return true;
  switch (absence->second.verdict) {
    case Absence::Verdict::Keep:
      if (!absence->second.withheld.empty()) entry.withheld = absence->second.withheld;
      reportKept(entry, absence->second);
      return true;
    case Absence::Verdict::Release:
      return false;
    case Absence::Verdict::Destroy:
      return destroy(entry, absence->second.reason, absence->second.message);
  }
  return true;
}

/// Pruning: it waits its turn, or is wanted so. PruneGuard: said of all together.
void Planner::reportKept(const Entry& entry, const Absence& absence) {
  if (entry.destroyedAt || absence.reason == Reason::Pruning || absence.reason == Reason::PruneGuard) return;
  report({absence.reason, absence.message});
}

bool Planner::destroy(Entry& entry, Reason reason, std::string message) {
  const auto* running = world_.find(entry.name);
  if (desired_.spec().suspend || inDoubt(entry.name)) return true;
  if (running == nullptr) {
    if (!entry.destroyedAt) entry.bury(now_);
    return true;
  }
  if (running->type != albatross::UnikernelType::Solo5 || !entry.sent(running->digest)) {
    report(
        {Reason::NotOwned,
         fmt::format("{} on {} runs an image that rookery did not send: it is not destroyed, and no longer "
                     "counts as ours.",
                     entry.name.toString(), instance())});
    return false;
  }
  const auto& authority = authorityFor(entry.name);
  auto chain = authority ? chainFor(entry.name) : std::unexpected(authority.error());
  if (!chain) {
    report({chain.error().reason,
            fmt::format("{} cannot be destroyed: {}", entry.object.toString(), chain.error().message)});
    return true;
  }
  Step step;
  step.verb = Verb::Destroy;
  step.object = entry.object;
  step.name = entry.name;
  step.reason = reason;
  step.message = std::move(message);
  step.domains = std::move(*chain);
  if (const Error* error = putOff(step)) {
    report({error->reason,
            fmt::format("{} could not be destroyed: {}", entry.object.toString(), error->message)});
  }
  emit(std::move(step));
  return true;
}

}  // namespace rookery::reconcile
