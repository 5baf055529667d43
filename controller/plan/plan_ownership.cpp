// What plan holds to be ours: of what entries say, what can be true.

#include <fmt/format.h>

#include <algorithm>

#include "plan/planner.h"

namespace rookery::plan {

using albatross::UnikernelInfo;

namespace {

/// Whether whoever may write its object can have written an entry: it stands on that in a cluster, and what
/// is not in a cluster came from a folder, with an absolute path.
bool standsOnItsObject(const Entry& entry) { return entry.root.get().is_relative(); }

}  // namespace

// -- What others may have written
// ------------------------------------------------------------------------------------

/// Whether a unikernel of that name can be that object's, or could when the credential was of another domain.
bool Planner::canBeOurs(const Entry& entry) const {
  if (!standsOnItsObject(entry)) return true;
  const auto& path = entry.name.path;
  const std::string& nameSpace = entry.object.nameSpace;
  if (!path.empty() && path.back() == nameSpace) return true;
  return isRoot(nameSpace) && path.size() == world_.seen().base.path.size();
}

/// Forgets what objects say is theirs and cannot be: nobody must have a unikernel of another namespace, or of
/// the root domain, destroyed by saying so.
void Planner::dropClaims() {
  keepEntries([&](const Entry& entry) {
    if (canBeOurs(entry)) return true;
    if (!entry.destroyedAt) {
      report(
          {Reason::NotOwned,
           fmt::format("{} says that {} on {} is its own, which its namespace cannot have there: that is not "
                       "destroyed with it, and does not count as ours. If it is a remainder of another "
                       "rootNamespace, destroy it by hand.",
                       entry.object.toString(), entry.name.toString(), instance())});
    }
    return false;
  });
}

// -- What runs
// -----------------------------------------------------------------------------------------------------------

/// What runs under an entry's name is ours, or the entry is not: one from a backup may be of a unikernel that
/// is gone, and whose name somebody else has used since.
void Planner::confirmEntries() {
  auto& memory = plan_.memory;
  if (now_ - memory.lookedAt > watchGap) memory.watched.clear();
  memory.lookedAt = now_;
  keepEntries([&](Entry& entry) {
    const UnikernelInfo* running = world_.find(entry.name);
    if (entry.destroyedAt) entry.destroyedAt = std::min(*entry.destroyedAt, now_);
    const bool expired = entry.destroyedAt && now_ >= *entry.destroyedAt + tombstoneLifetime;
    const bool ours = running == nullptr ? !expired : inDoubt(entry.name) || isOurs(entry, *running);
    if (ours && running != nullptr && !inDoubt(entry.name)) confirm(entry, *running);
    if (running == nullptr) memory.watched.erase(entry.name);
    if (!ours && running != nullptr) disown(entry);
    return ours;
  });
}

/// It is when it began when ours did, when it is just what we sent, or when it is declared and was seen to be
/// ours before: then somebody has changed it.
bool Planner::isOurs(const Entry& entry, const UnikernelInfo& running) const {
  const bool image = entry.sent(running.digest);
  if (!entry.tellsLives()) return image || (entry.confirmed && !entry.destroyedAt);
  if (running.started && entry.started == running.started) return true;
  return isWatched(entry) || (image && entry.sent(fingerprintOf(running, entry.name)));
}

bool Planner::isWatched(const Entry& entry) const {
  return !entry.destroyedAt && plan_.memory.watched.contains(entry.name) &&
         desired_.unikernels.contains(entry.object) && nameOf(entry.object) == entry.name;
}

void Planner::confirm(Entry& entry, const UnikernelInfo& running) {
  const bool sent = entry.sent(running.digest);
  if (sent && !entry.destroyedAt) entry.confirmed = true;
  if (sent && !entry.tellsLives()) entry.remember(fingerprintOf(running, entry.name));
  entry.started = running.started;
  plan_.memory.watched.insert(entry.name);
}

void Planner::disown(const Entry& entry) {
  plan_.memory.watched.erase(entry.name);
  if (entry.destroyedAt || !entry.confirmed || desired_.unikernels.contains(entry.object)) return;
  const Error error{
      Reason::NotOwned,
      fmt::format(
          "{} on {} runs an image or arguments that rookery did not send: it is not destroyed, and no "
          "longer counts as ours.",
          entry.name.toString(), instance())};
  report(error);
}

}  // namespace rookery::plan
