// What plan decides about whose turn it is to be stopped for an update: the roll-out of a unikernel with a
// placement (rollout.h), somebody who has paused it, and how many of one instance may be down at a time.

#include <fmt/format.h>

#include "api/annotations.h"
#include "plan/planner.h"
#include "sentence.h"

namespace rookery::plan {

using Ready = api::Condition::Status;

namespace {

/// How soon it is looked again whether one that waits for others has its turn.
constexpr std::chrono::seconds turnInterval{1};

}  // namespace

std::optional<Replica> replicaOf(const Memory& memory, const api::ObjectKey& unikernel) {
  const auto known = memory.objects.find(unikernel);
  if (known == memory.objects.end() || known->second.replica.goal.empty()) return std::nullopt;
  return known->second.replica;
}

/// What is down when the plan begins, as it was judged last. What was not judged yet may be.
void Planner::findDown() {
  if (!desired_.spec().maxConcurrentUpdates) return;
  for (const auto& [key, unikernel] : desired_.unikernels) {
    const auto known = plan_.memory.objects.find(key);
    const bool judged = known != plan_.memory.objects.end() && known->second.state;
    if (judged ? known->second.down : world_.find(nameOf(key)) != nullptr) down_.insert(key);
  }
}

/// It waits, and what runs counts as declared until its turn comes: it is what was wanted.
void Planner::holdBack(Verdict& verdict, SystemTime until, const std::string& why,
                       std::string_view more) const {
  verdict.step->notBefore = until;
  verdict.step->message = sentences({verdict.step->message, why});
  if (verdict.reason != Reason::Reconciling && verdict.reason != Reason::UpdatePending) {  // it failed before
    verdict.message = sentences({verdict.message, why});
    return;
  }
  verdict.message = sentences({verdict.message, more, why});
  verdict.ready = Ready::True;
  verdict.reason = Reason::UpdatePending;
  verdict.reconciling = false;
  verdict.state = UnikernelState::Ready;
}

/// What was well before comes back at any time.
void Planner::awaitTurnToStop(const Subject& subject, Verdict& verdict) {
  const bool stops = verdict.step && subject.running != nullptr && stopsWhatRuns(verdict.step->verb);
  if (!stops || subject.former) return;
  awaitWindow(subject, verdict);
  std::string why;
  if (api::isPaused(subject.unikernel.object->metadata.annotations)) {
    why = fmt::format("Its roll-out is paused; rookery rollout resume {} -n {} lets it go on.",
                      subject.key.name, subject.key.nameSpace);
  } else if (subject.unikernel.waits) {
    why = *subject.unikernel.waits;
  } else if (desired_.spec().maxConcurrentUpdates && verdict.step->notBefore <= now_) {
    hangsTogether_ = true;
    why = whyTooMany(subject);
    if (!why.empty()) wakeAt(now_ + turnInterval);
  }
  if (!why.empty()) holdBack(verdict, SystemTime::max(), why, "");
}

/// Empty: there is room for one more that is down.
std::string Planner::whyTooMany(const Subject& subject) const {
  const std::int64_t most = *desired_.spec().maxConcurrentUpdates;
  std::int64_t others = 0;
  const api::ObjectKey* first = nullptr;
  for (const api::ObjectKey& key : down_) {
    if (key == subject.key) continue;
    if (first == nullptr) first = &key;
    ++others;
  }
  if (others < most) return {};
  return fmt::format("It waits for {}, as not more than {} of {} may be down for an update at a time.",
                     first->toString(), most, desired_.instance->key().toString());
}

/// What others that are to be stopped have to know of it.
void Planner::noteTurn(const Subject& subject, const Verdict& verdict) {
  const bool running = subject.running != nullptr;
  const bool stops = verdict.step && running && stopsWhatRuns(verdict.step->verb);
  const bool due = stops && verdict.step->notBefore <= now_;
  const bool starting = running && !verdict.step && verdict.ready != Ready::True &&
                        verdict.state == UnikernelState::Progressing;
  subject.memory.down = due || starting || verdict.reason == Reason::InDoubt;
  if (subject.memory.down) {
    down_.insert(subject.key);
  } else {
    down_.erase(subject.key);
  }
  if (!subject.unikernel.replicas) return;
  const Shared<Wanted>& wanted = subject.wanted;
  Replica& replica = subject.memory.replica;
  replica.goal = goalOf(subject.unikernel);
  replica.ready = verdict.ready == Ready::True;
  replica.outdated = stops && !subject.former;
  replica.updated = running && !verdict.step && !subject.former && subject.memory.inSync == wanted;
  const bool tried = replica.updated || subject.former || subject.memory.tried == wanted;
  replica.failed = verdict.state == UnikernelState::Failed && tried;
  replica.proven = subject.entry != nullptr && subject.entry->sent(wanted->digest) &&
                   subject.entry->sent(fingerprintOf(wanted->arguments, subject.name));
}

}  // namespace rookery::plan
