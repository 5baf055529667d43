#include "reconcile/guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "api/annotations.h"
#include "image/digest.h"
#include "image/image.h"

namespace rookery::reconcile {

using api::SystemTime;

using Verdict = plan::Absence::Verdict;

/// What is known while a snapshot is judged.
struct PruneGuard::Judgement {
  const source::Snapshot& snapshot;
  const SortedEntries& entries;
  const std::set<api::ObjectKey>& requested;
  const LastSeen& lastSeen;
  std::map<std::string, std::set<std::string>> confirmed;  // by instance: IDs that stand on it
  std::map<api::ObjectKey, api::ObjectPtr> deleted;        // Snapshot::deleted
  Absences absences;
  std::set<EntryKey> undeclared;
  std::set<EntryKey> absent;  // for sure
  std::map<Scope, Tally> tallies;
  std::map<std::pair<Scope, std::string>, std::vector<const plan::Entry*>>
      sets;  // withheld, by what and by ID

  bool isRequested(const plan::Entry& entry) const { return requested.contains(entry.object); }
};

namespace {

constexpr std::size_t massLimit = 5;
constexpr std::size_t fewLimit = 3;  // that many, and more than half, are too much, too

const source::Root* rootOf(const source::Snapshot& snapshot, const std::filesystem::path& path) {
  const auto root = std::ranges::find(snapshot.roots, path, &source::Root::path);
  return root == snapshot.roots.end() ? nullptr : &*root;
}

/// Whether so many of `owned` at once are more than somebody is likely to have meant.
/// However many instances each is on.
bool isMass(const source::Root& root, const std::vector<const plan::Entry*>& vanished, std::size_t owned) {
  std::set<api::ObjectKey> objects;
  for (const plan::Entry* entry : vanished) objects.insert(entry->object);
  if (root.doomed || objects.size() >= massLimit) return true;
  if (objects.size() >= fewLimit && 2 * vanished.size() > owned) return true;
  return !root.deletesByName && root.objects == 0;
}

/// How far apart two looks at the root must be.
std::chrono::seconds settlingTime(const source::Root* root) {
  return root != nullptr && root->deletesByName ? PruneGuard::cascadeTime : PruneGuard::settleTime;
}

std::string namesOf(const std::vector<const plan::Entry*>& entries) {
  constexpr std::size_t shown = 5;
  std::vector<std::string> names;
  for (const plan::Entry* entry : entries) {
    if (names.size() == shown) break;
    names.push_back(entry->object.nameSpace + "/" + entry->object.name);
  }
  return fmt::format("{}{}", fmt::join(names, ", "), entries.size() > shown ? ", …" : "");
}

plan::Absence keptForALook(const plan::Entry& entry, std::string_view what) {
  return {Verdict::Keep, Reason::Pruning,
          fmt::format("{} is not declared any more; it is {} once a second look has confirmed that.",
                      entry.object.toString(), what)};
}

/// "6 unikernels of eu-1 were deleted from namespace shop at once"
std::string whatVanished(const source::Root& root, const plan::Entry& entry, const std::string& count) {
  const std::string why = root.doomed ? *root.doomed + " " : "";
  if (root.deletesByName)
    return fmt::format("{}{} unikernels of AlbatrossInstance {} in namespace {} were deleted at once", why,
                       count, entry.instance, entry.object.nameSpace);
  return fmt::format("{}{} unikernels of AlbatrossInstance {} vanished from {} at once", why, count,
                     entry.instance, root.path.string());
}

/// Whether an object says that what it made is to be left when it goes.
bool leaves(const api::Object& object) {
  if (api::isReleased(object.metadata.annotations)) return true;
  if (object.kind() == api::Kind::UnikernelVolume) {
    return object.as<api::UnikernelVolume>().reclaimPolicy == api::UnikernelVolume::ReclaimPolicy::Retain;
  }
  const auto& spec = object.as<api::Unikernel>();
  return spec.suspend || !spec.prune;
}

std::set<std::string> idsIn(const std::string& annotation) {
  constexpr std::string_view apart = ", \t\n";
  std::set<std::string> ids;
  for (std::size_t at = annotation.find_first_not_of(apart); at != std::string::npos;) {
    const std::size_t end = annotation.find_first_of(apart, at);
    ids.insert(annotation.substr(at, end - at));
    at = annotation.find_first_not_of(apart, end);
  }
  return ids;
}

std::map<std::string, std::set<std::string>> confirmedIn(const source::Snapshot& snapshot) {
  std::map<std::string, std::set<std::string>> confirmed;
  std::size_t left = source::instancesDeclared(snapshot).size();
  for (const api::ObjectPtr& object : snapshot.objects) {
    if (left == 0) break;
    if (object->kind() != api::Kind::AlbatrossInstance) continue;
    --left;
    const auto& annotations = object->metadata.annotations;
    const auto found = annotations.find(std::string(api::confirmPruneAnnotation));
    if (found != annotations.end()) confirmed[object->metadata.name] = idsIn(found->second);
  }
  return confirmed;
}

}  // namespace

const plan::Absence* Absences::find(const api::ObjectKey& object, const std::string& instance) const {
  const auto found = judged_.find(object);
  if (found == judged_.end()) return nullptr;
  const auto& places = found->second;
  if (const auto here = places.find(instance); here != places.end()) return &here->second;
  const auto kept =
      std::ranges::find(places, Verdict::Keep, [](const auto& place) { return place.second.verdict; });
  return kept == places.end() ? &places.begin()->second : &kept->second;
}

plan::Absence* Absences::find(const plan::Entry& entry) {
  const auto found = judged_.find(entry.object);
  if (found == judged_.end()) return nullptr;
  const auto place = found->second.find(entry.instance);
  return place == found->second.end() ? nullptr : &place->second;
}

std::map<api::ObjectKey, plan::Absence> Absences::on(const std::string& instance) const {
  std::map<api::ObjectKey, plan::Absence> absences;
  for (const auto& [object, places] : judged_)
    absences.emplace_hint(absences.end(), object, *find(object, instance));
  return absences;
}

std::string WithheldSet::message() const {
  return fmt::format("{}. None of them is destroyed until that is confirmed: {}.", what, command);
}

std::string howToRelease(bool deletesByName) {
  if (!deletesByName) return "";
  return " To let the object go and leave what runs, annotate it with rookery.dev/release: \"true\".";
}

std::string confirmationId(const std::vector<const plan::Entry*>& entries) {
  std::vector<std::string> lines;
  lines.reserve(entries.size());
  for (const plan::Entry* entry : entries) {
    std::string line = fmt::format("{} {}", entry->serverKey, entry->name.toString());
    if (entry->isVolume()) line += " volume";
    if (entry->since != SystemTime()) line += fmt::format(" {}", plan::toMillis(entry->since));
    lines.push_back(line + "\n");
  }
  std::sort(lines.begin(), lines.end());
  image::Sha256 digest;
  for (const std::string& line : lines) digest.update(line);
  return image::toHex(digest.finish()).substr(0, plan::confirmationIdLength);
}

Absences PruneGuard::judge(const source::Snapshot& snapshot, const SortedEntries& entries,
                           const std::set<api::ObjectKey>& requested, const LastSeen& lastSeen) {
  Judgement now{.snapshot = snapshot,
                .entries = entries,
                .requested = requested,
                .lastSeen = lastSeen,
                .confirmed = confirmedIn(snapshot),
                .deleted = {},
                .absences = {},
                .undeclared = {},
                .absent = {},
                .tallies = {},
                .sets = {}};
  for (const api::ObjectPtr& object : snapshot.deleted) now.deleted.emplace(object->key(), object);
  rescanAt_.reset();
  withheld_.clear();
  noteSeen(now);
  judgeEach(now);
  forget(now);
  useUpConfirmations(now);
  sortOut(now);
  judgeTogether(now);
  letGo(now);
  withholdSets(now);
  noteMistaken(now);
  judgedAt_ = snapshot.scannedAt;
  return std::move(now.absences);
}

bool PruneGuard::confirm(const std::string& id) {
  if (std::ranges::find(withheld_, id, &WithheldSet::id) == withheld_.end()) return false;
  options_.confirmed.insert(id);
  return true;
}

// -- Each on its own
// ------------------------------------------------------------------------------------------------------------

void PruneGuard::judgeEach(Judgement& now) {
  for (const auto& [stray, wasAtHome] : now.entries.strays) {
    const plan::Entry& entry = *stray;
    const EntryKey key = keyOf(entry);
    if (now.snapshot.declared.contains(entry.object)) {
      if (!entry.withheld.empty()) returned_.insert(key);
      continue;
    }
    now.undeclared.insert(key);
    auto absence = judgeAlone(now, entry);
    if (!absence) continue;
    if (absence->reason != Reason::PruneBlocked) {
      now.absent.insert(key);
      absentSince_.try_emplace(key, now.snapshot.begun);
    }
    now.absences.at(entry) = std::move(*absence);
  }
}

/// Whether its object says that what runs is to be left: as it stands, where the source still has it; or else
/// as it was seen last, here or by whoever wrote the entry.
bool PruneGuard::isReleased(const Judgement& now, const plan::Entry& entry) {
  if (now.snapshot.released.contains(entry.object)) return true;
  if (const auto deleted = now.deleted.find(entry.object); deleted != now.deleted.end())
    return leaves(*deleted->second);
  const api::ObjectPtr seen = now.lastSeen(entry.object);
  return entry.suspend || !entry.prune || (seen != nullptr && leaves(*seen));
}

void PruneGuard::noteSeen(const Judgement& now) {
  const source::Snapshot& snapshot = now.snapshot;
  std::map<EntryKey, SystemTime> seen;
  for (const auto& [stray, wasAtHome] : now.entries.strays) {
    const plan::Entry& entry = *stray;
    const EntryKey key = keyOf(entry);
    const auto outdated = snapshot.outdated.find(entry.object);
    if (outdated != snapshot.outdated.end()) {
      seen[key] = outdated->second.seen;
    } else if (snapshot.declared.contains(entry.object)) {
      seen[key] = snapshot.scannedAt;
    } else if (wasAtHome) {
      seen[key] = judgedAt_;
    } else if (const auto before = seen_.find(key); before != seen_.end()) {
      seen.insert(*before);
    }
  }
  seen_ = std::move(seen);
}

/// Nothing: this source has no say about it.
std::optional<plan::Absence> PruneGuard::judgeAlone(const Judgement& now, const plan::Entry& entry) const {
  const source::Snapshot& snapshot = now.snapshot;
  const source::Root* root = rootOf(snapshot, entry.root);
  if (root == nullptr) return std::nullopt;  // somebody else's business
  if (!now.isRequested(entry)) {
    const auto seen = seen_.find(keyOf(entry));
    // Before this process looked, it was declared when its life began.
    const SystemTime since = seen == seen_.end() ? entry.since : seen->second;
    if (const auto silence = snapshot.silenceAbout(entry.object, {entry.root, entry.file}, since)) {
      if (entry.destroyedAt) return std::nullopt;
      return plan::Absence{Verdict::Keep, Reason::PruneBlocked, plan::whyKept(entry.object, *silence)};
    }
  }
  if (isReleased(now, entry)) {
    return plan::Absence{Verdict::Release, Reason::ManifestRemoved,
                         fmt::format("{} is let go.", entry.object.toString())};
  }
  if (!options_.prune) {
    if (entry.destroyedAt) return std::nullopt;
    return plan::Absence{
        Verdict::Keep, Reason::Pruning,
        fmt::format("{} is not declared any more; what runs of it is kept, as {}.{}", entry.object.toString(),
                    options_.whyNot, howToRelease(root->deletesByName))};
  }
  if (root->deletesByName)
    return plan::Absence{Verdict::Destroy, Reason::ManifestRemoved,
                         fmt::format("{} was deleted.", entry.object.toString())};
  return plan::Absence{
      Verdict::Destroy, Reason::ManifestRemoved,
      fmt::format("{} is not declared in {} any more.", entry.object.toString(), entry.file.string())};
}

void PruneGuard::forget(const Judgement& now) {
  std::erase_if(absentSince_, [&](const auto& item) { return !now.absent.contains(item.first); });
  std::erase_if(allowed_, [&](const EntryKey& key) { return !now.undeclared.contains(key); });
  std::erase_if(frozen_, [&](const auto& item) { return !now.undeclared.contains(item.first); });
  std::set<EntryKey> marked;
  for (const auto& [stray, wasAtHome] : now.entries.strays) {
    const plan::Entry& entry = *stray;
    if (!entry.withheld.empty()) marked.insert(keyOf(entry));
  }
  std::erase_if(returned_, [&](const EntryKey& key) { return !marked.contains(key); });
}

void PruneGuard::useUpConfirmations(const Judgement& now) {
  std::set<std::string> waiting;
  for (const auto& [stray, wasAtHome] : now.entries.strays) {
    const plan::Entry& entry = *stray;
    if (!entry.destroyedAt && now.undeclared.contains(keyOf(entry))) waiting.insert(setOf(entry));
  }
  for (const std::string& before : waiting_) {
    if (!waiting.contains(before)) options_.confirmed.erase(before);
  }
  waiting_ = std::move(waiting);
}

// -- Many at once
// ---------------------------------------------------------------------------------------------------------------

/// The ID of the set that it is withheld with; empty: with none.
std::string PruneGuard::setOf(const plan::Entry& entry) const {
  const EntryKey key = keyOf(entry);
  if (!entry.withheld.empty() && !returned_.contains(key)) return entry.withheld;
  const auto frozen = frozen_.find(key);
  return frozen == frozen_.end() ? "" : frozen->second;
}

/// What vanished just now, and what is withheld since before; and how many there are beside it.
void PruneGuard::sortOut(Judgement& now) {
  bool anyVanished = false;
  for (const auto& [stray, wasAtHome] : now.entries.strays) anyVanished = sortOut(now, *stray) || anyVanished;
  if (anyVanished) now.entries.forEachAtHome([&](const plan::Entry& entry) { sortOut(now, entry); });
}

/// Whether it has vanished.
bool PruneGuard::sortOut(Judgement& now, const plan::Entry& entry) {
  const source::Root* root = rootOf(now.snapshot, entry.root);
  if (root == nullptr || entry.destroyedAt || now.isRequested(entry) || allowed_.contains(keyOf(entry)))
    return false;
  const Scope part{entry.root, entry.instance, root->deletesByName ? entry.object.nameSpace : ""};
  Tally& tally = now.tallies[root->deletesByName ? part : Scope{entry.root, "", ""}];
  const plan::Absence* absence = now.absences.find(entry);
  const bool vanished = absence != nullptr && absence->verdict == Verdict::Destroy;
  const std::string id = vanished ? setOf(entry) : "";
  if (!id.empty()) {
    now.sets[{part, id}].push_back(&entry);
    return true;
  }
  ++tally.owned[entry.instance];
  if (vanished) tally.vanished.push_back(&entry);
  return vanished;
}

std::size_t PruneGuard::Tally::ownedInAll() const {
  std::size_t all = 0;
  for (const auto& [instance, count] : owned) all += count;
  return all;
}

/// Freezes what is too much. What is not yet known to be all that vanishes waits.
void PruneGuard::judgeTogether(Judgement& now) {
  for (auto& [scope, tally] : now.tallies) {
    if (tally.vanished.empty()) continue;
    const source::Root& root = *rootOf(now.snapshot, scope.root);
    const bool mass = isMass(root, tally.vanished, tally.ownedInAll());
    if (isComplete(now, root, tally)) {
      if (mass) freeze(now, tally);
      continue;
    }
    for (const plan::Entry* entry : tally.vanished) {
      const std::string what = whatVanished(root, *entry, std::to_string(tally.vanished.size()));
      now.absences.at(*entry) =
          mass ? plan::Absence{Verdict::Keep, Reason::PruneGuard,
                               what + ". None of them is destroyed unless that is confirmed."}
               : keptForALook(*entry, "destroyed");
    }
  }
}

/// Whether nothing has vanished lately that may be followed by more.
bool PruneGuard::isComplete(const Judgement& now, const source::Root& root, const Tally& tally) {
  if (!options_.settle) return true;
  const auto since = [&](const plan::Entry* entry) { return absentSince_.at(keyOf(*entry)); };
  const auto [first, last] = std::ranges::minmax(tally.vanished, {}, since);
  const auto end =
      std::min(since(last) + settlingTime(&root), since(first) + longestCascade * settlingTime(&root));
  if (now.snapshot.begun >= end) return true;
  rescan(end);
  return false;
}

void PruneGuard::freeze(Judgement& now, Tally& tally) {
  std::map<Scope, std::vector<const plan::Entry*>> parts;
  for (const plan::Entry* entry : tally.vanished) {
    const bool byName = rootOf(now.snapshot, entry->root)->deletesByName;
    parts[{entry->root, entry->instance, byName ? entry->object.nameSpace : ""}].push_back(entry);
  }
  for (const auto& [part, entries] : parts) {
    const std::string id = confirmationId(entries);
    for (const plan::Entry* entry : entries) frozen_[keyOf(*entry)] = id;
    now.sets[{part, id}] = entries;
    waiting_.insert(id);
  }
  for (const plan::Entry* entry : tally.vanished) --tally.owned[entry->instance];
}

bool PruneGuard::isConfirmed(const Judgement& now, const std::string& instance, const std::string& id) const {
  const auto found = now.confirmed.find(instance);
  return options_.confirmed.contains(id) || (found != now.confirmed.end() && found->second.contains(id));
}

/// Turns sets into something to be confirmed.
void PruneGuard::withholdSets(Judgement& now) {
  for (const auto& [key, entries] : now.sets) {
    const auto& [part, id] = key;
    if (isConfirmed(now, part.instance, id)) continue;
    const source::Root& root = *rootOf(now.snapshot, part.root);
    const std::size_t others =
        now.tallies[root.deletesByName ? part : Scope{part.root, "", ""}].owned[part.instance];
    const std::string count = fmt::format("{} of {}", entries.size(), entries.size() + others);
    const std::string what = whatVanished(root, *entries.front(), count);
    const std::string command = root.deletesByName
                                    ? fmt::format("kubectl annotate albatrossinstance {} --overwrite {}={}",
                                                  part.instance, api::confirmPruneAnnotation, id)
                                    : options_.howToConfirm(id);
    withheld_.push_back(
        {id, part.instance, entries.size(), fmt::format("{} ({})", what, namesOf(entries)), command});
    for (const plan::Entry* entry : entries) {
      now.absences.at(*entry) = {
          Verdict::Keep, Reason::PruneGuard,
          fmt::format("{}, this one among them. They are destroyed when somebody confirms it who may change "
                      "AlbatrossInstance {}, whose Ready condition says how.{}",
                      what, part.instance, howToRelease(root.deletesByName)),
          id};
    }
  }
}

/// An ID stays in its annotation when its set has gone: only one that is new there can be a mistake.
void PruneGuard::noteMistaken(const Judgement& now) {
  mistaken_.clear();
  const auto before = std::exchange(annotated_, now.confirmed);
  if (!before) return;
  for (const auto& [instance, ids] : now.confirmed) {
    const auto known = before->find(instance);
    for (const std::string& id : ids) {
      const bool isNew = known == before->end() || !known->second.contains(id);
      const bool waits = std::ranges::any_of(now.sets, [&](const auto& set) {
        return set.first.first.instance == instance && set.first.second == id;
      });
      if (isNew && !waits) mistaken_.emplace(instance, id);
    }
  }
}

// -- What goes
// ----------------------------------------------------------------------------------------------------------------

/// Each waits for its own second look, too.
void PruneGuard::letGo(Judgement& now) {
  std::set<EntryKey> held;
  for (const auto& [key, entries] : now.sets) {
    if (isConfirmed(now, key.first.instance, key.second)) continue;
    for (const plan::Entry* entry : entries) held.insert(keyOf(*entry));
  }
  for (const auto& [stray, wasAtHome] : now.entries.strays) {
    const plan::Entry& entry = *stray;
    const EntryKey key = keyOf(entry);
    plan::Absence* absence = now.absences.find(entry);
    if (absence == nullptr || absence->verdict == Verdict::Keep || held.contains(key)) continue;
    const source::Root* root = rootOf(now.snapshot, entry.root);
    const auto since = absentSince_.find(key);
    const bool meant = now.isRequested(entry) ||
                       (absence->verdict == Verdict::Release && root != nullptr && root->deletesByName);
    const bool settled =
        !options_.settle || meant ||
        (since != absentSince_.end() && now.snapshot.begun >= since->second + settlingTime(root));
    if (settled) {
      if (absence->verdict == Verdict::Destroy) allowed_.insert(key);
      continue;
    }
    if (since != absentSince_.end()) rescan(since->second + settlingTime(root));
    *absence = keptForALook(entry, absence->verdict == Verdict::Release ? "let go" : "destroyed");
  }
}

}  // namespace rookery::reconcile
