// What plan decides about an update that does not run well: what ran well before is put back
// (healthCheck.rollback), once for each manifest.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "plan/planner.h"
#include "plan/rollback.h"
#include "sentence.h"
#include "text.h"

namespace rookery::plan {

using albatross::UnikernelInfo;
using Ready = api::Condition::Status;

namespace {

/// How often what is tried is looked at, at least.
constexpr std::chrono::seconds trialInterval{2};
/// Of what is remembered of how an update failed.
constexpr std::size_t longestFailure = 1 << 10;

/// Whether others than who may read our state may read where an entry stands: on its object, in a cluster.
bool isReadByOthers(const Entry& entry) { return entry.root.get().is_relative(); }

void forgetTrial(Entry& entry) {
  if (entry.rollback->trial) entry.rollback.edit([](Rollback& edited) { edited.trial.reset(); });
}

std::string imageWord(const std::string& digest) { return "sha256:" + image::toHex(digest); }

}  // namespace

bool takesBack(const api::Unikernel& spec) { return spec.healthCheck && spec.healthCheck->rollback; }

std::string attemptOf(const DesiredUnikernel& unikernel, const albatross::Name& name) {
  return fmt::format("{}:{}:{}", unikernel.object->specDigest, image::toHex(unikernel.digest()),
                     fingerprintOf(unikernel.arguments, name));
}

Revision revisionOf(const Wanted& wanted, const albatross::Name& name, bool mayWriteDown) {
  constexpr std::size_t longest = 16 << 10;  // bytes of boot arguments
  Revision revision{.digest = wanted.digest,
                    .fingerprint = fingerprintOf(wanted.arguments, name),
                    .memory = wanted.arguments.memory};
  std::size_t size = 0;
  for (const std::string& argument : wanted.arguments.arguments.value_or(std::vector<std::string>()))
    size += argument.size() + 1;
  if (mayWriteDown && size <= longest) revision.arguments = wanted.arguments;
  return revision;
}

bool isRevision(const Revision& revision, const Wanted& wanted, const albatross::Name& name) {
  return revision.digest == wanted.digest && revision.memory == wanted.arguments.memory &&
         revision.fingerprint == fingerprintOf(wanted.arguments, name);
}

albatross::Arguments argumentsOf(const UnikernelInfo& running, bool addName) {
  albatross::Arguments arguments;
  arguments.failBehaviour = running.failBehaviour;
  arguments.startup = running.startup;
  arguments.addName = addName;
  arguments.cpuIDs = running.cpuIDs;
  arguments.memory = running.memory;
  for (const auto& block : running.blocks)
    arguments.blocks.push_back({block.unikernelDevice, block.hostDevice, block.sectorSize});
  for (const auto& bridge : running.bridges)
    arguments.bridges.push_back({bridge.unikernelDevice, bridge.hostDevice, bridge.mac});
  arguments.arguments = running.arguments;
  return arguments;
}

bool beginTrial(Entry& entry, const Wanted& wanted, const DesiredUnikernel& unikernel, SystemTime now) {
  if (!entry.rollback || !entry.rollback->good) return false;
  const Rollback& rollback = *entry.rollback;
  // It is what was well before that is started again.
  if (isRevision(*rollback.good, wanted, entry.name)) return false;
  std::string attempt = attemptOf(unikernel, entry.name);
  if (rollback.trial && rollback.trial->failed && rollback.trial->attempt == attempt) return false;
  entry.rollback.edit([&](Rollback& edited) {
    edited.trial = Trial{.attempt = std::move(attempt),
                         .digest = wanted.digest,
                         .since = now,
                         .before = entry.pending ? entry.pending->started : std::nullopt};
  });
  return true;
}

/// What is remembered of its updates; and whether it is to be what was well before, as the last one failed.
void Planner::followUpdate(Subject& subject) {
  if (subject.entry == nullptr) return;
  Entry& entry = *subject.entry;
  const DesiredUnikernel& unikernel = subject.unikernel;
  if (!takesBack(subject.spec())) return entry.rollback.reset();
  const bool known = !unikernel.error && !unikernel.imageUnsettled() && !unikernel.digest().empty();
  if (!known || subject.spec().suspend || desired_.spec().suspend || inDoubt(subject.name)) return;
  if (!entry.rollback) entry.rollback = firstRollback(subject);
  Rollback rollback = *entry.rollback;
  auto& trial = rollback.trial;
  if (trial && trial->attempt != attemptOf(unikernel, subject.name)) trial.reset();
  if (rollback.good && isRevision(*rollback.good, *subject.wanted, subject.name)) {
    trial.reset();
    failAfterAll(subject, rollback);
  }
  if (trial && rollback.good && !trial->failed) {
    trial->failure = shorten(failureOf(subject, *trial), longestFailure);
    trial->failed = !trial->failure.empty();
    if (trial->failed) plan_.rolledBack.push_back(subject.key);
  }
  const bool failed = trial && rollback.good && trial->failed;
  if (entry.rollback != rollback) entry.rollback = std::move(rollback);
  if (failed) putBack(subject);
}

/// Of one whose updates are to be taken back from now on: what runs was well, for all that is known, where
/// the manifest that says so asks for something else already.
Rollback Planner::firstRollback(const Subject& subject) const {
  const bool runs = subject.running != nullptr && subject.entry->confirmed && !subject.entry->destroyedAt;
  if (!runs) return {};
  const auto& state = subject.memory.state;
  const bool well = !state || *state == UnikernelState::Ready || *state == UnikernelState::Suspended;
  const Wanted& wanted = *subject.wanted;
  const bool differs = compare(wanted.arguments, wanted.digest, *subject.running, subject.name,
                               subject.unikernel.literalArguments())
                           .any();
  if (!well || !differs) return {};
  const auto& was = subject.memory.inSync;
  const bool asItWas = was && !compare(was->arguments, was->digest, *subject.running, subject.name, {}).any();
  const Wanted present = asItWas ? *was
                                 : Wanted{argumentsOf(*subject.running, subject.unikernel.arguments.addName),
                                          subject.running->digest};
  return {.good = revisionOf(present, subject.name, !isReadByOthers(*subject.entry))};
}

/// An update that was well, and does not stay up: what was well before it is what was good last.
void Planner::failAfterAll(Subject& subject, Rollback& rollback) {
  const bool young = now_ < std::min(rollback.since, now_) + loopWindow;
  if (!rollback.earlier || !young || !loops(subject.memory)) return;
  rollback.trial =
      Trial{.attempt = attemptOf(subject.unikernel, subject.name),
            .digest = rollback.good->digest,
            .since = rollback.since,
            .before = {},
            .failed = true,
            .failure = fmt::format("It was Ready, but was restarted more than {} times within {} min since.",
                                   restartsOfALoop - 1, loopWindow.count())};
  rollback.good = std::exchange(rollback.earlier, std::nullopt);
  plan_.rolledBack.push_back(subject.key);
}

/// How an update has failed, in sentences; empty: it has not, or nothing has come of it yet.
std::string Planner::failureOf(const Subject& subject, const Trial& trial) {
  const ObjectMemory& object = subject.memory;
  const Error* error = object.lastError && object.tried == subject.wanted ? &*object.lastError : nullptr;
  if (subject.running == nullptr) {
    const bool refused = error != nullptr && error->reason == Reason::Refused;
    if (subject.entry->destroyedAt || (!trial.before && !refused && !object.succeeded)) return {};
    if (error != nullptr) return sentences({"It did not start.", error->message});
    return sentences({"It ended.", lastWordsOf(subject)});
  }
  if (subject.running->started == trial.before) return {};  // what ran until then still does
  if (loops(object))
    return fmt::format("It does not stay up, and was restarted more than {} times within {} min.",
                       restartsOfALoop - 1, loopWindow.count());
  const auto timeout = subject.spec().healthCheck->timeout;
  const SystemTime since = std::min(trial.since, now_);
  if (now_ < since + timeout) {
    wakeAt(std::min(since + timeout, now_ + trialInterval));
    return {};
  }
  // What nobody has asked, as nobody knew of it in time, may be as well as can be.
  const Health* health = healthOf(subject);
  if (health == nullptr || health->state != Health::State::Unhealthy) return {};
  return sentences({fmt::format("It did not get healthy within {} s.",
                                std::chrono::ceil<std::chrono::seconds>(timeout).count()),
                    health->failure});
}

/// It is to be what was well before, unless that is not there any more.
void Planner::putBack(Subject& subject) {
  const Revision& good = *subject.entry->rollback->good;
  const DesiredUnikernel& unikernel = subject.unikernel;
  Wanted former{.arguments = good.arguments.value_or(unikernel.arguments), .digest = good.digest};
  former.arguments.memory = good.memory;
  if (fingerprintOf(former.arguments, subject.name) != good.fingerprint) {
    subject.notPutBack =
        "Its arguments of before cannot be put back, as they hold secrets, which are not written down in a "
        "cluster, or are too long to be.";
    return;
  }
  const auto kept = world_.seen().kept.find(good.digest);
  if (kept != world_.seen().kept.end()) subject.formerImage = kept->second;
  if (unikernel.image && unikernel.image->digest == good.digest) subject.formerImage = *unikernel.image;
  const bool runsImage = subject.running != nullptr && subject.running->digest == good.digest;
  if (!subject.formerImage && !runsImage) {
    subject.notPutBack = fmt::format("Its image of before, {}, cannot be put back, as it is not kept here.",
                                     imageWord(good.digest));
    return;
  }
  subject.former = std::move(former);
  subject.wanted = wantedNow(*subject.former, world_.seen().era, subject.memory);
}

/// Of which image a copy must be here before the step puts another into its place; empty: of none.
std::string Planner::keptFor(const Subject& subject, const Step& step) const {
  const bool replaces = subject.running != nullptr && step.verb == Verb::ForceCreate && !subject.former;
  if (!replaces || subject.entry == nullptr || !subject.entry->rollback) return {};
  const auto& good = subject.entry->rollback->good;
  if (!good || good->digest != subject.running->digest || good->digest == step.wanted->digest) return {};
  return world_.seen().kept.contains(good->digest) ? "" : good->digest;
}

/// What is said of one whose updates are taken back: a failed one is not Ready, whatever runs. What is Ready
/// has proved itself.
Planner::Verdict Planner::judgeUpdate(const Subject& subject, Verdict verdict) {
  if (subject.entry == nullptr || !subject.entry->rollback) return verdict;
  Entry& entry = *subject.entry;
  const bool well = verdict.ready == Ready::True && verdict.reason == Reason::Running && !subject.former;
  if (!well) {
    const bool failed = entry.rollback->trial && entry.rollback->trial->failed;
    return failed ? judgeFailed(subject, std::move(verdict)) : verdict;
  }
  if (entry.rollback->good && isRevision(*entry.rollback->good, *subject.wanted, subject.name))
    return forgetTrial(entry), verdict;
  const bool mayWriteDown = !isReadByOthers(entry) || subject.unikernel.secrets.empty();
  entry.rollback = Rollback{.good = revisionOf(*subject.wanted, subject.name, mayWriteDown),
                            .since = now_,
                            .earlier = entry.rollback->good};
  return verdict;
}

Planner::Verdict Planner::judgeFailed(const Subject& subject, Verdict verdict) {
  const Trial& trial = *subject.entry->rollback->trial;
  if (verdict.reason == Reason::InDoubt || verdict.state == UnikernelState::Suspended) return verdict;
  const std::string failed =
      sentences({fmt::format("The update of {} on {} to image {} failed.", subject.key.toString(), instance(),
                             imageWord(trial.digest)),
                 trial.failure});
  const std::string console =
      trial.console.empty() ? "" : fmt::format("The last lines of its console: {}", trial.console);
  if (!subject.former) {
    verdict.message = sentences({verdict.message, failed, subject.notPutBack, console});
    return verdict;
  }
  const bool done = subject.running != nullptr && !verdict.step;
  // Of what is put back there is more to say where it is not there, or not well.
  const bool well = verdict.ready == Ready::True || isProgress(verdict.reason);
  const std::string besides = well ? "" : verdict.message;
  verdict.ready = Ready::False;
  verdict.reason = Reason::RolledBack;
  verdict.message =
      sentences({failed,
                 fmt::format("What was well before, image {} and its arguments, {}.",
                             imageWord(subject.former->digest), done ? "runs again" : "is put back"),
                 besides, "The update is not tried again until the manifest changes.", console});
  verdict.reconciling = verdict.step.has_value() || verdict.reconciling;
  verdict.stalled = !verdict.reconciling;
  verdict.state = UnikernelState::Failed;
  if (!verdict.step) return verdict;
  verdict.step->reason = Reason::RolledBack;
  verdict.step->message = sentences({fmt::format("{} is put back.", subject.key.toString()), trial.failure});
  return verdict;
}

}  // namespace rookery::plan
