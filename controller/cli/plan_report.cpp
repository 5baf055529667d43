#include "cli/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "cli/visible_stream.h"
#include "text.h"
#include "yaml/writer.h"

namespace rookery::cli {

using nlohmann::json;
using plan::Verb;

namespace {

void addPlan(PlanReport& report, const std::string& instance, const plan::Plan& plan) {
  for (const plan::Step& step : plan.steps)
    report.changes.push_back(plan::changeOf(step, instance, api::SystemTime{}));
  for (const plan::Step& step : plan.later) report.changes.push_back(plan::laterChangeOf(step, instance));
  for (const plan::Unpruned& unpruned : plan.unpruned)
    report.unpruned.push_back({unpruned.object, instance, unpruned.message});
  for (const auto& [key, state] : plan.objects) {
    const api::Condition* moving = state.status.condition(api::Condition::Type::Reconciling);
    if (moving != nullptr && moving->reason == Reason::BeingWritten)
      report.errors.push_back({{}, key.toString(), "", moving->message});
    const api::Condition* stalled = state.status.condition(api::Condition::Type::Stalled);
    // What is only observed stands among the changes.
    if (stalled == nullptr || stalled->reason == Reason::Suspended ||
        stalled->reason == Reason::InstanceSuspended || stalled->reason == Reason::Observed)
      continue;
    report.errors.push_back({{}, key.toString(), "", stalled->message});
  }
  for (const Error& error : plan.errors) {
    report.errors.push_back(
        {{}, api::ObjectKey{api::Kind::AlbatrossInstance, "", instance}.toString(), "", error.message});
  }
}

constexpr std::string_view colourRed = "\033[31m", colourReset = "\033[0m";

/// What of a value one line shows.
constexpr std::size_t longestValue = 2'000;

struct Style {
  std::string_view mark, colour;
};

Style styleOf(Verb verb) {
  switch (verb) {
    case Verb::Create:
    case Verb::CreateVolume:
      return {"+", "\033[32m"};
    case Verb::Destroy:
    case Verb::DestroyVolume:
      return {"-", colourRed};
    case Verb::Adopt:
      return {"=", "\033[36m"};
    default:
      return {"~", "\033[33m"};
  }
}

std::string notCompared(const std::vector<api::ObjectKey>& instances) {
  constexpr std::size_t named = 3;
  if (instances.size() > named) return fmt::format("{} instances could not be compared", instances.size());
  std::vector<std::string> names;
  names.reserve(instances.size());
  for (const api::ObjectKey& instance : instances) names.push_back(instance.toString());
  return fmt::format("{} could not be compared", fmt::join(names, ", "));
}

}  // namespace

std::string_view markOf(Verb verb) { return styleOf(verb).mark; }

std::string placeOf(const PlanReport::Trouble& trouble) {
  std::string place = trouble.object.empty() ? trouble.origin.toString() : trouble.object;
  if (!trouble.field.empty()) place += ": " + trouble.field;
  return place;
}

std::string summaryOf(const PlanReport& report) {
  std::map<std::string_view, int> counts;
  for (const auto& change : report.changes) ++counts[toString(change.verb)];
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [verb, count] : counts) parts.push_back(fmt::format("{} {}", count, verb));
  std::vector<std::string> clauses;
  if (!parts.empty()) clauses.push_back(fmt::format("{}", fmt::join(parts, ", ")));
  if (parts.empty() && (report.uncompared.empty() || report.compared > 0)) clauses.emplace_back("No changes");
  if (!report.uncompared.empty()) clauses.push_back(notCompared(report.uncompared));
  if (!report.unpruned.empty())
    clauses.push_back(fmt::format("{} not pruned (--prune)", report.unpruned.size()));
  if (!report.errors.empty())
    clauses.push_back(fmt::format("{} error{}", report.errors.size(), report.errors.size() == 1 ? "" : "s"));
  return fmt::format("{}.", fmt::join(clauses, "; "));
}

PlanReport makeReport(const source::Snapshot& snapshot, const reconcile::Controller::Preview& preview) {
  PlanReport report;
  for (const api::Problem& problem : snapshot.problems) {
    report.errors.push_back({problem.origin, "", problem.field, problem.message});
  }
  for (const auto& [key, error] : preview.unplaced)
    report.errors.push_back({{}, key.toString(), "", error.message});
  for (const auto& [instance, seen] : preview.instances) {
    const api::ObjectKey key = seen.desired->instance->key();
    if (seen.plan) {
      ++report.compared;
      addPlan(report, instance, *seen.plan);
    } else {
      report.uncompared.push_back(key);
      report.errors.push_back({{}, key.toString(), "", seen.plan.error().message});
    }
  }
  return report;
}

json toJson(const PlanReport& report) {
  json changes = json::array();
  for (const plan::Change& change : report.changes) changes.push_back(plan::toJson(change));
  json unpruned = json::array();
  for (const auto& left : report.unpruned) {
    unpruned.push_back({{"kind", toString(left.object.kind)},
                        {"namespace", left.object.nameSpace},
                        {"name", left.object.name},
                        {"instance", left.instance},
                        {"message", left.message}});
  }
  json errors = json::array();
  for (const auto& error : report.errors) {
    json item = {{"message", error.message}};
    if (error.object.empty()) {
      item["file"] = error.origin.file.string();
      item["line"] = error.origin.line;
      item["column"] = error.origin.column;
    } else {
      item["object"] = error.object;
    }
    if (!error.field.empty()) item["field"] = error.field;
    errors.push_back(std::move(item));
  }
  return {{"changes", std::move(changes)}, {"notPruned", std::move(unpruned)}, {"errors", std::move(errors)}};
}

void writeText(const PlanReport& report, std::ostream& out, bool colour) {
  const auto set = [&](std::string_view sequence) { return ControlSequence{colour ? sequence : ""}; };
  const auto shown = [](const json& value) { return shorten(yaml::dump(value), longestValue); };
  for (const auto& change : report.changes) {
    const Style style = styleOf(change.verb);
    out << set(style.colour) << fmt::format("{} {:<11}", style.mark, toString(change.verb))
        << set(colourReset)
        << visible(fmt::format(" {} on {} ({})", change.object.toString(), change.instance,
                               toString(change.reason)))
        << '\n';
    if (change.verb == Verb::Adopt || change.notBefore) out << visible("      " + change.message) << '\n';
    for (const auto& field : change.fields) {
      out << visible(
                 fmt::format("      {}: {} → {}", field.path, shown(field.oldValue), shown(field.newValue)))
          << '\n';
    }
  }
  for (const auto& left : report.unpruned)
    out << visible(
               fmt::format("  not pruned  {} on {}: {}", left.object.toString(), left.instance, left.message))
        << '\n';
  for (const auto& error : report.errors) {
    out << set(colourRed) << "! " << visible(placeOf(error)) << set(colourReset) << ": "
        << visible(error.message) << '\n';
  }
  out << summaryOf(report) << '\n';
}

}  // namespace rookery::cli
