#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/list_watch.h"
#include "cli/object_table.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

using nlohmann::json;

struct TopOptions {
  std::string nameSpace = "default";
  bool allNamespaces = false;
  std::string sortBy;
  std::string labelSelector;
  ClientOptions client;
};

/// The number that a quantity such as "25m" or "8388608" begins with; -1: there is none.
std::int64_t amountOf(const json& usage, std::string_view path) {
  const std::string text = api::textByPath(usage, path);
  std::int64_t amount = -1;
  std::from_chars(text.data(), text.data() + text.size(), amount);
  return amount;
}

int top(const TopOptions& options, const Console& console) {
  const auto resource = ApiResource::named("unikernelusages");
  check(resource.has_value(), "usages are a kind");
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  const auto where = options.allNamespaces ? std::nullopt : std::optional(options.nameSpace);
  auto listing = list(*client, {resource->path(where), options.labelSelector, ""});
  if (!listing) return failed(console, listing.error());
  if (listing->items.empty()) {
    console.err << "No unikernel has told yet what it uses"
                << (where ? fmt::format(" in {} namespace", *where) : "")
                << ": a server tells every 10 s of those that run, where it has statistics.\n";
    return 0;
  }
  if (!options.sortBy.empty()) {
    const std::string_view path = options.sortBy == "cpu" ? ".usage.cpu" : ".usage.memory";
    auto& usages = listing->items.get_ref<json::array_t&>();
    std::ranges::stable_sort(usages, std::greater(),
                             [&](const json& usage) { return amountOf(usage, path); });
  }
  const ObjectTableOptions table{.namespaces = options.allNamespaces};
  auto rows = tabulate(resource->columns, listing->items, table, std::chrono::system_clock::now());
  rows.insert(rows.begin(), headings(resource->columns, table));
  TablePrinter(console.out).print(rows);
  return 0;
}

}  // namespace

void addTop(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("top", "Show what unikernels use of CPU and memory");
  verb->footer(
      "CPU is in thousandths of a CPU, on average since the server told it before (every 10 s by default). "
      "More of it, and of the network: `rookery get unikernelusages NAME -o yaml`, and the metrics.\n\n"
      "Examples:\n"
      "  rookery top -n shop\n"
      "  rookery top -A --sort-by memory");
  const auto options = std::make_shared<TopOptions>();
  addNamespaceOption(*verb, options->nameSpace);
  verb->add_flag("-A,--all-namespaces", options->allNamespaces, "Of all namespaces");
  verb->add_option("--sort-by", options->sortBy, "cpu or memory, the most first; else by name")
      ->check(oneOf({"cpu", "memory"}));
  verb->add_option("-l,--selector", options->labelSelector, "Only those whose labels match: app=web");
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = top(*options, console); });
}

}  // namespace rookery::cli
