// What the controller shows of objects that run, and of which no manifest is known: this process has not seen
// one that it could use.

#include <algorithm>

#include "api/conditions.h"
#include "reconcile/controller.h"
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
  object->manifest = {{"apiVersion", api::groupVersion},
                      {"kind", toString(key.kind)},
                      {"metadata", {{"name", key.name}, {"namespace", key.nameSpace}}},
                      {"spec", nlohmann::json::object()}};
  object->spec = api::Unikernel{};
  return object;
}

}  // namespace

/// What runs is shown, whatever became of its manifest.
void Controller::declareLeft() {
  const auto declare = [&](const api::ObjectKey& key, const Left& left) {
    if (left.byName || environment_.objects.find(key) != nullptr) return;
    const auto known = environment_.state.identityOf(key);
    api::Identity identity = known.value_or(api::Identity{});
    identity.deletionTimestamp.reset();
    environment_.objects.declare(nameOnly(key, left.root, left.file), identity, environment_.now());
  };
  for (const auto& [key, places] : left_) {
    if (absences_.contains(key)) declare(key, places.front());
  }
  for (const auto& [key, left] : mistaken_) declare(key, left);
}

/// Whether an object is missing from a source that does not say whether somebody removed it.
bool Controller::isUncertain(const api::ObjectKey& key) const {
  const auto absence = absences_.find(key);
  return absence != absences_.end() && absence->second.reason == Reason::PruneBlocked;
}

/// Says of what runs, and is declared with a mistake, what the mistake is.
void Controller::reportMistaken() {
  for (const auto& [key, left] : mistaken_) {
    const ObjectViewPtr view = environment_.objects.find(key);
    const auto problem = std::ranges::find(snapshot_->problems, key, &api::Problem::object);
    if (view == nullptr || problem == snapshot_->problems.end() || !speaksFor(left.instance)) continue;
    api::Status status = view->status;
    status.observedGeneration = view->identity.generation;
    status.instance = left.instance;
    status.conditions = api::stalledConditions(
        {problem->reason, sentences({problem->toString(), "What runs is left as it is."})},
        environment_.now());
    environment_.objects.report(key, std::move(status), environment_.listener);
  }
}

}  // namespace rookery::reconcile
