#include "cli/fleet_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <string_view>

#include "api/expand.h"
#include "cli/manifests.h"

namespace rookery::cli {

namespace {

/// A path as a shell takes it.
std::string forShell(const std::filesystem::path& path) {
  const std::string& text = path.string();
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("/._-+:@%,").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) return text;
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'') {
      safe += "'\\''";
    } else {
      safe += c;
    }
  }
  return safe + "'";
}

CLI::Option* addSize(CLI::App& verb, const std::string& name, std::int64_t& mi, const std::string& help) {
  const auto take = [name, &mi](const std::string& text) {
    const auto size = api::parseMi(text);
    if (!size) throw CLI::ValidationError(name, size.error().message);
    mi = *size;
  };
  return verb.add_option_function<std::string>(name, take, help)->type_name("SIZE");
}

}  // namespace

std::string confirmAtController(const FleetOptions& options, const std::string& id) {
  const bool other = options.stateDir != state::StateDir::defaultPath();
  return fmt::format("rookery confirm-prune {}{}, or at a start with --confirm-prune {}",
                     other ? fmt::format("--state-dir {} ", forShell(options.stateDir)) : "", id, id);
}

std::string confirmByApply(const std::vector<std::filesystem::path>& roots, const std::string& id) {
  return "rookery apply" + asOptions(roots) + " --prune --confirm-prune " + id;
}

std::string asOptions(const std::vector<std::filesystem::path>& roots) {
  std::string options;
  for (const auto& root : roots) options += " -f " + forShell(root);
  return options;
}

CLI::Option* addStateDir(CLI::App& verb, std::filesystem::path& stateDir, const std::string& help) {
  return verb.add_option("--state-dir", stateDir, help)
      ->envname("ROOKERY_STATE_DIR")
      ->type_name("DIR")
      ->default_str("/var/lib/rookery for root, else $XDG_STATE_HOME/rookery or ~/.local/state/rookery");
}

void addFleetOptions(CLI::App& verb, FleetOptions& options) {
  addStateDir(verb, options.stateDir,
              "Where it is remembered which unikernels are ours; one process at a time may hold it");
  addImageRoots(verb, options.imageRoots);
  addSize(verb, "--image-store-size", options.imageStoreSize,
          "The most that images which came by URL or through the API take in the state directory, those on "
          "their way included")
      ->default_str("20Gi");
  addMaxImageSize(verb, options.maxImageSize);
  verb.add_option("--image-hosts", options.imageHosts,
                  "The only hosts that images may come from by URL: names, *.NAME, addresses, blocks of them "
                  "(10.1.0.0/16), `public` for all public addresses, `*` for all; repeatable. Without it, "
                  "manifests from folders may name any host, and objects that come through the API or from a "
                  "cluster only those with public addresses")
      ->delimiter(',')
      ->envname("ROOKERY_IMAGE_HOSTS")
      ->check([](const std::string& entry) {
        const auto hosts = image::Hosts::parse({entry});
        return hosts ? std::string() : hosts.error().message;
      })
      ->type_name("HOST");
}

void addImageRoots(CLI::App& verb, std::vector<std::filesystem::path>& roots) {
  verb.add_option("--image-root", roots,
                  "A folder besides the manifest roots that images may lie in; repeatable")
      ->envname("ROOKERY_IMAGE_ROOT")
      ->type_name("DIR");
}

void addMaxImageSize(CLI::App& verb, std::int64_t& size) {
  addSize(verb, "--max-image-size", size, "The most that one image has: larger files are not read")
      ->default_str("4Gi");
}

CLI::Option* addConfirmOption(CLI::App& verb, FleetOptions& options) {
  return verb.add_option(
      "--confirm-prune", options.confirmed,
      "Destroy also the set of unikernels with this ID, which the prune guard printed; repeatable");
}

void addPruneOptions(CLI::App& verb, FleetOptions& options) {
  auto* prune = verb.add_flag("--prune", options.prune,
                              "Destroy what came from the same manifests and is not declared there any more");
  addConfirmOption(verb, options)->needs(prune);
}

Result<reconcile::GuardOptions> guardOf(const FleetOptions& options) {
  if (options.prune && namesStandardInput(options.roots)) {
    return fail(Reason::UsageError,
                "--prune needs manifests in files: what is missing from standard input was perhaps never in "
                "there, or cut off.");
  }
  return reconcile::GuardOptions{
      .prune = options.prune,
      .settle = false,
      .confirmed = options.confirmedSet(),
      .howToConfirm = [roots = options.roots](const std::string& id) { return confirmByApply(roots, id); },
      .whyNot = "pruning was not asked for (--prune)"};
}

}  // namespace rookery::cli
