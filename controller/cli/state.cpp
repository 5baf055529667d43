#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "api/status.h"
#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/fleet_options.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "image/image.h"
#include "plan/inventory.h"
#include "state/state_dir.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

using nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

struct StateOptions {
  std::filesystem::path stateDir = state::StateDir::defaultPath();
  std::string output = "table";
};

constexpr std::size_t shortDigest = 12;  // digits, as build tools show them

std::string imageOf(const plan::Entry& entry) {
  if (!entry.digests.empty()) return image::toHex(entry.digests.front()).substr(0, shortDigest);
  if (entry.pending && !entry.pending->image.empty())
    return image::toHex(entry.pending->image).substr(0, shortDigest);
  return "<none>";
}

/// In a word, how a unikernel of ours stands, and since when; epoch: not known.
std::pair<std::string, api::SystemTime> standingOf(const plan::Entry& entry) {
  if (entry.destroyedAt) return {"destroyed", *entry.destroyedAt};
  if (entry.pending) return {fmt::format("pending {}", toString(entry.pending->verb)), entry.pending->since};
  if (!entry.withheld.empty()) return {fmt::format("withheld {}", entry.withheld), entry.since};
  return {entry.confirmed ? "confirmed" : "unconfirmed", entry.since};
}

std::string timeOf(api::SystemTime time) {
  return time == api::SystemTime() ? "<unknown>" : api::toRfc3339(time);
}

Rows entryRows(const std::vector<plan::Entry>& entries) {
  Rows rows = {{"INSTANCE", "OBJECT", "NAME", "IMAGE", "STATE", "SINCE"}};
  for (const plan::Entry& entry : entries) {
    const auto [standing, since] = standingOf(entry);
    rows.push_back({entry.instance, fmt::format("{}/{}", entry.object.nameSpace, entry.object.name),
                    entry.name.toString(), imageOf(entry), standing, timeOf(since)});
  }
  return rows;
}

/// Objects that somebody asked to be deleted, with what tells them from others of the same name.
std::vector<std::pair<api::ObjectKey, api::Identity>> deletionsIn(const state::StateDir& state) {
  std::vector<std::pair<api::ObjectKey, api::Identity>> deletions;
  for (const api::ObjectKey& key : state.deletionRequests()) {
    if (const auto identity = state.identityOf(key)) deletions.emplace_back(key, *identity);
  }
  return deletions;
}

void printTables(const state::StateDir& state, std::ostream& out) {
  const std::vector<plan::Entry> entries = state.entries();
  const auto deletions = deletionsIn(state);
  if (!entries.empty()) printTable(out, entryRows(entries));
  if (!entries.empty() && !deletions.empty()) out << '\n';
  if (deletions.empty()) return;
  Rows rows = {{"TO BE DELETED", "SINCE"}};
  for (const auto& [key, identity] : deletions)
    rows.push_back({key.toString(), timeOf(identity.deletionTimestamp.value_or(api::SystemTime()))});
  printTable(out, std::move(rows));
}

/// Without what may be secret.
json shown(plan::Entry entry) {
  if (entry.rollback) {
    entry.rollback.edit([](plan::Rollback& edited) {
      for (auto* revision : {&edited.good, &edited.earlier}) {
        if (*revision) (*revision)->arguments.reset();
      }
    });
  }
  return plan::toJson(entry);
}

json toJson(const state::StateDir& state) {
  json entries = json::array(), deletions = json::array();
  for (plan::Entry& entry : state.entries()) entries.push_back(shown(std::move(entry)));
  for (const auto& [key, identity] : deletionsIn(state)) {
    deletions.push_back({{"kind", toString(key.kind)},
                         {"namespace", key.nameSpace},
                         {"name", key.name},
                         {"uid", identity.uid},
                         {"generation", identity.generation},
                         {"deletionTimestamp", api::toRfc3339(*identity.deletionTimestamp)}});
  }
  return {{"entries", std::move(entries)}, {"deletions", std::move(deletions)}};
}

int showState(const StateOptions& options, const Console& console) {
  const auto state = state::StateDir::read(options.stateDir);
  if (!state) return failed(console, state.error());
  for (const std::string& warning : (*state)->warnings()) say(console.err, "warning: ", warning);
  if (options.output == "json") {
    console.out << yaml::dump(toJson(**state), 2) << '\n';
  } else if (options.output == "yaml") {
    console.out << yaml::toYaml(toJson(**state));
  } else if ((*state)->entries().empty() && (*state)->deletionRequests().empty()) {
    say(console.err, "", fmt::format("Nothing is remembered in {}.", options.stateDir.string()));
  } else {
    printTables(**state, console.out);
  }
  return 0;
}

}  // namespace

void addState(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("state", "Show which unikernels are remembered as ours; changes nothing");
  verb->footer(
      "It reads the state directory, also beside the controller that has it. A unikernel is `confirmed` when "
      "it was seen to run what was sent, `pending` while the outcome of a command is not known, and "
      "`destroyed` as long as a restart of its server could bring it back.\n\n"
      "Examples:\n"
      "  rookery state\n"
      "  rookery state --state-dir /var/lib/rookery -o json");
  const auto options = std::make_shared<StateOptions>();
  addStateDir(*verb, options->stateDir, "That of the controller");
  verb->add_option("-o,--output", options->output, "table, json or yaml")
      ->check(oneOf({"table", "json", "yaml"}))
      ->capture_default_str();
  verb->callback([options, console, &status] { status = showState(*options, console); });
}

}  // namespace rookery::cli
