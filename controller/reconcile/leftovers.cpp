#include "reconcile/leftovers.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "api/conditions.h"
#include "reconcile/guard.h"
#include "sentence.h"

namespace rookery::reconcile {

namespace {

/// An object of which only its name is known.
api::ObjectPtr nameOnly(const api::ObjectKey& key, const std::filesystem::path& root,
                        const std::filesystem::path& file) {
  auto object = std::make_shared<api::Object>();
  object->metadata.name = key.name;
  object->metadata.nameSpace = key.nameSpace;
  object->origin = {.root = root, .file = file};
  object->manifest = nlohmann::json{{"apiVersion", api::groupVersion},
                                    {"kind", toString(key.kind)},
                                    {"metadata", {{"name", key.name}, {"namespace", key.nameSpace}}},
                                    {"spec", nlohmann::json::object()}};
  if (key.kind == api::Kind::UnikernelVolume) {
    object->spec = api::UnikernelVolume{};
  } else {
    object->spec = api::Unikernel{};
  }
  return object;
}

}  // namespace

Leftovers::Leftovers(const Environment& environment, StandingOf standingOf)
    : environment_(environment), standingOf_(std::move(standingOf)) {}

void Leftovers::note(source::SnapshotPtr snapshot, Absences absences, const SortedEntries& entries) {
  clear();
  snapshot_ = std::move(snapshot);
  absences_ = std::move(absences);
  std::set<api::ObjectKey> usable;
  if (std::ranges::any_of(entries.strays, [](const auto& stray) { return !stray.entry->destroyedAt; })) {
    for (const api::ObjectPtr& object : snapshot_->objects) usable.insert(usable.end(), object->key());
  }
  for (const auto& [stray, wasAtHome] : entries.strays) {
    const plan::Entry& entry = *stray;
    if (entry.destroyedAt || usable.contains(entry.object)) continue;
    const auto root = std::ranges::find(snapshot_->roots, entry.root.get(), &source::Root::path);
    const bool byName = root != snapshot_->roots.end() && root->deletesByName;
    Place place{entry.instance, entry.root, entry.file, byName};
    if (!snapshot_->declared.contains(entry.object)) {
      places_[entry.object].push_back(std::move(place));
    } else if (root != snapshot_->roots.end() && !byName) {
      mistaken_.emplace(entry.object, std::move(place));
    }
  }
}

void Leftovers::clear() {
  snapshot_ = nullptr;
  absences_ = {};
  places_.clear();
  mistaken_.clear();
}

// -- What is shown of it
// ---------------------------------------------------------------------------------------------

void Leftovers::declare() const {
  const SystemTime now = environment_.now();
  for (const api::ObjectPtr& object : snapshot_->deleted) {
    if (!places_.contains(object->key())) continue;
    const auto identity = environment_.state.identify(object->key(), object->specDigest, now);
    environment_.objects.declare(object, identity, now);
  }
  for (const auto& [key, places] : places_) {
    if (absences_.contains(key)) declareByName(key, places.front());
  }
  for (const auto& [key, place] : mistaken_) declareByName(key, place);
}

/// Where no manifest is known: this process has not seen one that it could use.
void Leftovers::declareByName(const api::ObjectKey& key, const Place& place) const {
  if (place.byName || environment_.objects.find(key) != nullptr) return;
  api::Identity identity = environment_.state.identityOf(key).value_or(api::Identity{});
  identity.deletionTimestamp.reset();
  environment_.objects.declare(nameOnly(key, place.root, place.file), identity, environment_.now());
}

/// What there are views of, and nobody declares.
std::set<api::ObjectKey> Leftovers::undeclared() {
  const std::uint64_t shown = environment_.objects.keyChanges();
  if (compared_ && compared_->shown == shown && compared_->declared.isSharedWith(snapshot_->declared))
    return {};
  std::set<api::ObjectKey> gone;
  auto declared = snapshot_->declared.begin();
  for (const ObjectViewPtr& view : environment_.objects.list()) {  // in the same order
    api::ObjectKey key = view->object->key();
    while (declared != snapshot_->declared.end() && *declared < key) ++declared;
    if (declared == snapshot_->declared.end() || *declared != key) gone.insert(std::move(key));
  }
  compared_.reset();
  if (gone.empty()) compared_ = {snapshot_->declared, shown};
  return gone;
}

void Leftovers::forgetGone() {
  const std::set<api::ObjectKey> gone = undeclared();
  // Of those that were deleted before this process began, there is no view.
  std::set<api::ObjectKey> requested = environment_.state.deletionRequests();
  std::erase_if(requested, [&](const api::ObjectKey& key) { return snapshot_->declared.contains(key); });
  if (gone.empty() && requested.empty()) return;
  std::set<api::ObjectKey> left;
  for (const plan::Entry& entry : environment_.state.entries()) {
    if (!entry.destroyedAt) left.insert(entry.object);
  }
  for (const api::ObjectKey& key : gone) {
    if (!left.contains(key)) {
      environment_.objects.remove(key);
      environment_.state.forgetIdentity(key);
      environment_.listener.objectForgotten(key);
    } else if (!isUncertain(key)) {
      environment_.objects.markDeleted(key, environment_.now());
    }
  }
  for (const api::ObjectKey& key : requested) {
    if (!left.contains(key)) environment_.state.forgetIdentity(key);
  }
}

/// Whether an object is missing from a source that does not say whether somebody removed it.
bool Leftovers::isUncertain(const api::ObjectKey& key) const {
  const auto places = places_.find(key);
  return places != places_.end() && std::ranges::any_of(places->second, [&](const Place& place) {
           const plan::Absence* absence = absences_.find(key, place.instance);
           return absence != nullptr && absence->reason == Reason::PruneBlocked;
         });
}

// -- Why it is still there
// -------------------------------------------------------------------------------------------

void Leftovers::report(const std::string& instance) const {
  for (const auto& [key, places] : places_) {
    if (std::ranges::find(places, instance, &Place::instance) != places.end()) report(key, places);
  }
}

void Leftovers::reportAll() const {
  for (const auto& [key, places] : places_) report(key, places);
  for (const auto& [key, place] : mistaken_) reportMistake(key, place);
}

void Leftovers::report(const api::ObjectKey& key, const std::vector<Place>& places) const {
  const ObjectViewPtr view = environment_.objects.find(key);
  if (view == nullptr || !absences_.contains(key)) return;
  bool ours = false;
  std::optional<Obstacle> obstacle;
  for (const Place& place : places) {
    if (!speaksFor(place.instance)) continue;
    const Standing standing = standingOf_(place.instance);
    if (standing.awaited) return;
    ours = true;
    if (!obstacle) obstacle = obstacleOf(key, *absences_.find(key, place.instance), place, standing);
  }
  if (!ours) return environment_.objects.disown(key);
  if (!obstacle) {
    if (!view->ours || view->status.ready()) return;
    obstacle = {{Reason::Pruning, absences_.find(key, places.front().instance)->message}, false};
  }
  api::Status status = view->status;
  status.observedGeneration = view->identity.generation;
  if (!status.instance) status.instance = places.front().instance;
  status.conditions = api::stalledConditions(obstacle->error, environment_.now());
  if (!obstacle->stalled) status.conditions.back().type = api::Condition::Type::Reconciling;
  environment_.objects.report(key, std::move(status), environment_.listener);
}

void Leftovers::reportMistake(const api::ObjectKey& key, const Place& place) const {
  const ObjectViewPtr view = environment_.objects.find(key);
  const auto problem = std::ranges::find(snapshot_->problems, key, &api::Problem::object);
  if (view == nullptr || problem == snapshot_->problems.end() || !speaksFor(place.instance)) return;
  api::Status status = view->status;
  status.observedGeneration = view->identity.generation;
  status.instance = place.instance;
  status.conditions = api::stalledConditions(
      {problem->reason, sentences({problem->toString(), "What runs is left as it is."})}, environment_.now());
  environment_.objects.report(key, std::move(status), environment_.listener);
}

/// Nothing: it goes, or waits its turn.
std::optional<Leftovers::Obstacle> Leftovers::obstacleOf(const api::ObjectKey& key,
                                                         const plan::Absence& absence, const Place& place,
                                                         const Standing& standing) const {
  if (standing.desired == nullptr) return Obstacle{instanceMissing(key, place)};
  const RoundEnd* last = standing.last;
  if (last != nullptr) {
    if (const auto removal = last->removals.find(key); removal != last->removals.end()) {
      const Error& error = removal->second;
      const bool waits = error.reason == Reason::Pruning || error.reason == Reason::InDoubt;
      return Obstacle{{error.reason, sentences({error.message, howToRelease(place.byName)})}, !waits};
    }
  }
  if (absence.verdict == plan::Absence::Verdict::Keep && !standing.desired->goesLater(absence))
    return Obstacle{{absence.reason, absence.message}};
  if (last == nullptr) return std::nullopt;
  if (last->failure) {
    return Obstacle{
        {Reason::InstanceUnavailable,
         sentences({fmt::format("{} cannot be destroyed, as AlbatrossInstance {} cannot be asked: {}",
                                key.toString(), place.instance, last->failure->message),
                    howToRelease(place.byName)})},
        last->finished};
  }
  if (absence.verdict == plan::Absence::Verdict::Destroy && standing.desired->spec().suspend) {
    return Obstacle{{Reason::InstanceSuspended,
                     fmt::format("{} is not destroyed, as AlbatrossInstance {} is suspended. Set its "
                                 "spec.suspend to false.{}",
                                 key.toString(), place.instance, howToRelease(place.byName))}};
  }
  return std::nullopt;
}

Error Leftovers::instanceMissing(const api::ObjectKey& key, const Place& place) const {
  const bool invalid = snapshot_->declared.contains({api::Kind::AlbatrossInstance, "", place.instance});
  return {Reason::InstanceNotFound,
          fmt::format("{} cannot be destroyed: AlbatrossInstance {}, where it runs, {}{}", key.toString(),
                      place.instance,
                      invalid ? "has an error in its manifest. Correct that first."
                              : "is not declared any more. Declare it again.",
                      howToRelease(place.byName))};
}

/// Whether it is for this process to say how things stand there.
bool Leftovers::speaksFor(const std::string& instance) const {
  const bool declared = snapshot_->declared.contains({api::Kind::AlbatrossInstance, "", instance});
  return environment_.commands(declared ? instance : "");
}

}  // namespace rookery::reconcile
