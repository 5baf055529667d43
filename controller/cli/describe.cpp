#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/description.h"
#include "cli/failure.h"
#include "cli/list_watch.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

struct DescribeOptions {
  std::vector<std::string> objects;  // see objectsNamed()
  std::string nameSpace = "default";
  ClientOptions client;
};

Result<json> eventsAbout(const ApiClient& client, const ApiResource& resource, const std::string& name,
                         const DescribeOptions& options) {
  const auto events = ApiResource::named("events");
  check(events.has_value(), "events are a kind");
  // Those about what has no namespace may be in any.
  ObjectQuery query{.path = resource.namespaced ? events->path(options.nameSpace) : events->path({}),
                    .labelSelector = "",
                    .fieldSelector = fmt::format("involvedObject.kind={},involvedObject.name={}",
                                                 resource.kind, escapeFieldValue(name))};
  if (resource.namespaced) {
    query.fieldSelector += ",involvedObject.namespace=" + escapeFieldValue(options.nameSpace);
  }
  auto listing = list(client, query);
  if (!listing) return std::unexpected(listing.error());
  return std::move(listing->items);
}

/// The last lines that a unikernel printed which is not Ready, in all its lives; of others nothing.
Result<std::string> lastLinesOf(const ApiClient& client, const ApiResource& resource, const std::string& name,
                                const DescribeOptions& options, const json& object) {
  constexpr std::size_t longest = std::size_t{1} << 20;
  const bool ready = api::textByPath(object, R"(.status.conditions[?(@.type=="Ready")].status)") == "True";
  if (resource.kind != "Unikernel" || ready || api::textByPath(object, ".status.instance").empty()) return "";
  std::string lines;
  const auto read =
      client.read(resource.path(options.nameSpace, name) + "/log?allLives=true&timestamps=true&tailLines=20",
                  [&](std::string_view text) {
                    lines += text;
                    return lines.size() < longest;
                  });
  if (!read) return std::unexpected(read.error());
  return lines;
}

/// What is said of one. Errors: as find().
Result<std::string> describe(const ApiClient& client, const ApiResource& resource, const std::string& name,
                             const DescribeOptions& options) {
  auto object = find(client, resource, options.nameSpace, name);
  if (!object) return std::unexpected(object.error());
  const auto lastLines = lastLinesOf(client, resource, name, options, *object);
  return description(resource.presentable(*std::move(object)), eventsAbout(client, resource, name, options),
                     lastLines, std::chrono::system_clock::now());
}

int describe(const DescribeOptions& options, const Console& console) {
  const auto wanted = objectsNamed(options.objects);
  if (!wanted) return failed(console, wanted.error());
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  int status = 0;
  bool first = true;
  for (const ResourceArgument& each : *wanted) {
    for (const std::string& name : each.names) {
      const auto text = describe(*client, each.resource, name, options);
      if (!text) {
        status = failed(console, text.error());
        continue;
      }
      if (!std::exchange(first, false)) console.out << "\n\n";
      console.out << *text;
    }
  }
  return status;
}

}  // namespace

void addDescribe(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("describe", "Show all about an object, and what happened to it lately");
  verb->footer(
      "KIND is any name that `rookery get` takes.\n\n"
      "Examples:\n"
      "  rookery describe uk web -n shop   # spec, conditions, last action, images so far, events\n"
      "  rookery describe alba eu-1        # or: rookery describe alba/eu-1\n"
      "  rookery describe ukpol limits -n shop");
  const auto options = std::make_shared<DescribeOptions>();
  verb->add_option("OBJECT", options->objects, "What to show: KIND NAME… or KIND/NAME…")
      ->required()
      ->type_name("KIND NAME… | KIND/NAME…");
  addNamespaceOption(*verb, options->nameSpace);
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = describe(*options, console); });
}

}  // namespace rookery::cli
