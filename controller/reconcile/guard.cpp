#include "reconcile/guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "image/digest.h"
#include "image/image.h"

namespace rookery::reconcile {

namespace {

constexpr std::size_t massLimit = 5;

std::string namesOf(const std::vector<const Entry*>& entries) {
  constexpr std::size_t shown = 5;
  std::vector<std::string> names;
  for (const Entry* entry : entries) {
    if (names.size() == shown) break;
    names.push_back(entry->object.nameSpace + "/" + entry->object.name);
  }
  return fmt::format("{}{}", fmt::join(names, ", "), entries.size() > shown ? ", …" : "");
}

}  // namespace

std::string confirmationId(const std::vector<const Entry*>& entries) {
  std::vector<std::string> lines;
  lines.reserve(entries.size());
  for (const Entry* entry : entries) lines.push_back(entry->serverKey + " " + entry->name.toString() + "\n");
  std::sort(lines.begin(), lines.end());
  image::Sha256 digest;
  for (const std::string& line : lines) digest.update(line);
  return image::toHex(digest.finish()).substr(0, 12);
}

std::map<api::ObjectKey, Absence> PruneGuard::judge(const source::Snapshot& snapshot,
                                                    const std::vector<Entry>& entries,
                                                    const std::set<api::ObjectKey>& requested) {
  std::map<api::ObjectKey, Absence> absences;
  std::map<std::filesystem::path, RootTally> roots;
  std::set<EntryKey> absent;  // for sure
  std::set<EntryKey> undeclared;
  rescanAt_.reset();
  for (const Entry& entry : entries) {
    const EntryKey key{entry.serverKey, entry.name};
    RootTally& tally = roots[entry.root];
    if (!entry.destroyedAt) ++tally.owned;
    if (snapshot.declared.contains(entry.object)) continue;
    undeclared.insert(key);
    auto absence = judgeAlone(snapshot, entry);
    if (!absence) continue;
    if (absence->reason != Reason::SourceUnreadable) absent.insert(key);
    const bool vanished = absence->verdict == Absence::Verdict::Destroy && !entry.destroyedAt &&
                          !allowed_.contains(key) && !requested.contains(entry.object);
    if (vanished) tally.vanished.push_back(&entry);
    absences[entry.object] = std::move(*absence);
  }
  std::erase_if(absentSince_, [&](const auto& item) { return !absent.contains(item.first); });
  std::erase_if(allowed_, [&](const EntryKey& key) { return !undeclared.contains(key); });
  for (const source::Root& root : snapshot.roots) withhold(root, roots[root.path], absences);
  // The mass guard looks at all that vanished; only then does each wait for its second scan.
  for (const Entry& entry : entries) {
    const auto absence = absences.find(entry.object);
    if (absence == absences.end() || absence->second.verdict == Absence::Verdict::Keep) continue;
    if (requested.contains(entry.object) || settled(snapshot, entry)) {
      if (absence->second.verdict == Absence::Verdict::Destroy)
        allowed_.insert({entry.serverKey, entry.name});
      continue;
    }
    absence->second = {
        Absence::Verdict::Keep, Reason::Pruning,
        fmt::format("{} is not declared any more; it is destroyed once a second scan has confirmed that.",
                    entry.object.toString())};
  }
  return absences;
}

/// Nothing: this source has no say about it.
std::optional<Absence> PruneGuard::judgeAlone(const source::Snapshot& snapshot, const Entry& entry) const {
  using Verdict = Absence::Verdict;
  const bool rootKnown = std::any_of(snapshot.roots.begin(), snapshot.roots.end(),
                                     [&](const source::Root& root) { return root.path == entry.root; });
  if (!rootKnown) return std::nullopt;  // somebody else's business
  if (!snapshot.tellsAbsence({entry.root, entry.file, 0, 0})) {
    if (entry.destroyedAt) return std::nullopt;
    return Absence{
        Verdict::Keep, Reason::SourceUnreadable,
        fmt::format(
            "Nothing that came from {} is destroyed: it, or the root {}, cannot be read completely now.",
            entry.file.string(), entry.root.string())};
  }
  if (entry.suspend || !entry.prune) {
    return Absence{Verdict::Release, Reason::ManifestRemoved,
                   fmt::format("{} is let go.", entry.object.toString())};
  }
  if (!options_.prune) {
    if (entry.destroyedAt) return std::nullopt;
    return Absence{
        Verdict::Keep, Reason::Pruning,
        fmt::format("{} is not declared any more; it is kept, as pruning is off.", entry.object.toString())};
  }
  return Absence{
      Verdict::Destroy, Reason::ManifestRemoved,
      fmt::format("{} is not declared in {} any more.", entry.object.toString(), entry.file.string())};
}

bool PruneGuard::settled(const source::Snapshot& snapshot, const Entry& entry) {
  if (!options_.settle) return true;
  const auto [since, first] = absentSince_.try_emplace({entry.serverKey, entry.name}, snapshot.scannedAt);
  if (!first && snapshot.scannedAt - since->second >= settleTime) return true;
  const auto next = since->second + settleTime;
  rescanAt_ = rescanAt_ ? std::min(*rescanAt_, next) : next;
  return false;
}

/// Turns what vanished from a root at once into something to be confirmed, if it is too much.
void PruneGuard::withhold(const source::Root& root, const RootTally& tally,
                          std::map<api::ObjectKey, Absence>& absences) const {
  const std::size_t vanished = tally.vanished.size();
  if (vanished == 0) return;
  const bool mass = vanished >= massLimit || 2 * vanished > tally.owned || root.objects == 0;
  const std::string id = confirmationId(tally.vanished);
  if (!mass || options_.confirmed.contains(id)) return;
  const std::string message = fmt::format(
      "{} of {} unikernels vanished from {} at once ({}). Nothing is destroyed there until that is confirmed "
      "with "
      "--confirm-prune {}.",
      vanished, tally.owned, root.path.string(), namesOf(tally.vanished), id);
  for (const Entry* entry : tally.vanished)
    absences[entry->object] = {Absence::Verdict::Keep, Reason::PruneGuard, message};
}

}  // namespace rookery::reconcile
