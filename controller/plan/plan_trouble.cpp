// What plan says of what does not last: crash loops at the server, and changes that somebody else takes back.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plan/planner.h"
#include "plan/unikernel_state.h"
#include "sentence.h"
#include "yaml/writer.h"

namespace rookery::plan {

using Ready = api::Condition::Status;

// -- Crash loops
// -----------------------------------------------------------------------------------------------------------

/// It was restarted often, and has not been up for long since.
bool Planner::loops(const ObjectMemory& object) const {
  return object.recentRestarts.size() >= restartsOfALoop && now_ - object.upSince < loopCalm;
}

/// What is as declared, but for that it does not stay up.
Planner::Verdict Planner::judgeLoop(const Subject& subject, Verdict verdict) {
  if (subject.entry == nullptr || verdict.step || verdict.stalled || !loops(subject.memory)) return verdict;
  wakeAt(subject.memory.upSince + loopCalm);
  return {
      .reason = Reason::CrashLoopBackOff,
      .message = sentences(
          {fmt::format("{} does not stay up on {}: it was restarted {} times in all, and more than {} times "
                       "within {} min. It counts as ready once it has been up for a minute; its console says "
                       "why it ends.",
                       subject.key.toString(), instance(), subject.memory.restarts, restartsOfALoop - 1,
                       loopWindow.count()),
           lastWordsOf(subject)}),
      .stalled = true,
      .state = UnikernelState::Failed};
}

// -- Contention
// ------------------------------------------------------------------------------------------------------------

namespace {

/// Who is told twice that a change was taken back is not alone. The first time may be a slip.
constexpr unsigned slips = 1;

/// How long to wait before it is changed again: longer each time.
std::chrono::milliseconds turnOf(const Contention& contention, const std::string& salt) {
  return contention.times <= slips ? std::chrono::milliseconds(0)
                                   : backoff(contention.times - slips - 1, salt);
}

/// For how long nobody must take it back until it counts as ours: longer than another of our kind waits.
std::chrono::milliseconds peaceOf(const Contention& contention, const std::string& salt) {
  return std::chrono::minutes(1) + 2 * turnOf(contention, salt);
}

}  // namespace

bool Planner::sameGoal(const Contention& contention, const Goal& goal) {
  return contention.wanted == goal.wanted && contention.policy == goal.policy;
}

/// What we sent, and what was seen to be there, is gone again without us.
void Planner::noteTakenBack(ObjectMemory& object, const Goal& goal,
                            const std::vector<FieldChange>& fields) const {
  const bool sentByUs = goal.policy ? object.triedPolicy == *goal.policy : object.tried == goal.wanted;
  if (!sentByUs) return;
  const auto& known = object.contention;
  const bool again = known && sameGoal(*known, goal) && now_ - known->last <= contentionReset;
  object.contention = Contention{goal.wanted, goal.policy, again ? known->times + 1 : 1, now_, fields};
}

bool Planner::contended(const ObjectMemory& object, const Goal& goal) const {
  return object.contention && object.contention->times > slips && sameGoal(*object.contention, goal);
}

std::string Planner::describe(const api::ObjectKey& key, const Contention& contention) const {
  std::vector<std::string> fields;
  fields.reserve(contention.fields.size());
  for (const FieldChange& field : contention.fields)
    fields.push_back(fmt::format("{} to {} (here: {})", field.path, yaml::dump(field.oldValue),
                                 yaml::dump(field.newValue)));
  return fmt::format(
      "Somebody else changes {} on {} as often as it is changed from here, {} times by now: {}. Let only one "
      "of "
      "the two have it: another controller, or another state directory, may declare it as well.",
      key.toString(), instance(), contention.times, fmt::join(fields, ", "));
}

/// Puts off what somebody else will take back.
void Planner::awaitTurn(const api::ObjectKey& key, const Goal& goal, Verdict& verdict) {
  const ObjectMemory& object = memoryOf(key);
  if (!verdict.step || !contended(object, goal)) return;
  const Contention& contention = *object.contention;
  Step& step = *verdict.step;
  step.notBefore = std::max(step.notBefore, contention.last + turnOf(contention, key.toString()));
  if (object.lastError) return;  // that is the greater trouble
  verdict.ready = Ready::False;
  verdict.reason = Reason::Contended;
  verdict.message = sentences(
      {describe(key, contention), fmt::format("The next attempt is at {}.", api::toRfc3339(step.notBefore))});
  verdict.reconciling = false;
  verdict.stalled = true;
  verdict.state = UnikernelState::Failed;
}

/// What is as declared, unless it was not so, again and again, a moment ago.
Planner::Verdict Planner::judgePeace(const api::ObjectKey& key, const Goal& goal, Verdict verdict) {
  const ObjectMemory& object = memoryOf(key);
  if (!contended(object, goal)) return verdict;
  const Contention& contention = *object.contention;
  const SystemTime peace = contention.last + peaceOf(contention, key.toString());
  if (now_ >= peace) return verdict;
  wakeAt(peace);
  return {.reason = Reason::Contended,
          .message = sentences(
              {describe(key, contention),
               fmt::format("It counts as ready if nobody has changed it until {}.", api::toRfc3339(peace))}),
          .stalled = true,
          .state = UnikernelState::Failed};
}

}  // namespace rookery::plan
