#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/fleet.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace rookery::cli {

/// Mi: what --max-image-size is where nobody gives it.
inline constexpr std::int64_t defaultMaxImageSize = image::defaultLargestImage >> 20;

/// Options that run, apply and plan share, as they stand on the command line.
struct FleetOptions {
  std::vector<std::filesystem::path> roots;
  std::filesystem::path stateDir = state::StateDir::defaultPath();
  std::vector<std::filesystem::path> imageRoots;
  std::int64_t imageStoreSize = 20'480;             // Mi
  std::int64_t maxImageSize = defaultMaxImageSize;  // Mi
  std::vector<std::string> imageHosts;
  std::vector<std::string> confirmed;
  bool prune = false;

  std::uint64_t imageStoreBytes() const { return static_cast<std::uint64_t>(imageStoreSize) << 20; }
  std::uint64_t largestImage() const { return static_cast<std::uint64_t>(maxImageSize) << 20; }
  /// Nothing: --image-hosts was not given.
  std::optional<image::Hosts> hosts() const {
    return imageHosts.empty() ? std::nullopt : std::optional(*image::Hosts::parse(imageHosts));
  }
  std::set<std::string> confirmedSet() const { return {confirmed.begin(), confirmed.end()}; }
};

/// Adds --state-dir, --image-root, --image-store-size, --max-image-size and --image-hosts.
void addFleetOptions(CLI::App& verb, FleetOptions& options);
/// Adds --state-dir, described so.
CLI::Option* addStateDir(CLI::App& verb, std::filesystem::path& stateDir, const std::string& help);
void addImageRoots(CLI::App& verb, std::vector<std::filesystem::path>& roots);
/// --max-image-size; `size` is in Mi.
void addMaxImageSize(CLI::App& verb, std::int64_t& size);
CLI::Option* addConfirmOption(CLI::App& verb, FleetOptions& options);
/// --prune, and --confirm-prune that needs it.
void addPruneOptions(CLI::App& verb, FleetOptions& options);

/// How `plan` and `apply` judge what is not declared any more. Error: UsageError, where the manifests are
/// such that nothing may be pruned by them.
Result<reconcile::GuardOptions> guardOf(const FleetOptions& options);

/// How a set that the prune guard withholds is confirmed, by its ID: at a running controller, or by another
/// apply of these roots.
std::string confirmAtController(const FleetOptions& options, const std::string& id);
std::string confirmByApply(const std::vector<std::filesystem::path>& roots, const std::string& id);

/// " -f ROOT" for each, as a shell takes it.
std::string asOptions(const std::vector<std::filesystem::path>& roots);

}  // namespace rookery::cli
