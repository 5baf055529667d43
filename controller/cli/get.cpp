#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "api/schema.h"
#include "cli/api_client.h"
#include "cli/json_path.h"
#include "cli/object_table.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "cli/yaml.h"
#include "serve/target.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

const std::string_view group = api::groupVersion.substr(0, api::groupVersion.find('/'));

struct GetOptions {
  std::string kind;
  std::string name;  // empty: all
  std::string nameSpace = "default";
  bool allNamespaces = false;
  std::string output = "table";
  std::string server = "http://127.0.0.1:8080";
};

std::string pathOf(const api::Definition& definition, const GetOptions& options) {
  std::string path = fmt::format("/apis/{}", api::groupVersion);
  if (definition.namespaced && !options.allNamespaces) {
    path += "/namespaces/" + serve::encodeSegment(options.nameSpace);
  }
  path += "/" + definition.plural;
  if (!options.name.empty()) path += "/" + serve::encodeSegment(options.name);
  return path;
}

/// The objects asked for, one or many, as an array.
Result<json> fetch(const api::Definition& definition, const GetOptions& options) {
  const auto client = ApiClient::to(options.server);
  if (!client) return std::unexpected(client.error());
  auto answer = client->get(pathOf(definition, options));
  if (!answer) return std::unexpected(answer.error());
  if (!options.name.empty()) return json::array({*std::move(answer)});
  if (!answer->is_object() || !answer->contains("items") || !answer->at("items").is_array()) {
    return fail(Reason::ProtocolError,
                fmt::format("What answers at {} is no rookery controller: its answer is not a list.",
                            options.server));
  }
  return std::move(answer->at("items"));
}

/// One object as it is; several as kubectl wraps them.
json document(const GetOptions& options, json objects) {
  if (!options.name.empty()) return std::move(objects.front());
  return {{"apiVersion", "v1"},
          {"kind", "List"},
          {"metadata", {{"resourceVersion", ""}}},
          {"items", std::move(objects)}};
}

void printNames(std::ostream& out, const api::Definition& definition, const json& objects) {
  for (const json& object : objects) {
    const json* name = findByPath(object, ".metadata.name");
    if (name != nullptr && name->is_string()) {
      out << fmt::format("{}.{}/{}\n", definition.singular, group, name->get_ref<const std::string&>());
    }
  }
}

void print(const Console& console, const api::Definition& definition, const GetOptions& options,
           json objects) {
  if (options.output == "json") {
    console.out << document(options, std::move(objects)).dump(4, ' ', false, json::error_handler_t::replace)
                << '\n';
  } else if (options.output == "yaml") {
    console.out << toYaml(document(options, std::move(objects)));
  } else if (objects.empty()) {
    const bool named = definition.namespaced && !options.allNamespaces;
    console.err << "No resources found" << (named ? fmt::format(" in {} namespace.", options.nameSpace) : "")
                << '\n';
  } else if (options.output == "name") {
    printNames(console.out, definition, objects);
  } else {
    const TableOptions table{.wide = options.output == "wide", .namespaces = options.allNamespaces};
    printTable(console.out, tabulate(definition, objects, table, std::chrono::system_clock::now()));
  }
}

int get(const GetOptions& options, const Console& console) {
  const auto failed = [&](const Error& error) {
    const bool fromServer = error.reason == Reason::Refused;  // worded as a whole already
    console.err << (fromServer ? "" : "error: ") << error.message << '\n';
    return 1;
  };
  const auto kind = api::parseKind(options.kind);
  if (!kind) return failed(kind.error());
  if (!options.name.empty() && options.allNamespaces) {
    return failed(
        {Reason::UsageError, "An object cannot be had by its name from all namespaces: give -n or -A."});
  }
  const api::Definition& definition = api::definitionOf(*kind);
  auto objects = fetch(definition, options);
  if (!objects) return failed(objects.error());
  print(console, definition, options, *std::move(objects));
  return 0;
}

}  // namespace

void addGet(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("get", "Show objects and how they stand, from a running controller");
  verb->footer(
      "KIND is any name that kubectl would take: unikernels, unikernel, uk; albatrossinstances, alba; "
      "unikernelpolicies, ukpol.\n\n"
      "Examples:\n"
      "  rookery get alba                  # the instances\n"
      "  rookery get uk -A -o wide         # the unikernels of all namespaces, with messages\n"
      "  rookery get uk web -n shop -o yaml");
  const auto options = std::make_shared<GetOptions>();
  verb->add_option("KIND", options->kind, "What to show")->required();
  verb->add_option("NAME", options->name, "Only the object of this name");
  verb->add_option("-n,--namespace", options->nameSpace, "The namespace")->capture_default_str();
  verb->add_flag("-A,--all-namespaces", options->allNamespaces, "Of all namespaces");
  verb->add_option("-o,--output", options->output, "table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
      ->capture_default_str();
  verb->add_option("--server", options->server, "Where the controller listens for HTTP")
      ->envname("ROOKERY_SERVER")
      ->capture_default_str();
  verb->callback([options, console, &status] { status = get(*options, console); });
}

}  // namespace rookery::cli
