#include "reconcile/applied_revisions.h"

#include <algorithm>
#include <utility>

namespace rookery::reconcile {

namespace {

std::set<std::string> rootsOf(const plan::Desired& desired) {
  std::set<std::string> roots = {desired.instance->origin.root.native()};
  const auto add = [&](const api::ObjectPtr& object) {
    const std::string& root = object->origin.root.native();
    if (!roots.contains(root)) roots.insert(root);
  };
  for (const auto& [key, unikernel] : desired.unikernels) add(unikernel.object);
  for (const auto& [key, volume] : desired.volumes) add(volume.object);
  for (const auto& [nameSpace, policy] : desired.policies) add(policy.object);
  return roots;
}

/// What is suspended stands as its manifest wants it.
bool standsAsDeclared(const ObjectViewPtr& view) {
  if (view == nullptr) return false;
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  return ready != nullptr &&
         (ready->status == api::Condition::Status::True || ready->reason == Reason::Suspended);
}

}  // namespace

void AppliedRevisions::distributed(const source::Snapshot& snapshot, const Instances& desired) {
  std::set<std::string> mistaken;
  for (const api::Problem& problem : snapshot.problems) mistaken.insert(problem.origin.root.native());
  checkouts_.clear();
  for (const source::Root& root : snapshot.roots) {
    if (!root.revision) continue;
    const bool whole =
        root.complete && !root.gitLocked && !root.hidden && !mistaken.contains(root.path.native());
    checkouts_[root.path.native()] = {*root.revision, whole};
  }
  std::erase_if(known_, [&](const auto& item) { return !desired.contains(item.first); });
  if (checkouts_.empty() && known_.empty()) return;
  for (const auto& [name, item] : desired) {
    if (!environment_.commands(name)) continue;
    Known& known = known_[name];
    if (known.desired != item) known.roots = rootsOf(*item);
    known.desired = item;
    tell(name, known);
  }
}

void AppliedRevisions::roundEnded(const std::string& instance) {
  if (const auto known = known_.find(instance); known != known_.end()) tell(instance, known->second);
}

void AppliedRevisions::tell(const std::string& instance, Known& known) {
  std::vector<api::SourceStatus> sources;
  std::vector<std::string> applied;
  std::optional<bool> asDeclared;  // once that was asked for
  for (const std::string& root : known.roots) {
    const auto checkout = checkouts_.find(root);
    if (checkout == checkouts_.end()) continue;
    api::SourceStatus source{.root = root,
                             .lastAttemptedRevision = checkout->second.revision.toString(),
                             .lastAppliedRevision = {}};
    const auto before = std::ranges::find(known.told, root, &api::SourceStatus::root);
    if (before != known.told.end()) source.lastAppliedRevision = before->lastAppliedRevision;
    if (source.lastAppliedRevision != source.lastAttemptedRevision && checkout->second.whole) {
      if (!asDeclared) asDeclared = isAsDeclared(instance);
      if (*asDeclared) {
        source.lastAppliedRevision = source.lastAttemptedRevision;
        applied.push_back(root);
      }
    }
    sources.push_back(std::move(source));
  }
  if (sources == known.told) return;
  known.told = std::move(sources);
  environment_.objects.noteSources(known.desired->instance->key(), known.told);
  for (const std::string& root : applied)
    environment_.listener.revisionApplied(instance, root, checkouts_.at(root).revision);
}

/// By the last look, which was about what is desired now.
bool AppliedRevisions::isAsDeclared(const std::string& instance) const {
  const Standing standing = standing_(instance);
  if (standing.desired == nullptr || standing.last == nullptr || !standing.last->finished ||
      standing.last->failure || !standing.last->removals.empty() || standing.desired->withheldUnikernels > 0)
    return false;
  const plan::Desired& desired = *standing.desired;
  if (std::ranges::any_of(desired.absences, [&](const auto& item) { return desired.goesLater(item.second); }))
    return false;
  const auto stands = [&](const api::ObjectKey& key) {
    return standsAsDeclared(environment_.objects.find(key));
  };
  return std::ranges::all_of(desired.unikernels, [&](const auto& item) { return stands(item.first); }) &&
         std::ranges::all_of(desired.volumes, [&](const auto& item) { return stands(item.first); }) &&
         std::ranges::all_of(desired.policies,
                             [&](const auto& item) { return stands(item.second.object->key()); });
}

}  // namespace rookery::reconcile
