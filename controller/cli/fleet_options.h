#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/fleet.h"

namespace CLI {
class App;
}

namespace rookery::cli {

/// Options that run, apply and plan share, as they stand on the command line.
struct FleetOptions {
  std::vector<std::filesystem::path> roots;
  std::filesystem::path stateDir = reconcile::StateDir::defaultPath();
  std::vector<std::filesystem::path> imageRoots;
  std::int64_t imageStoreSize = 20'480;  // Mi
  std::vector<std::string> confirmed;

  std::uint64_t imageStoreBytes() const { return static_cast<std::uint64_t>(imageStoreSize) << 20; }
  std::set<std::string> confirmedSet() const { return {confirmed.begin(), confirmed.end()}; }
};

/// Adds --state-dir, --image-root, --image-store-size and, under the name that the verb has for it, the
/// option for manifest roots.
void addFleetOptions(CLI::App& verb, FleetOptions& options, const std::string& rootsName);
void addImageRoots(CLI::App& verb, std::vector<std::filesystem::path>& roots);
void addConfirmPrune(CLI::App& verb, FleetOptions& options);

}  // namespace rookery::cli
