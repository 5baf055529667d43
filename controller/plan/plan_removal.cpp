// What plan decides about unikernels of ours that the manifests do not want here any more.

#include <fmt/format.h>

#include "plan/desired.h"
#include "plan/planner.h"
#include "sentence.h"

namespace rookery::plan {

void Planner::planRemovals() {
  for (const Error& withheld : desired_.withheld) report(withheld);
  keepEntries([&](Entry& entry) { return planRemoval(entry); });
}

/// False: it is not ours any more.
bool Planner::planRemoval(Entry& entry) {
  if (desired_.unikernels.contains(entry.object)) {
    const albatross::Name name = nameOf(entry.object);
    if (name == entry.name) return true;
    // It lives under another name now (rootNamespace changed). The old one goes when the new one is there.
    const Entry* successor = ownEntry(name);
    const bool there = successor != nullptr && successor->confirmed && world_.find(name) != nullptr;
    const std::string message = fmt::format("{} {} as {} now.", entry.object.toString(),
                                            there ? "runs" : "is to run", name.toString());
    if (there && desired_.prunes) return destroy(entry, Reason::Moved, message);
    if (desired_.prunes) {
      postpone(entry, message);
    } else {
      leave(entry, message);
    }
    return true;
  }
  const auto absence = desired_.absences.find(entry.object);
  if (absence == desired_.absences.end()) return true;
  switch (absence->second.verdict) {
    case Absence::Verdict::Keep:
      if (!absence->second.withheld.empty()) entry.withheld = absence->second.withheld;
      planKept(entry, absence->second);
      return true;
    case Absence::Verdict::Release:
      return false;
    case Absence::Verdict::Destroy:
      return destroy(entry, absence->second.reason, absence->second.message);
  }
  return true;
}

void Planner::planKept(const Entry& entry, const Absence& absence) {
  if (entry.destroyedAt) return;
  if (absence.reason == Reason::PruneGuard) return;  // said of all of its set together
  if (absence.reason == Reason::Moved) return postpone(entry, absence.message);
  if (absence.reason != Reason::Pruning) return report({absence.reason, absence.message});
  if (!desired_.goesLater(absence)) leave(entry, absence.message);
}

/// Whether it would be destroyed if it were to go now.
bool Planner::couldGo(const Entry& entry) const {
  const auto* running = world_.find(entry.name);
  return !entry.destroyedAt && !desired_.spec().suspend && running != nullptr &&
         running->type == albatross::UnikernelType::Solo5 && entry.sent(running->digest);
}

void Planner::leave(const Entry& entry, std::string message) {
  if (couldGo(entry)) plan_.unpruned.push_back({entry.object, std::move(message)});
}

void Planner::postpone(const Entry& entry, std::string message) {
  if (!couldGo(entry)) return;
  Step step;
  step.verb = Verb::Destroy;
  step.object = entry.object;
  step.name = entry.name;
  step.reason = Reason::Moved;
  step.message = std::move(message);
  plan_.later.push_back(std::move(step));
}

bool Planner::destroy(Entry& entry, Reason reason, std::string message) {
  const auto* running = world_.find(entry.name);
  if (desired_.spec().suspend) return true;
  if (inDoubt(entry.name)) {
    plan_.removals[entry.object] = {
        Reason::InDoubt,
        fmt::format(
            "The answer to {} was lost; {} is only watched until it is seen what became of it, at the "
            "latest until {}.",
            toString(entry.pending->verb), entry.object.toString(),
            api::toRfc3339(entry.pending->since + entry.pending->timeout(desired_.spec())))};
    return true;
  }
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
    keep(entry, {chain.error().reason,
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
  if (desired_.spec().observe) {
    keep(entry, {Reason::Observed, sentences({step.message, whyNothingIsSent()})});
    plan_.later.push_back(std::move(step));
    return true;
  }
  if (const Error* error = putOff(step)) {
    keep(entry, {error->reason,
                 fmt::format("{} could not be destroyed: {}", entry.object.toString(), error->message)});
  }
  awaitWindow(entry, step);
  emit(std::move(step));
  return true;
}

/// It should go, and cannot.
void Planner::keep(const Entry& entry, Error error) {
  plan_.removals[entry.object] = error;
  report(std::move(error));
}

// -- Room
// ------------------------------------------------------------------------------------------------------------

namespace {

/// How a removal stands that makes room, when it has been carried out.
bool makesRoom(const Entry& entry, const Desired& desired, const World& world) {
  return !entry.destroyedAt && world.find(entry.name) != nullptr && desired.absences.contains(entry.object) &&
         !desired.unikernels.contains(entry.object);
}

}  // namespace

/// Why there is no room, and what of ours that is not declared any more still has it. `resolves`: that goes
/// by itself.
Error Planner::nameLeaving(const albatross::Name& name, Error error, bool& resolves) const {
  if (error.reason != Reason::PolicyExceeded) return error;
  for (const auto& [other, entry] : plan_.memory.inventory) {
    if (domainOf(other) != domainOf(name) || !makesRoom(entry, desired_, world_)) continue;
    const Absence& absence = desired_.absences.at(entry.object);
    if (absence.verdict != Absence::Verdict::Keep) continue;
    resolves = desired_.goesLater(absence);
    error.message =
        sentences({error.message, fmt::format("{} has some of the room, and is not declared any more: {}",
                                              entry.object.toString(), absence.message)});
    break;
  }
  return error;
}

/// Says of what is to go, but not yet, what waits for its room.
void Planner::nameWaiting() {
  if (waiting_.empty()) return;
  for (const auto& [name, entry] : plan_.memory.inventory) {
    const auto waiting = waiting_.find(domainOf(name));
    if (waiting == waiting_.end() || !makesRoom(entry, desired_, world_)) continue;
    const Absence& absence = desired_.absences.at(entry.object);
    if (absence.verdict != Absence::Verdict::Keep) continue;
    plan_.removals[entry.object] = {
        absence.reason,
        sentences({absence.message, fmt::format("{} has no room on {} until it is gone.",
                                                waiting->second.front().toString(), instance())})};
    if (desired_.goesLater(absence)) continue;
    report({Reason::PolicyExceeded,
            fmt::format("{} has no room on {} until {} is gone, which is not declared any more.",
                        waiting->second.front().toString(), instance(), entry.object.toString())});
  }
}

}  // namespace rookery::plan
