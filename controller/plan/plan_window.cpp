// What plan decides about when what runs may be stopped: maintenance windows.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/age.h"
#include "plan/planner.h"
#include "sentence.h"

namespace rookery::plan {

namespace {

std::string_view overrideOf(const api::Object& object) {
  const auto found = object.metadata.annotations.find(std::string(api::overrideWindowAnnotation));
  return found == object.metadata.annotations.end() ? std::string_view() : found->second;
}

}  // namespace

/// Whether somebody has said of `object` that windows do not count at `time`.
bool Planner::isWindowOverridden(const api::Object& object, SystemTime time) const {
  const auto until = api::parseRfc3339(overrideOf(object));
  return until && time + wallAhead_ < *until;
}

/// When a window opens in which what is due may stop a unikernel, null: one that is not declared any more.
/// Nothing: it may at once.
std::optional<SystemTime> Planner::closedUntil(const api::Object* unikernel, SystemTime due) const {
  const bool hasOwn = unikernel != nullptr && !unikernel->as<api::Unikernel>().maintenanceWindows.empty();
  const auto& windows =
      hasOwn ? unikernel->as<api::Unikernel>().maintenanceWindows : desired_.spec().maintenanceWindows;
  if (windows.empty() || due == SystemTime::max() || isWindowOverridden(*desired_.instance, due) ||
      (unikernel != nullptr && isWindowOverridden(*unikernel, due)))
    return std::nullopt;
  const SystemTime wall = due + wallAhead_;
  SystemTime opening = SystemTime::max();
  for (const schedule::Window& window : windows) opening = std::min(opening, window.openFrom(wall));
  return opening > wall ? std::optional(opening - wallAhead_) : std::nullopt;
}

std::string Planner::nameOpening(SystemTime opening, const api::Object* unikernel) const {
  std::string when =
      fmt::format("The next maintenance window opens at {}.", api::toRfc3339(opening + wallAhead_));
  for (const api::Object* object : {unikernel, desired_.instance.get()}) {
    if (object == nullptr || overrideOf(*object).empty() || api::parseRfc3339(overrideOf(*object))) continue;
    return sentences({when, fmt::format("The annotation {} of {} is no time such as 2026-01-31T12:00:00Z, "
                                        "and means nothing.",
                                        api::overrideWindowAnnotation, object->key().toString())});
  }
  return when;
}

/// Of a step that stops what runs.
void Planner::awaitWindow(const Subject& subject, Verdict& verdict) const {
  const api::Object* object = subject.unikernel.object.get();
  const auto opening = closedUntil(object, std::max(verdict.step->notBefore, now_));
  if (!opening) return;
  holdBack(verdict, *opening, nameOpening(*opening, object), "It is left as it is until it may be stopped.");
}

void Planner::awaitWindow(const Entry& entry, Step& step) {
  const auto opening = closedUntil(nullptr, std::max(step.notBefore, now_));
  if (!opening) return;
  step.notBefore = *opening;
  step.message = sentences({step.message, nameOpening(*opening, nullptr)});
  plan_.removals[entry.object] = {Reason::UpdatePending, step.message};
}

}  // namespace rookery::plan
