#include "reconcile/snapshot_resolver.h"

#include "reconcile/key_file.h"

namespace rookery::reconcile {

SnapshotResolver::SnapshotResolver(const Environment& environment, image::Inspector& inspector)
    : environment_(environment),
      inspector_(inspector),
      credentials_(environment.settling != nullptr ? *environment.settling : settling_),
      resolver_(credentials_) {}

Resolution SnapshotResolver::resolve(
    source::SnapshotPtr snapshot, plan::Inventories inventories, const StandingOf& standingOf,
    const std::map<std::string, std::map<std::string, plan::PolicyUse>>& uses,
    const std::map<std::string, std::chrono::milliseconds>& outOfReach) {
  const auto identify = [&](const api::ObjectKey& key, const std::string& digest) {
    return environment_.state.identify(key, digest, environment_.now());
  };
  return resolver_.resolve({.snapshot = std::move(snapshot),
                            .inventories = std::move(inventories),
                            .volumes = environment_.state.volumes(),
                            .images = {.inspector = inspector_,
                                       .roots = environment_.imageRoots,
                                       .store = environment_.imageStore,
                                       .puller = environment_.puller,
                                       .lookout = environment_.lookout,
                                       .apiStore = environment_.apiStore},
                            .identify = identify,
                            .identityChanges = environment_.state.identityChanges(),
                            .standingOf = standingOf,
                            .uses = uses,
                            .outOfReach = outOfReach});
}

void SnapshotResolver::warnOfExposedKeys(const Resolution& resolution) {
  for (const auto& [name, desired] : resolution.instances) {
    const auto* files = std::get_if<api::AlbatrossInstance::Files>(&desired->spec().credentials);
    if (files == nullptr) continue;
    const auto exposure = exposureOf(files->privateKey);
    if (!exposure) {
      exposedKeys_.erase(files->privateKey);
    } else if (exposedKeys_.insert(files->privateKey).second) {
      environment_.listener.warned(name, Reason::CredentialInvalid, *exposure);
    }
  }
}

}  // namespace rookery::reconcile
