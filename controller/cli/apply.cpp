#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "api/expand.h"
#include "cli/apply_by_controller.h"
#include "cli/failure.h"
#include "cli/failures.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/manifests.h"
#include "cli/plan_file.h"
#include "cli/progress.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

struct ApplyOptions {
  FleetOptions fleet;
  std::string timeout = "5m";
  std::filesystem::path plan;
};

asio::awaitable<void> work(reconcile::Controller& controller, const source::SnapshotPtr& snapshot,
                           std::chrono::milliseconds timeout, reconcile::Controller::Outcome& outcome) {
  outcome = co_await controller.apply(snapshot, timeout);
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

const api::Condition* readyOf(const reconcile::ObjectViewPtr& view) {
  return view == nullptr ? nullptr : view->status.condition(api::Condition::Type::Ready);
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
    const api::Condition* ready = readyOf(view);
    const bool suspended = ready != nullptr &&
                           (ready->reason == Reason::Suspended || ready->reason == Reason::InstanceSuspended);
    if (ready == nullptr || view->status.ready() || suspended ||
        object->kind() == api::Kind::AlbatrossInstance)
      continue;
    failures.add(object->key(), ready->reason, ready->message);
  }
  return failures;
}

/// How many have an update that waits for a maintenance window.
std::ptrdiff_t countPending(const reconcile::ObjectStore& objects, const source::Snapshot& snapshot) {
  return std::ranges::count_if(snapshot.objects, [&](const api::ObjectPtr& object) {
    const reconcile::ObjectViewPtr view = objects.find(object->key());
    const api::Condition* ready = readyOf(view);
    return ready != nullptr && ready->reason == Reason::UpdatePending;
  });
}

/// What runs and is not declared any more, and was left. Returns how many there are.
std::size_t tellUnpruned(const reconcile::Controller::Outcome& outcome, std::ostream& err) {
  constexpr std::size_t shown = 10;
  std::size_t count = 0;
  for (const auto& [instance, unpruned] : outcome.unpruned) {
    for (const plan::Unpruned& unikernel : unpruned) {
      if (++count <= shown) say(err, "not pruned: ", fmt::format("on {}: {}", instance, unikernel.message));
    }
  }
  if (count > shown) say(err, "not pruned: ", fmt::format("{} more, which plan lists.", count - shown));
  return count;
}

/// What has come of it, on both streams. Returns the exit status.
int tell(const ApplyOptions& options, const reconcile::Controller::Outcome& outcome, const Failures& failures,
         const reconcile::ObjectStore& objects, const source::Snapshot& snapshot, const Console& console) {
  for (const api::Problem& warning : snapshot.warnings) say(console.err, "warning: ", warning.toString());
  const std::size_t unpruned = tellUnpruned(outcome, console.err);
  failures.tell(console.err);
  if (!outcome.finished) {
    return failed(console, {Reason::DeadlineExceeded,
                            fmt::format("Not everything was done within {}.", options.timeout)});
  }
  if (failures.count() > 0) return 1;
  std::string left;
  if (const auto pending = countPending(objects, snapshot); pending > 0)
    left += fmt::format("; of {} an update waits for a maintenance window", pending);
  if (unpruned > 0) left += fmt::format("; {} not pruned (--prune)", unpruned);
  console.out << fmt::format("All {} objects are Ready{}.\n", snapshot.objects.size(), left);
  return 0;
}

int applyHere(const ApplyOptions& options, const Fleet::Options& fleetOptions,
              const std::optional<PlanFile>& planned, std::chrono::milliseconds timeout,
              const Console& console) {
  Progress progress(console.err, console.errTerminal);
  reconcile::ObjectStore objects;
  auto fleet = Fleet::open(fleetOptions, objects, progress);
  if (!fleet && fleet.error().reason == Reason::StateDirLocked && !planned)
    return applyByController(options.fleet, timeout, fleet.error(), console);
  if (!fleet) return failed(console, fleet.error());
  const auto snapshot = readManifests(absoluteRoots(options.fleet.roots), console.in);
  if (planned && toJson(preview(**fleet, snapshot))["changes"] != planned->changes) {
    return failed(console, {Reason::UsageError,
                            fmt::format("The manifests or the servers have changed since {} was made, so "
                                        "nothing was done. Make a new plan.",
                                        options.plan.string())});
  }
  reconcile::Controller::Outcome outcome;
  const bool signalled = (*fleet)->run(
      [&](reconcile::Controller& controller) { return work(controller, snapshot, timeout, outcome); });
  if (const auto& failure = (*fleet)->failure()) return failed(console, *failure);
  const Failures failures = failuresOf(objects, *snapshot, outcome, progress);
  if (!signalled) return tell(options, outcome, failures, objects, *snapshot, console);
  failures.tell(console.err);
  return failed(console, {Reason::Cancelled, "Interrupted by a signal; what was under way was broken off."});
}

/// What a plan file says besides its steps counts as if it were given again. Nothing: there is none. Errors:
/// as readPlanFile(); UsageError (no manifests are named).
Result<std::optional<PlanFile>> takePlan(ApplyOptions& options, std::ostream& err) {
  if (options.plan.empty()) {
    if (auto named = orCurrentFolder(options.fleet.roots, err); !named) return std::unexpected(named.error());
    return std::nullopt;
  }
  auto planned = readPlanFile(options.plan);
  if (!planned) return std::unexpected(planned.error());
  options.fleet.roots = planned->roots;
  options.fleet.prune = planned->prune;
  options.fleet.confirmed = planned->confirmed;
  return *std::move(planned);
}

int apply(ApplyOptions options, const Console& console) {
  const auto timeout = api::parseDuration(options.timeout);
  if (!timeout) return failed(console, {Reason::UsageError, "--timeout: " + timeout.error().message});
  const auto planned = takePlan(options, console.err);
  if (!planned) return failed(console, planned.error());
  auto guard = guardOf(options.fleet);
  if (!guard) return failed(console, guard.error());
  Fleet::Options fleetOptions{.stateDir = options.fleet.stateDir,
                              .imageRoots = absoluteRoots(options.fleet.imageRoots),
                              .imageStoreBytes = options.fleet.imageStoreBytes(),
                              .largestImage = options.fleet.largestImage(),
                              .imageHosts = options.fleet.hosts(),
                              .guard = *std::move(guard)};
  if (*planned) fleetOptions.permit = onlyPlanned((*planned)->changes);
  return applyHere(options, fleetOptions, *planned, *timeout, console);
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
  addManifestPaths(*verb, options->fleet.roots);
  addFleetOptions(*verb, options->fleet);
  addPruneOptions(*verb, options->fleet);
  verb->add_option("--timeout", options->timeout, "How long to wait for everything to become Ready")
      ->capture_default_str();
  auto* plan =
      verb->add_option("--plan", options->plan,
                       "Do exactly what this plan says (plan --out), or refuse when the world has moved")
          ->type_name("FILE");
  for (const char* other : {"-f", "--prune", "--confirm-prune"}) plan->excludes(verb->get_option(other));
  verb->callback([options, console, &status] { status = apply(*options, console); });
}

}  // namespace rookery::cli
