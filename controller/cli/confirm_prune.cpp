#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "api/annotations.h"
#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/fleet_options.h"
#include "cli/list_watch.h"
#include "cli/verbs.h"
#include "plan/inventory.h"
#include "reconcile/confirmations.h"
#include "sentence.h"
#include "state/state_dir.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

constexpr std::chrono::seconds answerPatience{10};

struct ConfirmOptions {
  std::vector<std::string> ids;
  std::filesystem::path stateDir = state::StateDir::defaultPath();
  ClientOptions client;
};

bool isConfirmationId(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  return text.size() == plan::confirmationIdLength &&
         text.find_first_not_of(digits) == std::string_view::npos;
}

/// Whether `id` stands in a message, or in a list of IDs, as a word of its own.
bool hasWord(std::string_view text, std::string_view id) {
  const auto apart = [&](std::size_t at) {
    return at >= text.size() || std::isalnum(static_cast<unsigned char>(text[at])) == 0;
  };
  for (std::size_t at = text.find(id); at != std::string_view::npos; at = text.find(id, at + 1)) {
    if ((at == 0 || apart(at - 1)) && apart(at + id.size())) return true;
  }
  return false;
}

std::string readyMessageOf(const json& instance) {
  return api::textByPath(instance, R"(.status.conditions[?(@.type=="Ready")].message)");
}

/// The IDs that are confirmed on it already, as they stand there.
std::string confirmedOn(const json& instance) {
  const json& annotations = api::memberOf(api::memberOf(instance, "metadata"), "annotations");
  return api::textAt(annotations, api::confirmPruneAnnotation);
}

/// The AlbatrossInstance whose Ready condition names the set. Errors: as list(); UsageError (none does).
Result<json> holderOf(const ApiClient& client, const ConfirmOptions& options, const ApiResource& instances,
                      const std::string& id) {
  auto listing = list(client, {instances.path(std::nullopt), "", ""});
  if (!listing) return std::unexpected(listing.error());
  for (json& instance : listing->items) {
    if (hasWord(readyMessageOf(instance), id)) return std::move(instance);
  }
  return fail(Reason::UsageError,
              fmt::format("No set of unikernels with the ID {} waits for a confirmation at {}. `rookery "
                          "describe alba NAME` shows the sets that an AlbatrossInstance withholds: ten at "
                          "most, so that others may have to be confirmed first.",
                          id, options.client.server));
}

Error cannotConfirmThere(const std::string& refusal, const std::string& name, const std::string& id) {
  return {Reason::Refused,
          sentences({refusal, fmt::format("Confirm it on the machine of the controller, with `rookery "
                                          "confirm-prune {}` and the --state-dir that it runs with; or write "
                                          "the annotation {}: {} on AlbatrossInstance {} where that is "
                                          "declared: in its file, or with kubectl in its cluster.",
                                          id, api::confirmPruneAnnotation, id, name)})};
}

/// Writes the ID on the AlbatrossInstance that withholds the set; says so in a sentence. Errors: as
/// holderOf(), ApiClient::patch; Refused (it cannot be written there: says what can be done instead).
Result<std::string> confirmByApi(const ApiClient& client, const ConfirmOptions& options,
                                 const std::string& id) {
  constexpr int mostAttempts = 5;  // somebody else may change it meanwhile, its status for one
  if (!isConfirmationId(id)) {
    return fail(Reason::UsageError,
                "That is no ID of a set of unikernels: it has twelve hexadecimal digits.");
  }
  const auto resource = ApiResource::named("albatrossinstances");
  if (!resource) return std::unexpected(resource.error());
  std::string refusal;
  for (int attempt = 0; attempt < mostAttempts; ++attempt) {
    const auto holder = holderOf(client, options, *resource, id);
    if (!holder) return std::unexpected(holder.error());
    const std::string name = api::textByPath(*holder, ".metadata.name");
    const std::string before = confirmedOn(*holder);
    if (hasWord(before, id)) return fmt::format("{} is confirmed on AlbatrossInstance {} already.", id, name);
    const std::string all = before.empty() ? id : fmt::format("{},{}", before, id);
    // With the version that was seen: what others confirm at the same time stays.
    const json change = {{"metadata",
                          {{"resourceVersion", api::textByPath(*holder, ".metadata.resourceVersion")},
                           {"annotations", {{std::string(api::confirmPruneAnnotation), all}}}}}};
    const auto patched = client.patch(resource->path(std::nullopt, name), change);
    if (!patched) return std::unexpected(patched.error());
    using End = ApiClient::Changed::End;
    if (patched->end == End::Refused) return std::unexpected(cannotConfirmThere(patched->refusal, name, id));
    if (patched->end == End::Done)
      return fmt::format("Confirmed on AlbatrossInstance {}: the set {} is destroyed now.", name, id);
    refusal = patched->refusal;
  }
  return fail(Reason::Refused, refusal);
}

int confirmAtServer(const ConfirmOptions& options, const Console& console) {
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  int status = 0;
  for (const std::string& id : options.ids) {
    if (const auto said = confirmByApi(*client, options, id)) {
      console.out << *said << '\n';
    } else {
      status = failed(console, said.error());
    }
  }
  return status;
}

int confirm(const ConfirmOptions& options, const Console& console) {
  const reconcile::Confirmations confirmations(options.stateDir);
  int status = 0;
  for (const std::string& id : options.ids) {
    if (const auto said = confirmations.ask(id, answerPatience)) {
      console.out << *said << '\n';
    } else {
      status = failed(console, said.error());
    }
  }
  return status;
}

}  // namespace

void addConfirmPrune(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand(
      "confirm-prune", "Let the running controller destroy a set of unikernels that vanished at once");
  verb->footer(
      "The prune guard keeps what vanishes at once; the log, `rookery describe alba NAME` and `rookery plan` "
      "say which, and the ID of the set. It is confirmed by a file in the controller's state directory, on "
      "its "
      "machine; with --server, from anywhere, by the annotation rookery.dev/confirm-prune on the "
      "AlbatrossInstance, which takes an API that may write it (run --api-store). Of the objects of a "
      "cluster "
      "the same is said with that annotation.\n\n"
      "Examples:\n"
      "  rookery confirm-prune 4f0c1b2a3d4e\n"
      "  rookery confirm-prune 4f0c1b2a3d4e --server https://rookery.example:8443 --token-file token");
  const auto options = std::make_shared<ConfirmOptions>();
  verb->add_option("ID", options->ids, "Of the set; repeatable")->required();
  auto* stateDir =
      addStateDir(*verb, options->stateDir, "That of the controller; who may write there may confirm");
  // ROOKERY_SERVER does not choose it: who reads there may be able to confirm on this machine only.
  auto* server = addClientOptions(*verb, options->client)
                     ->envname("")
                     ->default_str("")
                     ->description(
                         "Confirm at the controller that listens there, http://… or https://…, "
                         "instead of by its state directory");
  verb->callback([options, console, server, stateDir, &status] {
    const char* variable = std::getenv(stateDir->get_envname().c_str());
    const bool written = stateDir->count() > 0 && (variable == nullptr || options->stateDir != variable);
    if (written && server->count() > 0) throw CLI::ExcludesError("--server", "--state-dir");
    status = server->count() > 0 ? confirmAtServer(*options, console) : confirm(*options, console);
  });
}

}  // namespace rookery::cli
