#include "reconcile/guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "image/digest.h"
#include "image/image.h"

namespace rookery::reconcile {

namespace {

constexpr std::size_t massLimit = 5;

const source::Root* rootOf(const source::Snapshot& snapshot, const Entry& entry) {
  const auto root = std::ranges::find(snapshot.roots, entry.root, &source::Root::path);
  return root == snapshot.roots.end() ? nullptr : &*root;
}

/// Whether so many of `owned` at once are more than somebody is likely to have meant. One object that was
/// deleted by name was meant, also where it was the only one.
bool isMass(const source::Root& root, std::size_t vanished, std::size_t owned) {
  if (vanished >= massLimit) return true;
  if (root.deletesByName) return vanished > 1 && 2 * vanished > owned;
  return 2 * vanished > owned || root.objects == 0;
}

/// What has to be done for the set with this ID to go.
std::string howToConfirm(const source::Root& root, const std::string& id) {
  if (root.deletesByName)
    return fmt::format("an AlbatrossInstance has the annotation rookery.dev/confirm-prune: {}", id);
  return fmt::format("that is confirmed with --confirm-prune {}", id);
}

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

std::string howToRelease(bool deletesByName) {
  if (!deletesByName) return "";
  return " To let the object go and leave what runs, annotate it with rookery.dev/release: \"true\".";
}

std::string confirmationId(const std::vector<const Entry*>& entries) {
  std::vector<std::string> lines;
  lines.reserve(entries.size());
  for (const Entry* entry : entries) {
    std::string line = fmt::format("{} {}", entry->serverKey, entry->name.toString());
    if (entry->since != SystemTime()) line += fmt::format(" {}", toMillis(entry->since));
    lines.push_back(line + "\n");
  }
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
    auto absence = judgeAlone(snapshot, entry, requested.contains(entry.object));
    if (!absence) continue;
    if (absence->reason != Reason::SourceUnreadable) absent.insert(key);
    const bool vanished = absence->verdict == Absence::Verdict::Destroy && !entry.destroyedAt &&
                          !allowed_.contains(key) && !requested.contains(entry.object);
    if (vanished) tally.vanished.push_back(&entry);
    absences[entry.object] = std::move(*absence);
  }
  std::erase_if(absentSince_, [&](const auto& item) { return !absent.contains(item.first); });
  std::erase_if(allowed_, [&](const EntryKey& key) { return !undeclared.contains(key); });
  for (const source::Root& root : snapshot.roots)
    withhold(root, roots[root.path], snapshot.confirmed, absences);
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
        fmt::format("{} is not declared any more; it is destroyed once a second look has confirmed that.",
                    entry.object.toString())};
  }
  return absences;
}

/// Nothing: this source has no say about it.
std::optional<Absence> PruneGuard::judgeAlone(const source::Snapshot& snapshot, const Entry& entry,
                                              bool requested) const {
  using Verdict = Absence::Verdict;
  const source::Root* root = rootOf(snapshot, entry);
  if (root == nullptr) return std::nullopt;  // somebody else's business
  if (!requested && !snapshot.tellsAbsence({entry.root, entry.file, 0, 0})) {
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
    return Absence{Verdict::Keep, Reason::Pruning,
                   fmt::format("{} is not declared any more; what runs of it is kept, as pruning is off "
                               "(--no-prune).{}",
                               entry.object.toString(), howToRelease(root->deletesByName))};
  }
  if (root->deletesByName)
    return Absence{Verdict::Destroy, Reason::ManifestRemoved,
                   fmt::format("{} was deleted.", entry.object.toString())};
  return Absence{
      Verdict::Destroy, Reason::ManifestRemoved,
      fmt::format("{} is not declared in {} any more.", entry.object.toString(), entry.file.string())};
}

bool PruneGuard::settled(const source::Snapshot& snapshot, const Entry& entry) {
  if (!options_.settle) return true;
  const source::Root* root = rootOf(snapshot, entry);
  const std::chrono::seconds time = root != nullptr && root->deletesByName ? cascadeTime : settleTime;
  const auto [since, first] = absentSince_.try_emplace({entry.serverKey, entry.name}, snapshot.scannedAt);
  if (!first && snapshot.scannedAt - since->second >= time) return true;
  const auto next = since->second + time;
  rescanAt_ = rescanAt_ ? std::min(*rescanAt_, next) : next;
  return false;
}

/// Turns what vanished from a root at once into something to be confirmed, if it is too much.
void PruneGuard::withhold(const source::Root& root, const RootTally& tally,
                          const std::set<std::string>& confirmed,
                          std::map<api::ObjectKey, Absence>& absences) const {
  const std::size_t vanished = tally.vanished.size();
  if (vanished == 0) return;
  if (!root.doomed && !isMass(root, vanished, tally.owned)) return;
  const std::string id = confirmationId(tally.vanished);
  if (options_.confirmed.contains(id) || confirmed.contains(id)) return;
  const std::string message =
      fmt::format("{}{} of {} unikernels vanished from {} at once ({}). Nothing is destroyed there until {}.",
                  root.doomed ? *root.doomed + " " : "", vanished, tally.owned, root.path.string(),
                  namesOf(tally.vanished), howToConfirm(root, id));
  for (const Entry* entry : tally.vanished)
    absences[entry->object] = {Absence::Verdict::Keep, Reason::PruneGuard, message};
}

}  // namespace rookery::reconcile
