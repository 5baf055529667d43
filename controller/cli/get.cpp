#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "api/json_path.h"
#include "api/yaml_writer.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/list_watch.h"
#include "cli/object_table.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

struct GetOptions {
  std::string kind;
  std::string name;  // empty: all
  std::string nameSpace = "default";
  bool allNamespaces = false;
  std::string output = "table";
  bool watch = false;
  std::string labelSelector, fieldSelector;
  ClientOptions client;

  std::optional<std::string> where() const { return allNamespaces ? std::nullopt : std::optional(nameSpace); }
};

/// Prints objects in the form that was asked for.
class Printer {
 public:
  Printer(const Console& console, const ApiResource& resource, const GetOptions& options)
      : console_(console),
        resource_(resource),
        options_(options),
        tableOptions_{.wide = options.output == "wide",
                      .namespaces = options.allNamespaces && resource.namespaced},
        table_(console.out) {}

  /// All at once: of several, one document.
  void all(json objects) {
    if (options_.output == "json" || options_.output == "yaml") {
      printDocument(options_.name.empty() ? listOf(std::move(objects)) : std::move(objects.front()));
    } else if (objects.empty()) {
      const bool named = resource_.namespaced && !options_.allNamespaces;
      console_.err << "No resources found"
                   << (named ? fmt::format(" in {} namespace.", options_.nameSpace) : "") << '\n';
    } else {
      each(objects);
    }
  }

  /// One after the other, as they come. False: nobody reads them any more.
  bool each(const json& objects) {
    if (options_.output == "json" || options_.output == "yaml") {
      for (const json& object : objects) printDocument(object);
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
  /// Several objects as kubectl wraps them.
  static json listOf(json objects) {
    return {{"apiVersion", "v1"},
            {"kind", "List"},
            {"metadata", {{"resourceVersion", ""}}},
            {"items", std::move(objects)}};
  }

  void printDocument(const json& document) {
    if (options_.output == "json") {
      console_.out << document.dump(4, ' ', false, json::error_handler_t::replace) << '\n';
      return;
    }
    if (std::exchange(headed_, true)) console_.out << "---\n";
    console_.out << api::toYaml(document);
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

Result<void> checkUse(const GetOptions& options) {
  if (options.name.empty()) return {};
  if (options.allNamespaces) {
    return fail(Reason::UsageError,
                "An object cannot be had by its name from all namespaces: give -n or -A.");
  }
  if (!options.labelSelector.empty() || !options.fieldSelector.empty()) {
    return fail(Reason::UsageError, "An object is chosen by its name or by a selector, not by both.");
  }
  return {};
}

ObjectQuery queryOf(const ApiResource& resource, const GetOptions& options) {
  ObjectQuery query{resource.path(options.where()), options.labelSelector, options.fieldSelector};
  if (!options.name.empty()) query.fieldSelector = "metadata.name=" + escapeFieldValue(options.name);
  return query;
}

/// The objects asked for, one or many.
Result<Listing> fetch(const ApiClient& client, const ApiResource& resource, const GetOptions& options) {
  if (options.name.empty()) return list(client, queryOf(resource, options));
  auto object = client.get(resource.path(options.where(), options.name));
  if (!object) return std::unexpected(object.error());
  Listing listing;
  listing.resourceVersion = api::textByPath(*object, ".metadata.resourceVersion");
  listing.items.push_back(*std::move(object));
  return listing;
}

Result<void> show(const GetOptions& options, const Console& console) {
  const auto resource = ApiResource::named(options.kind);
  if (!resource) return std::unexpected(resource.error());
  if (auto right = checkUse(options); !right) return right;
  const auto client = ApiClient::to(options.client);
  if (!client) return std::unexpected(client.error());
  auto listing = fetch(*client, *resource, options);
  if (!listing) return std::unexpected(listing.error());
  for (json& object : listing->items) object = resource->presentable(std::move(object));

  Printer printer(console, *resource, options);
  if (!options.watch) {
    printer.all(std::move(listing->items));
    return {};
  }
  if (!printer.each(listing->items)) return {};
  return follow(*client, queryOf(*resource, options), *listing, [&](const json& object) {
    return printer.each(json::array({resource->presentable(object)}));
  });
}

int get(const GetOptions& options, const Console& console) {
  if (const auto shown = show(options, console); !shown) return failed(console, shown.error());
  return 0;
}

}  // namespace

void addGet(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("get", "Show objects and how they stand, from a running controller");
  verb->footer(
      "KIND is any name that kubectl would take: unikernels, unikernel, uk; albatrossinstances, alba; "
      "unikernelpolicies, ukpol; events, ev; secrets (never with their values).\n\n"
      "Examples:\n"
      "  rookery get alba                  # the instances\n"
      "  rookery get uk -A -o wide         # the unikernels of all namespaces, with messages\n"
      "  rookery get uk web -n shop -o yaml\n"
      "  rookery get uk -l app=web -w      # and what changes from now on, until Ctrl-C\n"
      "  rookery get events -n shop -w\n"
      "  rookery get uk --server https://rookery.example:8443 --token-file token "
      "--certificate-authority ca.pem");
  const auto options = std::make_shared<GetOptions>();
  verb->add_option("KIND", options->kind, "What to show")->required();
  verb->add_option("NAME", options->name, "Only the object of this name");
  verb->add_option("-n,--namespace", options->nameSpace, "The namespace")->capture_default_str();
  verb->add_flag("-A,--all-namespaces", options->allNamespaces, "Of all namespaces");
  verb->add_option("-o,--output", options->output, "table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
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
