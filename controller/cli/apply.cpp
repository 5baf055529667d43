#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "api/expand.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/plan_file.h"
#include "cli/progress.h"
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
    return change.value("verb", "") == toString(reconcile::Verb::Destroy);
  });
}

/// What a plan file allows: its steps and no other.
std::function<bool(const std::string&, const reconcile::Step&)> onlyPlanned(const nlohmann::json& changes) {
  std::set<std::string> planned;
  for (const auto& change : changes) {
    planned.insert(fmt::format("{} {} {} {}", change.value("instance", ""), change.value("verb", ""),
                               change.value("namespace", ""), change.value("name", "")));
  }
  return [planned](const std::string& instance, const reconcile::Step& step) {
    return planned.contains(
        fmt::format("{} {} {} {}", instance, toString(step.verb), step.object.nameSpace, step.object.name));
  };
}

/// Prints what did not become Ready and why; returns how many.
std::size_t tellFailures(const reconcile::ObjectStore& objects, const source::Snapshot& snapshot,
                         const reconcile::Controller::Outcome& outcome, std::ostream& err) {
  std::size_t count = snapshot.problems.size() + outcome.errors.size();
  for (const api::Problem& problem : snapshot.problems) err << "error: " << problem.toString() << '\n';
  for (const Error& error : outcome.errors) err << "error: " << error.message << '\n';
  for (const api::ObjectPtr& object : snapshot.objects) {
    const reconcile::ObjectViewPtr view = objects.find(object->key());
    const api::Condition* ready =
        view == nullptr ? nullptr : view->status.condition(api::Condition::Type::Ready);
    const bool suspended = ready != nullptr &&
                           (ready->reason == Reason::Suspended || ready->reason == Reason::InstanceSuspended);
    if (ready == nullptr || view->status.ready() || suspended ||
        object->kind() == api::Kind::AlbatrossInstance)
      continue;
    err << fmt::format("error: {} is not Ready ({}): {}\n", object->key().toString(), toString(ready->reason),
                       ready->message);
    ++count;
  }
  return count;
}

int apply(ApplyOptions options, const Console& console) {
  const auto failed = [&](const Error& error) {
    console.err << "error: " << error.message << '\n';
    return 1;
  };
  const auto timeout = api::parseDuration(options.timeout);
  if (!timeout) return failed({Reason::UsageError, "--timeout: " + timeout.error().message});
  Fleet::Options fleetOptions{.stateDir = options.fleet.stateDir,
                              .imageRoots = absoluteRoots(options.fleet.imageRoots),
                              .imageStoreBytes = options.fleet.imageStoreBytes(),
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
  const auto snapshot = source::DirectorySource({.roots = roots, .watch = false}).scan();
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
  const std::size_t failures = tellFailures(objects, *snapshot, outcome, console.err);
  if (signalled)
    return failed({Reason::Cancelled, "Interrupted by a signal; what was under way was broken off."});
  if (!outcome.finished)
    return failed(
        {Reason::DeadlineExceeded, fmt::format("Not everything was done within {}.", options.timeout)});
  if (failures > 0) return 1;
  console.out << fmt::format("All {} objects are Ready.\n", snapshot->objects.size());
  return 0;
}

}  // namespace

void addApply(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("apply", "Reconcile once, until everything is Ready or failed; for CI");
  verb->footer("Example: rookery apply -f manifests/ --prune");
  const auto options = std::make_shared<ApplyOptions>();
  addFleetOptions(*verb, options->fleet, "-f,--filename");
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
