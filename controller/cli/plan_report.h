#pragma once

#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plan/change.h"
#include "reconcile/controller.h"
#include "source/directory.h"

namespace rookery::cli {

/// What `plan` prints: everything that would be done, and everything that cannot be, in a stable order.
struct PlanReport {
  /// A mistake in a file (origin and field), or something about an object.
  struct Trouble {
    api::Origin origin;
    std::string object;
    std::string field;
    std::string message;
  };
  /// What runs and is not declared there any more, and stays as pruning is off.
  struct Unpruned {
    api::ObjectKey object;
    std::string instance;
    std::string message;
  };
  std::vector<plan::Change> changes;
  std::vector<Unpruned> unpruned;
  std::vector<Trouble> errors;
  std::size_t compared = 0;                // instances that were looked at
  std::vector<api::ObjectKey> uncompared;  // those that could not be
};

PlanReport makeReport(const source::Snapshot& snapshot, const reconcile::Controller::Preview& preview);

/// The form that `plan -o json` has: {"changes": […], "notPruned": […], "errors": […]}.
nlohmann::json toJson(const PlanReport& report);

/// The parts that its forms share: a sign for what a change does ("+", "-", "~", "="), where a mistake is,
/// and what there is of each in one line.
std::string_view markOf(plan::Verb verb);
std::string placeOf(const PlanReport::Trouble& trouble);
std::string summaryOf(const PlanReport& report);

/// Writes the form for people; with escape sequences for colours when `colour`.
void writeText(const PlanReport& report, std::ostream& out, bool colour);

}  // namespace rookery::cli
