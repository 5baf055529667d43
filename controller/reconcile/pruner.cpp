#include "reconcile/pruner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "sentence.h"

namespace rookery::reconcile {

Pruner::Pruner(const Environment& environment, GuardOptions guard, ReplicasReady replicasReady)
    : environment_(environment), guard_(std::move(guard)), replicasReady_(std::move(replicasReady)) {}

Absences Pruner::judge(Resolution& resolution, const source::Snapshot& snapshot,
                       const SortedEntries& entries) {
  const auto lastSeen = [this](const api::ObjectKey& key) {
    const ObjectViewPtr view = environment_.objects.find(key);
    return view == nullptr ? nullptr : view->object;
  };
  Absences absences = guard_.judge(snapshot, entries, environment_.state.deletionRequests(), lastSeen);
  for (auto& [name, desired] : resolution.instances) {
    desired->absences = absences.on(name);
    desired->prunes = guard_.prunes();
  }
  for (const WithheldSet& set : guard_.withheld()) {
    const auto instance = resolution.instances.find(set.instance);
    if (instance == resolution.instances.end()) continue;
    instance->second->withheld.push_back({Reason::PruneGuard, set.message()});
    instance->second->withheldUnikernels += set.size;
  }
  for (const auto& [instance, id] : guard_.mistaken())
    environment_.listener.warned(instance, Reason::PruneGuard, noSuchSet(id, instance));
  moving_.clear();
  for (const auto& [entry, wasAtHome] : entries.strays) judgeMove(resolution, *entry);
  return absences;
}

/// Created there first, and then destroyed here.
void Pruner::judgeMove(Resolution& resolution, const plan::Entry& entry) {
  const auto here = resolution.instances.find(entry.instance);
  if (here == resolution.instances.end() || here->second->unikernels.contains(entry.object)) return;
  Destination to;
  for (const auto& [name, desired] : resolution.instances) {
    const auto found = desired->unikernels.find(entry.object);
    if (found == desired->unikernels.end()) continue;
    to.instances.insert(name);
    if (!found->second.replicas) continue;
    to.instances = found->second.replicas->instances;
    to.replicated = true;
    to.wanted = static_cast<std::size_t>(found->second.replicas->wanted);
    break;
  }
  if (to.instances.empty()) return;
  const bool destroy = arrived(entry.object, to) && guard_.prunes();
  if (!destroy) moving_[entry.object] = to;
  const std::string kept =
      guard_.prunes() ? "" : fmt::format("; what runs of it here is kept, as {}", guard_.whyNot());
  here->second->absences[entry.object] = {
      destroy ? plan::Absence::Verdict::Destroy : plan::Absence::Verdict::Keep,
      guard_.prunes() ? Reason::Moved : Reason::Pruning,
      fmt::format("{} belongs on {} now{}.", entry.object.toString(), fmt::join(to.instances, ", "),
                  destroy ? ", and runs there" : kept)};
}

/// As many run well as there are to be.
bool Pruner::arrived(const api::ObjectKey& key, const Destination& to) const {
  if (to.replicated) return to.instances.size() >= to.wanted && replicasReady_(key);
  const ObjectViewPtr view = environment_.objects.find(key);
  if (view == nullptr) return false;
  return std::ranges::all_of(to.instances, [&](const std::string& instance) {
    const auto seen = view->status.seenOn(instance);
    return seen && seen->ready();
  });
}

bool Pruner::moveArrived() const {
  return guard_.prunes() &&
         std::ranges::any_of(moving_, [&](const auto& item) { return arrived(item.first, item.second); });
}

/// With those that there are, on `instance` or, where that is empty, anywhere.
std::string Pruner::noSuchSet(const std::string& id, const std::string& instance) const {
  std::vector<std::string> others;
  for (const WithheldSet& set : guard_.withheld()) {
    if (instance.empty() || set.instance == instance)
      others.push_back(fmt::format("{}: {}", set.id, set.what));
  }
  const std::string where = instance.empty() ? "" : " on AlbatrossInstance " + instance;
  return sentences({fmt::format("No set of unikernels is withheld{} with the ID {}.", where, id),
                    others.empty() ? "No set is." : fmt::format("These are: {}", fmt::join(others, "; "))});
}

Result<std::string> Pruner::confirm(const std::string& id) {
  const auto& waiting = guard_.withheld();
  const auto set = std::ranges::find(waiting, id, &WithheldSet::id);
  if (set == waiting.end()) return fail(Reason::UsageError, noSuchSet(id, ""));
  if (!environment_.commands(set->instance)) {
    return fail(
        Reason::LeaseLost,
        fmt::format("AlbatrossInstance {} is another replica's to command. Confirm it there, or with: {}",
                    set->instance, set->command));
  }
  std::string answer = fmt::format("Confirmed, they are destroyed now: {}.", set->what);
  guard_.confirm(id);
  return answer;
}

}  // namespace rookery::reconcile
