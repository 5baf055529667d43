#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "api/expand.h"
#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

struct LogsOptions {
  std::string name;
  std::string nameSpace = "default";
  bool follow = false, timestamps = false, previous = false, allLives = false;
  std::optional<std::uint64_t> tail;
  std::string since;
  std::string instance;
  ClientOptions client;
};

Result<std::string> queryOf(const LogsOptions& options) {
  std::string query = fmt::format("?follow={}&timestamps={}&previous={}&allLives={}", options.follow,
                                  options.timestamps, options.previous, options.allLives);
  if (options.tail) query += fmt::format("&tailLines={}", *options.tail);
  if (!options.instance.empty()) query += "&instance=" + percentEncode(options.instance);
  if (options.since.empty()) return query;
  const auto since = api::parseDuration(options.since);
  if (!since) return std::unexpected(since.error());
  return query + fmt::format("&sinceSeconds={}", std::chrono::ceil<std::chrono::seconds>(*since).count());
}

/// Of one that is on several instances and of which nobody has said which is meant: whose console is shown.
void tellWhich(const ApiClient& client, const ApiResource& resource, const LogsOptions& options,
               const Console& console) {
  if (!options.instance.empty()) return;
  const auto object = client.getIfPresent(resource.path(options.nameSpace, options.name));
  if (!object || !*object) return;
  const nlohmann::json* placements = api::findByPath(**object, ".status.placements");
  if (placements == nullptr || !placements->is_array() || placements->size() < 2) return;
  say(console.err, "",
      fmt::format("It is on {}; this is {}. --instance shows another.",
                  api::textByPath(**object, ".status.placedOn"),
                  api::textByPath(**object, ".status.instance")));
}

int logs(const LogsOptions& options, const Console& console) {
  const auto query = queryOf(options);
  if (!query) return failed(console, query.error());
  const auto resource = ApiResource::named("unikernels");
  check(resource.has_value(), "unikernels are a kind");
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  tellWhich(*client, *resource, options, console);
  const auto ended = client->read(resource->path(options.nameSpace, options.name) + "/log" + *query,
                                  [&](std::string_view text) {
                                    console.out << text;
                                    return static_cast<bool>(console.out.flush());
                                  });
  return ended ? 0 : failed(console, ended.error());
}

}  // namespace

void addLogs(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("logs", "Show what a unikernel prints on its console");
  verb->footer(
      "A server keeps the last 1024 lines of each unikernel, also when it has ended or was replaced. Shown "
      "is "
      "what was printed since it was started; of one that does not run, all that was kept. Control "
      "characters "
      "and what is not UTF-8 are escaped, and what a Secret put into the arguments is redacted.\n\n"
      "Examples:\n"
      "  rookery logs web -n shop\n"
      "  rookery logs web -n shop -f --tail 20       # and what comes, until Ctrl-C\n"
      "  rookery logs web -n shop --instance eu-2    # of one that is on several\n"
      "  rookery logs web -n shop --previous         # why did it end?\n"
      "  rookery logs web -n shop --since 10m --timestamps\n"
      "  kubectl get --raw '/apis/rookery.dev/v1alpha1/namespaces/shop/unikernels/web/log?tailLines=20'");
  const auto options = std::make_shared<LogsOptions>();
  verb->add_option("NAME", options->name, "The unikernel")
      ->required()
      ->transform(nameOfA(api::Kind::Unikernel));
  addNamespaceOption(*verb, options->nameSpace);
  verb->add_flag("-f,--follow", options->follow, "Go on with what it prints, until interrupted");
  verb->add_option("--tail", options->tail, "Only the last lines of what was kept")->type_name("N");
  verb->add_option("--since", options->since, "Only what was printed lately: 90s, 10m, 1h30m")
      ->type_name("DURATION");
  verb->add_option("--instance", options->instance,
                   "Where it is on several instances (spec.placement): of which; else the first by name");
  verb->add_flag("--timestamps", options->timestamps, "The server's time before each line");
  auto* previous = verb->add_flag("-p,--previous", options->previous,
                                  "What was printed before it was started last, instead");
  previous->excludes(verb->get_option("--follow"));
  verb->add_flag("--all-lives", options->allLives, "What was printed before it was started last, too")
      ->excludes(previous);
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = logs(*options, console); });
}

}  // namespace rookery::cli
