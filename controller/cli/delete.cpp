#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "api/expand.h"
#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

using nlohmann::json;
using Deadline = std::chrono::steady_clock::time_point;

struct DeleteOptions {
  std::vector<std::string> objects;  // see objectsNamed()
  std::string nameSpace = "default";
  bool wait = true;
  std::string timeout = "5m";
  ClientOptions client;
};

/// "Unikernel shop/web".
std::string calledAs(const ApiResource& resource, const DeleteOptions& options, const std::string& name) {
  return resource.namespaced ? fmt::format("{} {}/{}", resource.kind, options.nameSpace, name)
                             : fmt::format("{} {}", resource.kind, name);
}

/// Until the object is gone, tells each new reason for which it is still there. Errors: as
/// ApiClient::getIfPresent; DeadlineExceeded.
Result<void> waitUntilGone(const ApiClient& client, const std::string& path, const std::string& who,
                           Deadline deadline, const Console& console) {
  constexpr std::chrono::milliseconds pollInterval{300};
  std::string uid, told;
  for (;;) {
    const auto object = client.getIfPresent(path);
    if (!object) return std::unexpected(object.error());
    if (!*object) return {};
    const std::string present = api::textByPath(**object, ".metadata.uid");
    if (uid.empty()) uid = present;
    if (present != uid) return {};  // another of that name
    std::string why = api::textByPath(**object, R"(.status.conditions[?(@.type=="Ready")].message)");
    const bool leaving = !api::textByPath(**object, ".metadata.deletionTimestamp").empty();
    if (leaving && !why.empty() && why != told) {
      say(console.err, "", fmt::format("{}: {}", who, why));
      told = std::move(why);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Reason::DeadlineExceeded,
                  sentences({fmt::format("{} is to go, and is not gone yet.", who), told}));
    }
    std::this_thread::sleep_for(pollInterval);
  }
}

/// Errors: as ApiClient::remove and waitUntilGone; Refused.
Result<void> deleteOne(const ApiClient& client, const ApiResource& resource, const DeleteOptions& options,
                       const std::string& name, Deadline deadline, const Console& console) {
  const std::string who = calledAs(resource, options, name);
  const std::string path = resource.path(options.nameSpace, name);
  const auto answer = client.remove(path);
  if (!answer) return std::unexpected(answer.error());
  if (answer->end != ApiClient::Changed::End::Done) return fail(Reason::Refused, answer->refusal);
  return options.wait ? waitUntilGone(client, path, who, deadline, console) : Result<void>();
}

int deleteAll(const DeleteOptions& options, const Console& console) {
  const auto wanted = objectsNamed(options.objects);
  if (!wanted) return failed(console, wanted.error());
  const auto timeout = api::parseDuration(options.timeout);
  if (!timeout) return failed(console, {Reason::UsageError, "--timeout: " + timeout.error().message});
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  const Deadline deadline = std::chrono::steady_clock::now() + *timeout;
  int status = 0;
  for (const ResourceArgument& each : *wanted) {
    for (const std::string& name : each.names) {
      const auto deleted = deleteOne(*client, each.resource, options, name, deadline, console);
      if (deleted) {
        console.out << fmt::format("{} is {}.\n", calledAs(each.resource, options, name),
                                   options.wait ? "gone" : "to be deleted");
      } else {
        status = failed(console, deleted.error());
      }
    }
  }
  return status;
}

}  // namespace

void addDelete(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("delete", "Delete objects that came through the API");
  verb->footer(
      "What the objects declare is destroyed as if their manifests had been removed, under the same rules: "
      "--wait tells what is in the way. That takes an API that may write them (run --api-store); what is "
      "declared in a file of another folder is removed there.\n\n"
      "Examples:\n"
      "  rookery delete uk web -n shop                 # or: rookery delete uk/web -n shop\n"
      "  rookery delete unikernelpolicies limits -n shop --no-wait");
  const auto options = std::make_shared<DeleteOptions>();
  verb->add_option("OBJECT", options->objects, "What is to go: KIND NAME… or KIND/NAME…")
      ->required()
      ->type_name("KIND NAME… | KIND/NAME…");
  addNamespaceOption(*verb, options->nameSpace);
  verb->add_flag("--wait,!--no-wait", options->wait, "Whether to wait until they are gone (default)");
  verb->add_option("--timeout", options->timeout, "How long to wait for all of them")->capture_default_str();
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = deleteAll(*options, console); });
}

}  // namespace rookery::cli
