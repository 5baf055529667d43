#include "serve/root_gauges.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "api/outdated.h"

namespace rookery::serve {

namespace {

prometheus::Family<prometheus::Gauge>& family(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

bool isReadable(const source::Root& root) {
  return root.complete && std::ranges::none_of(root.obstacles, [](const source::Obstacle& obstacle) {
           return obstacle.unseen && obstacle.silence.reason == Reason::SourceUnreadable;
         });
}

}  // namespace

RootGauges::RootGauges(prometheus::Registry& registry)
    : readable_(family(registry, "rookery_manifest_root_readable",
                       "1 where the root and all that may hold manifests in it could be read.")),
      locked_(family(registry, "rookery_manifest_root_locked_timestamp_seconds",
                     "Since when a lock of git says that a checkout of the root is under way, since the Unix "
                     "epoch; 0: there is none.")),
      blocked_(family(registry, "rookery_manifest_root_prune_blocked",
                      "What keeps things that are missing from the root from being destroyed, by reason.")),
      info_(family(registry, "rookery_manifest_root_info",
                   "Always 1; the labels say which commit of Git the root had when it was read last, and its "
                   "branch. None where it is no checkout.")) {}

void RootGauges::update(const source::Snapshot& snapshot) {
  for (const source::Root& root : snapshot.roots) update(snapshot, root);
}

void RootGauges::update(const source::Snapshot& snapshot, const source::Root& root) {
  const std::string name = root.path.string();
  readable_.Add({{"root", name}}).Set(isReadable(root) ? 1 : 0);
  const auto since = root.lockedSince.value_or(source::SystemTime()).time_since_epoch();
  locked_.Add({{"root", name}}).Set(std::chrono::duration<double>(since).count());
  tellRevision(root);
  std::map<Reason, int> counts;
  for (const api::Silence& silence : snapshot.silences(root)) ++counts[silence.reason];
  std::set<Reason>& shown = reasons_[root.path];
  for (const auto& [reason, count] : counts) shown.insert(reason);
  for (const Reason reason : shown)
    blocked_.Add({{"root", name}, {"reason", std::string(toString(reason))}}).Set(counts[reason]);
}

/// The series of the commit before ends, so that there is one for each root.
void RootGauges::tellRevision(const source::Root& root) {
  prometheus::Gauge* now = nullptr;
  if (root.revision) {
    now = &info_.Add(
        {{"root", root.path.string()}, {"commit", root.revision->commit}, {"branch", root.revision->branch}});
    now->Set(1);
  }
  prometheus::Gauge*& before = infos_[root.path];
  if (before != nullptr && before != now) info_.Remove(before);
  before = now;
}

}  // namespace rookery::serve
