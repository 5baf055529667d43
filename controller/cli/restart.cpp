#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "api/annotations.h"
#include "api/status.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

struct RestartOptions {
  std::vector<std::string> names;
  std::string nameSpace = "default";
  ClientOptions client;
};

/// Errors: as ApiClient::patch; Refused (it cannot be written there: says what can be done instead).
Result<void> requestRestart(const ApiClient& client, const ApiResource& unikernels,
                            const RestartOptions& options, const std::string& name) {
  const std::string now = api::toRfc3339(std::chrono::system_clock::now());
  const nlohmann::json change = {
      {"metadata", {{"annotations", {{std::string(api::restartedAtAnnotation), now}}}}}};
  const auto patched = client.patchInSpiteOfOthers(unikernels.path(options.nameSpace, name), change);
  if (!patched) return std::unexpected(patched.error());
  if (patched->end == ApiClient::Changed::End::Done) return {};
  return fail(Reason::Refused,
              sentences({patched->refusal,
                         fmt::format("Where Unikernel {}/{} is declared, in its file or with kubectl in its "
                                     "cluster, the annotation {}: \"{}\" restarts it, too.",
                                     options.nameSpace, name, api::restartedAtAnnotation, now)}));
}

int restart(const RestartOptions& options, const Console& console) {
  const auto resource = ApiResource::named("unikernels");
  check(resource.has_value(), "unikernels are a kind");
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  int status = 0;
  for (const std::string& name : options.names) {
    const auto requested = requestRestart(*client, *resource, options, name);
    if (requested) {
      console.out << fmt::format("Unikernel {}/{} is to be restarted.\n", options.nameSpace, name);
    } else {
      status = failed(console, requested.error());
    }
  }
  return status;
}

}  // namespace

void addRestart(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("restart", "Restart unikernels, as they are declared");
  verb->footer(
      "Writes the annotation rookery.dev/restartedAt, with the time, on the objects: that takes an API that "
      "may write them (run --api-store). In a manifest's file, or in a cluster, the same annotation with "
      "another value than before does the same.\n\n"
      "Examples:\n"
      "  rookery restart web -n shop\n"
      "  kubectl annotate uk web -n shop --overwrite rookery.dev/restartedAt=\"$(date -Is)\"");
  const auto options = std::make_shared<RestartOptions>();
  verb->add_option("NAME", options->names, "The unikernels")
      ->required()
      ->transform(nameOfA(api::Kind::Unikernel));
  addNamespaceOption(*verb, options->nameSpace);
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = restart(*options, console); });
}

}  // namespace rookery::cli
