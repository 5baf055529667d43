#pragma once

#include <filesystem>
#include <set>

#include "image/inspector.h"
#include "reconcile/credential_files.h"
#include "reconcile/environment.h"
#include "reconcile/resolve.h"

namespace rookery::reconcile {

/// Resolves one snapshot after the other (desired.h): remembers what the files of credentials held, and of
/// which of them it has warned. On the controller's strand.
class SnapshotResolver {
 public:
  /// Both must outlive it.
  SnapshotResolver(const Environment& environment, image::Inspector& inspector);

  /// `inventories`: all that there are. The others: as in ResolveInput.
  Resolution resolve(source::SnapshotPtr snapshot, plan::Inventories inventories,
                     const StandingOf& standingOf = {},
                     const std::map<std::string, std::map<std::string, plan::PolicyUse>>& uses = {},
                     const std::map<std::string, std::chrono::milliseconds>& outOfReach = {});
  /// Warns of each private key that everybody can read once, and again when it was mended in between.
  void warnOfExposedKeys(const Resolution& resolution);

 private:
  const Environment& environment_;
  image::Inspector& inspector_;
  file::Settling settling_;  // where the environment has none
  CredentialFiles credentials_;
  Resolver resolver_;
  std::set<std::filesystem::path> exposedKeys_;  // that were warned of
};

}  // namespace rookery::reconcile
