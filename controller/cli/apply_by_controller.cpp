#include "cli/apply_by_controller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>
#include <ranges>
#include <set>
#include <string>
#include <thread>

#include "cli/failure.h"
#include "cli/fleet.h"
#include "cli/hand_over.h"
#include "cli/manifests.h"
#include "cli/plan_file.h"
#include "reconcile/confirmations.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

using Deadline = std::chrono::steady_clock::time_point;

/// Why it cannot be left to the one that has the state directory.
Error followsOthers(Error locked, const RunningController& controller) {
  const auto texts =
      controller.manifests | std::views::transform([](const auto& root) { return root.string(); });
  locked.message =
      sentences({locked.message, controller.manifests.empty() ? "It follows no folder."
                                                              : fmt::format("It follows other manifests: {}",
                                                                            fmt::join(texts, ", "))});
  return locked;
}

/// What is not declared any more and still runs, whether --prune was given or not.
struct LeftRunning {
  std::vector<std::string> going;  // sentences
  std::vector<std::string> kept;   // the same, of what takes somebody
};

/// Errors: as Fleet::open.
Result<LeftRunning> lookForLeft(FleetOptions options, const source::SnapshotPtr& snapshot) {
  options.prune = true;
  auto guard = guardOf(options);
  if (!guard) return std::unexpected(guard.error());
  reconcile::ObjectStore objects;
  reconcile::Listener nobody;
  auto fleet = Fleet::open({.stateDir = options.stateDir, .guard = *std::move(guard), .readOnly = true},
                           objects, nobody);
  if (!fleet) return std::unexpected(fleet.error());
  const PlanReport report = preview(**fleet, snapshot);
  LeftRunning left;
  for (const plan::Change& change : report.changes) {
    if (change.verb == plan::Verb::Destroy || change.verb == plan::Verb::DestroyVolume)
      left.going.push_back(fmt::format("on {}: {}", change.instance, change.message));
  }
  for (const PlanReport::Trouble& trouble : report.errors) left.kept.push_back(trouble.message);
  return left;
}

/// Lets those go that are confirmed, as soon as the controller asks for it.
void confirm(const FleetOptions& options, std::set<std::string>& ids, std::ostream& err) {
  constexpr std::chrono::seconds patience{10};
  const reconcile::Confirmations confirmations(options.stateDir);
  std::erase_if(ids, [&](const std::string& id) {
    const auto answer = confirmations.ask(id, patience);
    if (answer) say(err, "", *answer);
    return answer.has_value();
  });
}

/// Errors: as lookForLeft; PruneGuard (it is kept until somebody confirms it); DeadlineExceeded.
Result<void> waitUntilPruned(const FleetOptions& options, const source::SnapshotPtr& snapshot,
                             Deadline deadline, std::ostream& err) {
  constexpr std::chrono::seconds pollInterval{1};
  std::set<std::string> unconfirmed = options.confirmedSet();
  for (bool told = false;; told = true) {
    const auto left = lookForLeft(options, snapshot);
    if (!left) return std::unexpected(left.error());
    if (!left->kept.empty()) return fail(Reason::PruneGuard, fmt::format("{}", fmt::join(left->kept, " ")));
    if (left->going.empty()) return {};
    if (!told) say(err, "", "Waiting until what is not declared any more is destroyed.");
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Reason::DeadlineExceeded,
                  fmt::format("{} not declared any more and not destroyed in time; the first {}",
                              left->going.size() == 1 ? "1 unikernel is"
                                                      : fmt::format("{} unikernels are", left->going.size()),
                              left->going.front()));
    }
    confirm(options, unconfirmed, err);
    std::this_thread::sleep_for(pollInterval);
  }
}

/// Returns how many there are.
std::size_t tellLeft(const LeftRunning& left, const RunningController& controller, std::ostream& err) {
  constexpr std::size_t shown = 10;
  const std::string fate = controller.prunes
                               ? fmt::format("The rookery process {} destroys it.", controller.pid)
                               : fmt::format("The rookery process {} keeps it (--no-prune).", controller.pid);
  for (const std::string& each : left.going | std::views::take(shown))
    say(err, "not pruned: ", sentences({each, fate}));
  for (const std::string& each : left.kept | std::views::take(shown)) say(err, "not pruned: ", each);
  return left.going.size() + left.kept.size();
}

/// Errors: as waitUntilPruned. What is left, for the end of a sentence.
Result<std::string> prune(const FleetOptions& options, const RunningController& controller,
                          const source::SnapshotPtr& snapshot, Deadline deadline, std::ostream& err) {
  if (options.prune && controller.prunes) {
    if (auto pruned = waitUntilPruned(options, snapshot, deadline, err); !pruned)
      return std::unexpected(pruned.error());
    return "";
  }
  const auto left = lookForLeft(options, snapshot);
  if (!left) return std::unexpected(left.error());
  const std::size_t count = tellLeft(*left, controller, err);
  if (count > 0 && options.prune) {
    return fail(Reason::Pruning,
                fmt::format("The rookery process {} runs with --no-prune, so {} not pruned.", controller.pid,
                            count == 1 ? "1 is" : fmt::format("{} are", count)));
  }
  return count == 0 ? "" : fmt::format("; {} not pruned (--prune waits for that)", count);
}

}  // namespace

int applyByController(const FleetOptions& options, std::chrono::milliseconds timeout, Error locked,
                      const Console& console) {
  const auto controller = findRunning(options.stateDir);
  if (!controller) return failed(console, locked);
  const auto roots = absoluteRoots(options.roots);
  if (namesStandardInput(options.roots) || !controller->follows(roots))
    return failed(console, followsOthers(std::move(locked), *controller));
  say(console.err, "",
      fmt::format(
          "The rookery process {} follows these manifests, and does this. Waiting until all is Ready.",
          controller->pid));
  const source::SnapshotPtr snapshot = readManifests(roots, console.in);
  ClientOptions client = clientFromEnvironment();
  client.server = controller->url;
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const auto failures = waitForController(client, *snapshot, timeout);
  if (!failures) return failed(console, failures.error());
  failures->tell(console.err);
  if (failures->count() > 0) return 1;
  const auto left = prune(options, *controller, snapshot, deadline, console.err);
  if (!left) return failed(console, left.error());
  console.out << fmt::format("All {} objects are Ready{}.\n", snapshot->objects.size(), *left);
  return 0;
}

}  // namespace rookery::cli
