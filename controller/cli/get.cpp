#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/list_watch.h"
#include "cli/object_table.h"
#include "cli/resource_arguments.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

struct GetOptions {
  std::vector<std::string> resources;  // see resourcesNamed()
  std::string nameSpace = "default";
  bool allNamespaces = false;
  std::string output = "table";
  bool watch = false;
  std::string labelSelector, fieldSelector;
  ClientOptions client;

  std::optional<std::string> where() const { return allNamespaces ? std::nullopt : std::optional(nameSpace); }
  bool isDocument() const { return output == "json" || output == "yaml"; }
};

/// Objects of one kind.
struct Found {
  const ApiResource* resource;
  json objects;
};

/// Several objects as kubectl wraps them.
json listOf(const std::vector<Found>& found) {
  json items = json::array();
  for (const Found& each : found) items.insert(items.end(), each.objects.begin(), each.objects.end());
  return {{"apiVersion", "v1"},
          {"kind", "List"},
          {"metadata", {{"resourceVersion", ""}}},
          {"items", std::move(items)}};
}

void printDocument(const json& document, const GetOptions& options, std::ostream& out) {
  if (options.output == "json") {
    out << yaml::dump(document, 4) << '\n';
  } else {
    out << yaml::toYaml(document);
  }
}

/// Prints objects of one kind in the form that was asked for, one after the other, as they come.
class Printer {
 public:
  /// `qualified`: objects of other kinds stand beside them.
  Printer(const Console& console, const ApiResource& resource, const GetOptions& options, bool qualified)
      : console_(console),
        resource_(resource),
        options_(options),
        tableOptions_{.wide = options.output == "wide",
                      .namespaces = options.allNamespaces && resource.namespaced,
                      .typeName = qualified ? resource.typeName : ""},
        table_(console.out) {}

  /// False: nobody reads them any more.
  bool print(const json& objects) {
    if (options_.isDocument()) {
      for (const json& object : objects) printOne(object);
    } else if (options_.output == "name") {
      for (const json& object : objects) printName(object);
    } else if (!objects.empty()) {
      auto rows = tabulate(resource_.columns, objects, tableOptions_, std::chrono::system_clock::now());
      if (!std::exchange(headed_, true))
        rows.insert(rows.begin(), headings(resource_.columns, tableOptions_));
      table_.print(rows);
    }
    return static_cast<bool>(console_.out.flush());
  }

 private:
  void printOne(const json& object) {
    if (options_.output == "yaml" && std::exchange(headed_, true)) console_.out << "---\n";
    printDocument(object, options_, console_.out);
  }

  void printName(const json& object) {
    console_.out << resource_.typeName << '/' << api::textByPath(object, ".metadata.name") << '\n';
  }

  const Console& console_;
  const ApiResource& resource_;
  const GetOptions& options_;
  const ObjectTableOptions tableOptions_;
  TablePrinter table_;
  bool headed_ = false;  // the table has its headings, the YAML its first document
};

Result<void> checkUse(const std::vector<ResourceArgument>& wanted, const GetOptions& options) {
  const bool named = std::ranges::any_of(wanted, [](const auto& each) { return !each.names.empty(); });
  if (options.watch && (wanted.size() > 1 || wanted.front().names.size() > 1)) {
    return fail(Reason::UsageError,
                "Only one kind, or one object, can be watched at a time: give -w with one of them.");
  }
  if (!named) return {};
  if (options.allNamespaces) {
    return fail(Reason::UsageError,
                "An object cannot be had by its name from all namespaces: give -n or -A.");
  }
  if (!options.labelSelector.empty() || !options.fieldSelector.empty()) {
    return fail(Reason::UsageError, "An object is chosen by its name or by a selector, not by both.");
  }
  return {};
}

ObjectQuery queryOf(const ResourceArgument& wanted, const GetOptions& options) {
  ObjectQuery query{wanted.resource.path(options.where()), options.labelSelector, options.fieldSelector};
  if (!wanted.names.empty()) query.fieldSelector = "metadata.name=" + escapeFieldValue(wanted.names.front());
  return query;
}

/// The objects asked for, one or many, as far as they are there; what is not is told and makes `status` 1.
Listing fetch(const ApiClient& client, const ResourceArgument& wanted, const GetOptions& options,
              const Console& console, int& status) {
  Listing listing;
  const auto take = [&](Result<json> object) {
    if (!object) {
      status = failed(console, object.error());
      return;
    }
    listing.resourceVersion = api::textByPath(*object, ".metadata.resourceVersion");
    listing.items.push_back(*std::move(object));
  };
  if (wanted.names.empty()) {
    auto all = list(client, queryOf(wanted, options));
    if (all) {
      listing = *std::move(all);
    } else {
      status = failed(console, all.error());
    }
  }
  for (const std::string& name : wanted.names) take(find(client, wanted.resource, options.nameSpace, name));
  for (json& object : listing.items) object = wanted.resource.presentable(std::move(object));
  return listing;
}

int watch(const ApiClient& client, const ResourceArgument& wanted, const GetOptions& options,
          const Console& console) {
  int status = 0;
  const Listing listing = fetch(client, wanted, options, console, status);
  Printer printer(console, wanted.resource, options, false);
  if (status != 0 || !printer.print(listing.items)) return status;
  const auto followed = follow(client, queryOf(wanted, options), listing, [&](const json& object) {
    return printer.print(json::array({wanted.resource.presentable(object)}));
  });
  return followed ? 0 : failed(console, followed.error());
}

/// Tables below each other, or names.
void printEach(const std::vector<Found>& found, const GetOptions& options, const Console& console) {
  bool first = true;
  for (const Found& each : found) {
    if (each.objects.empty()) continue;
    if (!std::exchange(first, false) && options.output != "name") console.out << '\n';
    Printer(console, *each.resource, options, found.size() > 1).print(each.objects);
  }
}

void tellNothing(const std::vector<ResourceArgument>& wanted, const GetOptions& options, std::ostream& out) {
  const bool within = !options.allNamespaces &&
                      std::ranges::any_of(wanted, [](const auto& each) { return each.resource.namespaced; });
  out << "No resources found"
      << (within ? fmt::format(" in {} namespace; -A looks in all.", options.nameSpace) : "") << '\n';
}

int show(const ApiClient& client, const std::vector<ResourceArgument>& wanted, const GetOptions& options,
         const Console& console) {
  int status = 0;
  std::vector<Found> found;
  found.reserve(wanted.size());
  for (const ResourceArgument& each : wanted)
    found.push_back({&each.resource, std::move(fetch(client, each, options, console, status).items)});
  const bool nothing = std::ranges::all_of(found, [](const Found& each) { return each.objects.empty(); });
  const bool one = wanted.size() == 1 && wanted.front().names.size() == 1;
  if (nothing && status != 0) return status;
  if (options.isDocument()) {
    printDocument(one ? found.front().objects.front() : listOf(found), options, console.out);
  } else if (nothing) {
    tellNothing(wanted, options, console.err);
  } else {
    printEach(found, options, console);
  }
  return status;
}

int get(const GetOptions& options, const Console& console) {
  const auto wanted = resourcesNamed(options.resources);
  if (!wanted) return failed(console, wanted.error());
  if (auto right = checkUse(*wanted, options); !right) return failed(console, right.error());
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  return options.watch ? watch(*client, wanted->front(), options, console)
                       : show(*client, *wanted, options, console);
}

}  // namespace

void addGet(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("get", "Show objects and how they stand, from a running controller");
  verb->footer(
      "KIND is any name that kubectl would take: unikernels, unikernel, uk; albatrossinstances, alba; "
      "unikernelpolicies, ukpol; unikernelvolumes, ukvol; events, ev; namespaces, ns; secrets (never with "
      "their values). Several "
      "stand between "
      "commas; "
      "`all` is all but events and secrets. Instead of KIND NAME…, KIND/NAME… names objects of any kind. "
      "Only "
      "one kind, or one object, can be watched.\n\n"
      "Examples:\n"
      "  rookery get alba                  # the instances\n"
      "  rookery get uk -A -o wide         # the unikernels of all namespaces, with messages\n"
      "  rookery get uk web -n shop -o yaml\n"
      "  rookery get uk,ukpol -n shop      # or: rookery get all -n shop\n"
      "  rookery get uk/web alba/eu-1 -n shop\n"
      "  rookery get uk -l app=web -w      # and what changes from now on, until Ctrl-C\n"
      "  rookery get events -n shop -w\n"
      "  rookery get uk --server https://rookery.example:8443 --token-file token "
      "--certificate-authority ca.pem");
  const auto options = std::make_shared<GetOptions>();
  verb->add_option("KIND", options->resources,
                   "What to show: KIND, KIND,KIND… or all, and NAME… for only the objects of these names; or "
                   "KIND/NAME…")
      ->required()
      ->type_name("KIND[,KIND…] [NAME…] | KIND/NAME…");
  addNamespaceOption(*verb, options->nameSpace);
  verb->add_flag("-A,--all-namespaces", options->allNamespaces, "Of all namespaces");
  verb->add_option("-o,--output", options->output, "table, wide, json, yaml or name")
      ->check(oneOf({"table", "wide", "json", "yaml", "name"}))
      ->capture_default_str();
  verb->add_flag("-w,--watch", options->watch, "Go on with every change, until interrupted");
  verb->add_option("-l,--selector", options->labelSelector,
                   "Only objects whose labels match: app=web,tier!=test, 'app in (a,b)'");
  verb->add_option("--field-selector", options->fieldSelector,
                   "Only objects whose fields match: metadata.name=web; of events, type=Warning");
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = get(*options, console); });
}

}  // namespace rookery::cli
