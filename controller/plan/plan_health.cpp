// What plan says of a unikernel that runs as declared, and whose health check says whether it is well.

#include <fmt/format.h>

#include "plan/planner.h"
#include "sentence.h"
#include "text.h"

namespace rookery::plan {

using Ready = api::Condition::Status;

namespace {

/// "30 s", "1500 ms"
std::string wordOf(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? fmt::format("{} s", time.count() / 1000)
                                  : fmt::format("{} ms", time.count());
}

}  // namespace

/// Null: it was not checked yet.
const Health* Planner::healthOf(const Subject& subject) const {
  const auto& all = world_.seen().health;
  const auto found = all.find(subject.name);
  return found == all.end() ? nullptr : &found->second;
}

/// What would be Ready, but for what its health check says: in its present life it has been healthy, and is.
Planner::Verdict Planner::judgeHealth(const Subject& subject, Verdict verdict) {
  const auto& check = subject.spec().healthCheck;
  const bool applies = check && subject.running != nullptr && verdict.ready == Ready::True &&
                       verdict.state != UnikernelState::Suspended;
  if (!applies) return verdict;
  const Health* health = healthOf(subject);
  if (health != nullptr && health->state == Health::State::Healthy) return verdict;
  const std::string failure = health == nullptr ? "" : health->failure;
  const std::string who = fmt::format("{} runs on {}", subject.key.toString(), instance());
  const SystemTime end = subject.memory.upSince + check->timeout;
  const bool unhealthy = health != nullptr && health->state == Health::State::Unhealthy;
  verdict.ready = Ready::False;
  if (unhealthy && (health->wasHealthy || now_ >= end)) {
    verdict.reason = Reason::Unhealthy;
    verdict.message =
        sentences({health->wasHealthy
                       ? fmt::format("{} and is not healthy any more: {} checks in a row have failed.", who,
                                     check->failureThreshold)
                       : fmt::format("{} and did not get healthy within {}.", who, wordOf(check->timeout)),
                   failure, subject.unikernel.notice.value_or("")});
    verdict.stalled = true;
    verdict.state = UnikernelState::Failed;
    return verdict;
  }
  if (now_ < end) wakeAt(end);
  verdict.reason = Reason::Reconciling;
  verdict.message =
      sentences({fmt::format("{} and counts as ready once its health check has succeeded.", who), failure,
                 subject.unikernel.notice.value_or("")});
  verdict.reconciling = true;
  verdict.state = UnikernelState::Progressing;
  return verdict;
}

/// What it printed last before it ended, as a sentence; empty: nobody knows.
std::string Planner::lastWordsOf(const Subject& subject) const {
  const auto& lines = world_.seen().lastLines;
  const auto line = lines.find(subject.name);
  if (line == lines.end()) return {};
  return fmt::format("The last line that it printed is: {}", quote(line->second));
}

}  // namespace rookery::plan
