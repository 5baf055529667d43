#include "source/snapshot.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "api/path.h"

namespace rookery::source {

namespace {

/// The valid objects of the manifests; what else they say goes to `snapshot`.
std::vector<api::ObjectPtr> collect(const Tree& tree,
                                    const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                                    Snapshot& snapshot) {
  std::vector<api::ObjectPtr> objects;
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    if (manifests[i] == nullptr) continue;
    const api::Manifest& manifest = *manifests[i];
    const ManifestFile& file = tree.files[i];
    ++snapshot.files;
    std::ranges::copy(manifest.objects, std::back_inserter(objects));
    std::ranges::copy(manifest.problems, std::back_inserter(snapshot.problems));
    snapshot.declared.insert(manifest.invalid.begin(), manifest.invalid.end());
    if (!manifest.parsed) {
      snapshot.unreliable.insert(file.path);
      snapshot.unreliable.insert(file.aliases.begin(), file.aliases.end());
    }
  }
  return objects;
}

/// Marks the roots that hold an unreliable file without last good objects. Somebody may just have renamed it
/// and left a mistake in it: what is missing elsewhere can be in there.
void markOpaque(Snapshot& snapshot, const Snapshot* previous) {
  std::set<std::filesystem::path> known;
  if (previous != nullptr) {
    for (const api::ObjectPtr& object : previous->objects) known.insert(object->origin.file);
  }
  for (const std::filesystem::path& file : snapshot.unreliable) {
    if (known.contains(file)) continue;
    for (Root& root : snapshot.roots) root.opaque = root.opaque || api::liesBelow(file, root.path);
  }
}

void sortProblems(std::vector<api::Problem>& problems) {
  std::ranges::stable_sort(problems, {}, [](const api::Problem& problem) {
    const api::Origin& origin = problem.origin;
    return std::tie(origin.file, origin.line, origin.column, problem.field, problem.message);
  });
}

}  // namespace

bool Snapshot::tellsAbsence(const api::Origin& origin) const {
  const auto root = std::ranges::find(roots, origin.root, &Root::path);
  return root != roots.end() && root->complete && !root->gitLocked && !root->opaque &&
         !unreliable.contains(origin.file);
}

SnapshotPtr compose(Tree tree, const std::vector<std::shared_ptr<const api::Manifest>>& manifests,
                    const Previous& previous, std::chrono::system_clock::time_point scannedAt) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->scannedAt = scannedAt;
  snapshot->begun = tree.begun;
  snapshot->unreliable = std::move(tree.unreadable);
  snapshot->files = snapshot->unreliable.size();
  snapshot->problems = std::move(tree.problems);
  const std::vector<api::ObjectPtr> valid = collect(tree, manifests, *snapshot);
  snapshot->roots = std::move(tree.roots);
  markOpaque(*snapshot, previous.snapshot);

  const std::set<api::ObjectKey> duplicates = api::findDuplicates(valid, snapshot->problems);
  std::map<api::ObjectKey, api::ObjectPtr> objects;
  for (const api::ObjectPtr& object : valid) {
    snapshot->declared.insert(object->key());
    if (!duplicates.contains(object->key())) objects.emplace(object->key(), object);
  }
  if (previous.snapshot != nullptr) {
    for (const api::ObjectPtr& object : previous.snapshot->objects) {
      const bool gone = !snapshot->declared.contains(object->key()) &&
                        (previous.removed.contains(object->key()) || snapshot->tellsAbsence(object->origin));
      if (!gone) objects.emplace(object->key(), object);
    }
  }
  for (const auto& [key, object] : objects) {
    snapshot->declared.insert(key);
    snapshot->objects.push_back(object);
    const auto root = std::ranges::find(snapshot->roots, object->origin.root, &Root::path);
    if (root != snapshot->roots.end()) ++root->objects;
  }
  sortProblems(snapshot->problems);
  return snapshot;
}

}  // namespace rookery::source
