#include "cli/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace rookery::cli {

using nlohmann::json;
using reconcile::Verb;

namespace {

void addPlan(PlanReport& report, const std::string& instance, const reconcile::Plan& plan) {
  for (const auto& step : plan.steps) {
    report.changes.push_back({step.object, instance, step.verb, step.reason, step.message, step.fields});
  }
  for (const auto& [key, state] : plan.objects) {
    const api::Condition* stalled = state.status.condition(api::Condition::Type::Stalled);
    if (stalled == nullptr || stalled->reason == Reason::Suspended ||
        stalled->reason == Reason::InstanceSuspended)
      continue;
    report.errors.push_back({{}, key.toString(), "", stalled->message});
  }
  for (const Error& error : plan.errors) {
    report.errors.push_back(
        {{}, api::ObjectKey{api::Kind::AlbatrossInstance, "", instance}.toString(), "", error.message});
  }
}

struct Style {
  std::string_view mark, colour;
};

Style styleOf(Verb verb) {
  switch (verb) {
    case Verb::Create:
      return {"+", "\033[32m"};
    case Verb::Destroy:
      return {"-", "\033[31m"};
    case Verb::Adopt:
      return {"=", "\033[36m"};
    default:
      return {"~", "\033[33m"};
  }
}

std::string where(const PlanReport::Trouble& trouble) {
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
  const std::string changes = parts.empty() ? "No changes" : fmt::format("{}", fmt::join(parts, ", "));
  if (report.errors.empty()) return changes + ".\n";
  return fmt::format("{}; {} error{}.\n", changes, report.errors.size(),
                     report.errors.size() == 1 ? "" : "s");
}

}  // namespace

PlanReport makeReport(const source::Snapshot& snapshot, const reconcile::Controller::Preview& preview) {
  PlanReport report;
  for (const api::Problem& problem : snapshot.problems) {
    report.errors.push_back({problem.origin, "", problem.field, problem.message});
  }
  for (const auto& [key, error] : preview.unplaced)
    report.errors.push_back({{}, key.toString(), "", error.message});
  for (const auto& [instance, seen] : preview.instances) {
    if (seen.plan) {
      addPlan(report, instance, *seen.plan);
    } else {
      report.errors.push_back({{}, seen.desired->instance->key().toString(), "", seen.plan.error().message});
    }
  }
  return report;
}

json toJson(const PlanReport& report) {
  json changes = json::array();
  for (const auto& change : report.changes) {
    json fields = json::array();
    for (const auto& field : change.fields) {
      fields.push_back({{"path", field.path}, {"old", field.oldValue}, {"new", field.newValue}});
    }
    changes.push_back({{"kind", toString(change.object.kind)},
                       {"namespace", change.object.nameSpace},
                       {"name", change.object.name},
                       {"instance", change.instance},
                       {"verb", toString(change.verb)},
                       {"reason", toString(change.reason)},
                       {"fields", std::move(fields)}});
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
  return {{"changes", std::move(changes)}, {"errors", std::move(errors)}};
}

std::string toText(const PlanReport& report, bool colour) {
  const std::string_view reset = colour ? "\033[0m" : "";
  const auto shown = [](const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  std::string text;
  for (const auto& change : report.changes) {
    const Style style = styleOf(change.verb);
    text += fmt::format("{}{} {:<11}{} {} on {} ({})\n", colour ? style.colour : "", style.mark,
                        toString(change.verb), reset, change.object.toString(), change.instance,
                        toString(change.reason));
    for (const auto& field : change.fields) {
      text += fmt::format("      {}: {} → {}\n", field.path, shown(field.oldValue), shown(field.newValue));
    }
  }
  for (const auto& error : report.errors) {
    text += fmt::format("{}! {}{}: {}\n", colour ? "\033[31m" : "", where(error), reset, error.message);
  }
  return text + summaryOf(report);
}

}  // namespace rookery::cli
