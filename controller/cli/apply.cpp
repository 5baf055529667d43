#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "api/expand.h"
#include "cli/failure.h"
#include "cli/failures.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/plan_file.h"
#include "cli/progress.h"
#include "cli/standard_input.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

struct ApplyOptions {
  FleetOptions fleet;
  std::string timeout = "5m";
  bool prune = false;
  std::filesystem::path plan;
};

asio::awaitable<void> work(reconcile::Controller& controller, const source::SnapshotPtr& snapshot,
                           std::chrono::milliseconds timeout, reconcile::Controller::Outcome& outcome) {
  outcome = co_await controller.apply(snapshot, timeout);
}

bool destroys(const nlohmann::json& changes) {
  return std::any_of(changes.begin(), changes.end(), [](const nlohmann::json& change) {
    return change.value("verb", "") == toString(plan::Verb::Destroy);
  });
}

/// What a plan file allows: its steps and no other.
std::function<bool(const std::string&, const plan::Step&)> onlyPlanned(const nlohmann::json& changes) {
  std::set<std::string> planned;
  for (const auto& change : changes) {
    planned.insert(fmt::format("{} {} {} {}", change.value("instance", ""), change.value("verb", ""),
                               change.value("namespace", ""), change.value("name", "")));
  }
  return [planned](const std::string& instance, const plan::Step& step) {
    return planned.contains(
        fmt::format("{} {} {} {}", instance, toString(step.verb), step.object.nameSpace, step.object.name));
  };
}

/// What did not become Ready and why.
Failures failuresOf(const reconcile::ObjectStore& objects, const source::Snapshot& snapshot,
                    const reconcile::Controller::Outcome& outcome, const Progress& progress) {
  Failures failures;
  for (const api::Problem& problem : snapshot.problems) failures.add(problem.toString());
  for (const Error& error : outcome.errors) {
    if (progress.hasWarned(error.message)) {
      failures.countSaid();
    } else {
      failures.add(error.message);
    }
  }
  for (const api::ObjectPtr& object : snapshot.objects) {
    const reconcile::ObjectViewPtr view = objects.find(object->key());
    const api::Condition* ready =
        view == nullptr ? nullptr : view->status.condition(api::Condition::Type::Ready);
    const bool suspended = ready != nullptr &&
                           (ready->reason == Reason::Suspended || ready->reason == Reason::InstanceSuspended);
    if (ready == nullptr || view->status.ready() || suspended ||
        object->kind() == api::Kind::AlbatrossInstance)
      continue;
    failures.add(object->key(), ready->reason, ready->message);
  }
  return failures;
}

int apply(ApplyOptions options, const Console& console) {
  const auto failed = [&](const Error& error) { return cli::failed(console, error); };
  const auto timeout = api::parseDuration(options.timeout);
  if (!timeout) return failed({Reason::UsageError, "--timeout: " + timeout.error().message});
  if (options.prune && namesStandardInput(options.fleet.roots)) {
    return failed(
        {Reason::UsageError,
         "--prune needs manifests in files: what is missing from standard input was perhaps never in "
         "there, or cut off."});
  }
  Fleet::Options fleetOptions{.stateDir = options.fleet.stateDir,
                              .imageRoots = absoluteRoots(options.fleet.imageRoots),
                              .imageStoreBytes = options.fleet.imageStoreBytes(),
                              .largestImage = options.fleet.largestImage(),
                              .imageHosts = options.fleet.hosts(),
                              .guard = {.prune = options.prune,
                                        .settle = false,
                                        .confirmed = options.fleet.confirmedSet(),
                                        .howToConfirm = {}}};
  auto roots = absoluteRoots(options.fleet.roots);
  std::optional<PlanFile> planned;
  if (!options.plan.empty()) {
    auto file = readPlanFile(options.plan);
    if (!file) return failed(file.error());
    planned = std::move(*file);
    roots = planned->roots;
    fleetOptions.guard.prune = destroys(planned->changes);
    fleetOptions.permit = onlyPlanned(planned->changes);
  }
  fleetOptions.guard.howToConfirm = [given = planned ? roots : options.fleet.roots](const std::string& id) {
    return confirmByApply(given, id);
  };
  Progress progress(console.err, console.errTerminal);
  reconcile::ObjectStore objects;
  auto fleet = Fleet::open(fleetOptions, objects, progress);
  if (!fleet) return failed(fleet.error());
  const auto snapshot = readManifests(roots, console.in);
  if (planned && toJson(preview(**fleet, snapshot))["changes"] != planned->changes) {
    return failed(
        {Reason::UsageError,
         fmt::format(
             "The manifests or the servers have changed since {} was made, so nothing was done. Make a "
             "new plan.",
             options.plan.string())});
  }
  reconcile::Controller::Outcome outcome;
  const bool signalled = (*fleet)->run(
      [&](reconcile::Controller& controller) { return work(controller, snapshot, *timeout, outcome); });
  if (const auto& failure = (*fleet)->failure()) return failed(*failure);
  const Failures failures = failuresOf(objects, *snapshot, outcome, progress);
  for (const api::Problem& warning : snapshot->warnings) say(console.err, "warning: ", warning.toString());
  failures.tell(console.err);
  if (signalled)
    return failed({Reason::Cancelled, "Interrupted by a signal; what was under way was broken off."});
  if (!outcome.finished)
    return failed(
        {Reason::DeadlineExceeded, fmt::format("Not everything was done within {}.", options.timeout)});
  if (failures.count() > 0) return 1;
  console.out << fmt::format("All {} objects are Ready.\n", snapshot->objects.size());
  return 0;
}

}  // namespace

void addApply(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("apply", "Reconcile once, until everything is Ready or failed; for CI");
  verb->footer(
      "Of what -f - reads, relative paths start at the current folder.\n\n"
      "Examples:\n"
      "  rookery apply -f manifests/ --prune\n"
      "  kustomize build overlays/eu | rookery apply -f -");
  const auto options = std::make_shared<ApplyOptions>();
  addFleetOptions(*verb, options->fleet);
  addConfirmOption(*verb, options->fleet);
  verb->add_option("--timeout", options->timeout, "How long to wait for everything to become Ready")
      ->capture_default_str();
  verb->add_flag("--prune", options->prune,
                 "Destroy what came from the same manifests and is not declared there any more");
  auto* plan =
      verb->add_option("--plan", options->plan,
                       "Do exactly what this plan says (plan --out), or refuse when the world has moved");
  plan->excludes(verb->get_option("-f"))->excludes(verb->get_option("--prune"));
  verb->callback([options, console, &status] {
    if (options->fleet.roots.empty() && options->plan.empty()) throw CLI::RequiredError("-f or --plan");
    status = apply(*options, console);
  });
}

}  // namespace rookery::cli
