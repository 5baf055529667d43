#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <ostream>

#include "api/manifest.h"
#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/manifests.h"
#include "cli/plan_file.h"
#include "cli/plan_markdown.h"
#include "cli/plan_report.h"
#include "cli/verbs.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

struct PlanOptions {
  FleetOptions fleet;
  std::string output = "text";
  std::filesystem::path file;
};

/// What is wrong with the state directory goes beside the plan; all else stands in it.
class Warnings : public reconcile::Listener {
 public:
  explicit Warnings(std::ostream& err) : err_(err) {}
  void warned(const std::string& instance, Reason /*reason*/, const std::string& message) override {
    if (instance.empty()) say(err_, "warning: ", message);
  }

 private:
  std::ostream& err_;
};

int plan(PlanOptions options, const Console& console) {
  if (auto named = orCurrentFolder(options.fleet.roots, console.err); !named)
    return failed(console, named.error());
  if (!options.file.empty() && namesStandardInput(options.fleet.roots)) {
    return failed(console, {Reason::UsageError,
                            "--out needs manifests in files: apply --plan reads them again, "
                            "and cannot read standard input again."});
  }
  auto guard = guardOf(options.fleet);
  if (!guard) return failed(console, guard.error());
  Warnings warnings(console.err);
  reconcile::ObjectStore objects;
  auto fleet = Fleet::open({.stateDir = options.fleet.stateDir,
                            .imageRoots = absoluteRoots(options.fleet.imageRoots),
                            .imageStoreBytes = options.fleet.imageStoreBytes(),
                            .largestImage = options.fleet.largestImage(),
                            .guard = *std::move(guard),
                            .readOnly = true},
                           objects, warnings);
  if (!fleet) return failed(console, fleet.error());
  const auto snapshot = readManifests(absoluteRoots(options.fleet.roots), console.in);
  for (const api::Problem& doubt : api::doubtsAbout(snapshot->objects))
    say(console.err, "warning: ", doubt.toString());
  const PlanReport report = preview(**fleet, snapshot);
  if (options.output == "json") {
    console.out << yaml::dump(toJson(report), 2) << '\n';
  } else if (options.output == "markdown") {
    console.out << toMarkdown(report);
  } else {
    writeText(report, console.out, console.colour);
  }
  for (const api::Problem& warning : snapshot->warnings) say(console.err, "warning: ", warning.toString());
  if (!options.file.empty()) {
    if (auto written = writePlanFile(options.file, options.fleet, report); !written)
      return failed(console, written.error());
  }
  if (!report.errors.empty()) return 1;
  return report.changes.empty() ? 0 : 2;
}

}  // namespace

void addPlan(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("plan", "Show what would be done and why; changes nothing");
  verb->footer(
      "Shows what apply would do with the same options; what it would leave, as --prune is missing, stands "
      "under \"not pruned\". Exit status: 0 no changes, 2 changes, 1 something is wrong. Of what -f - reads, "
      "relative paths start at the current folder.\n\n"
      "Examples:\n"
      "  rookery plan -f manifests/ --prune\n"
      "  rookery plan -f manifests/ -o markdown > comment.md\n"
      "  kustomize build overlays/eu | rookery plan -f -");
  const auto options = std::make_shared<PlanOptions>();
  addManifestPaths(*verb, options->fleet.roots);
  addFleetOptions(*verb, options->fleet);
  addPruneOptions(*verb, options->fleet);
  verb->add_option("-o,--output", options->output, "text, json, or markdown for a comment under a change")
      ->check(oneOf({"text", "json", "markdown"}))
      ->capture_default_str();
  verb->add_option("--out", options->file, "Write the plan to this file, for apply --plan")
      ->type_name("FILE");
  verb->callback([options, console, &status] { status = plan(*options, console); });
}

}  // namespace rookery::cli
