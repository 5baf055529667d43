// What plan decides about a unikernel that the manifests declare.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "plan/desired.h"
#include "plan/planner.h"
#include "plan/unikernel_state.h"
#include "sentence.h"

namespace rookery::plan {

using albatross::Name;
using albatross::UnikernelInfo;
using Ready = api::Condition::Status;

namespace {

std::string pathsOf(const Difference& difference) {
  std::vector<std::string> paths;
  paths.reserve(difference.fields.size());
  for (const FieldChange& change : difference.fields) paths.push_back(change.path);
  return fmt::format("{}", fmt::join(paths, ", "));
}

Reason reasonOf(const Difference& difference) {
  if (difference.image) return Reason::ImageDiffers;
  return difference.arguments ? Reason::ArgumentsDiffer : Reason::MemoryDiffers;
}

/// Whether a step needs nothing of the image: a restart with the devices that the running one has, of which
/// the server knows that they are the image's.
bool canDoWithout(const albatross::Arguments& arguments, const UnikernelInfo* running, const Step& step) {
  if (step.verb != Verb::Restart || running == nullptr) return false;
  std::set<std::string> wanted, present;
  for (const auto& bridge : arguments.bridges) wanted.insert("net " + bridge.netif);
  for (const auto& block : arguments.blocks) wanted.insert("block " + block.name);
  for (const auto& bridge : running->bridges) present.insert("net " + bridge.unikernelDevice);
  for (const auto& block : running->blocks) present.insert("block " + block.unikernelDevice);
  return wanted == present;
}

/// What runPolicy Once asked for was done: this spec has run with this image.
bool completed(const DesiredUnikernel& unikernel, const Entry& entry, const std::string& digest) {
  return unikernel.spec().runPolicy == api::Unikernel::RunPolicy::Once && !entry.destroyedAt &&
         hasRun(entry, unikernel, digest);
}

}  // namespace

/// As far as a server of that era can be told, and tells. What is remembered is the same value as long as it
/// says the same.
Shared<Wanted> Planner::wantedNow(Wanted wanted, albatross::Era era, const ObjectMemory& memory) {
  if (era == albatross::Era::V25) wanted.arguments.startup.reset();
  if (memory.inSync == wanted) return memory.inSync;
  return memory.tried == wanted ? memory.tried : Shared<Wanted>(std::move(wanted));
}

void Planner::planUnikernels(const std::vector<Subject>& subjects) {
  // What shrinks goes first: it may make room for what grows.
  const auto growth = [](const Subject& subject) {
    return subject.arguments().memory - (subject.running == nullptr ? 0 : subject.running->memory);
  };
  std::vector<const Subject*> order;
  order.reserve(subjects.size());
  for (const Subject& subject : subjects) order.push_back(&subject);
  // What waits for others is judged behind those: what has become Ready is known by then.
  const std::map<api::ObjectKey, std::size_t> waits = depths(subjects);
  const auto depth = [&](const Subject& subject) {
    const auto found = waits.find(subject.key);
    return found == waits.end() ? std::size_t{0} : found->second;
  };
  // Among equals in the order of their keys, which is the one of their addresses.
  std::sort(order.begin(), order.end(), [&](const Subject* a, const Subject* b) {
    return std::tuple(depth(*a), growth(*a), a) < std::tuple(depth(*b), growth(*b), b);
  });
  for (const Subject* subject : order) planUnikernel(*subject);
}

void Planner::planUnikernel(const Subject& subject) {
  api::Status shown;
  if (subject.running != nullptr) {
    shown.digest = image::toHex(subject.running->digest);
    if (subject.running->started) shown.startedAt = SystemTime(*subject.running->started);
  }
  const std::optional<SystemTime> wakeBefore = std::exchange(plan_.wakeAt, std::nullopt);
  Verdict verdict = judge(subject);
  onlyObserve(verdict);
  verdict = judgeUpdate(subject, judgeHealth(subject, std::move(verdict)));
  qualify(subject.key, verdict);
  const std::optional<SystemTime> itsOwn = std::exchange(plan_.wakeAt, wakeBefore);
  subject.memory.state = verdict.state;
  ++plan_.counts[{subject.key.nameSpace, verdict.state}];
  subject.memory.ready = verdict.ready == Ready::True;
  noteTurn(subject, verdict);
  ObjectState& state = conclude(subject.key, subject.unikernel.identity.generation, std::move(verdict));
  subject.memory.settled = state.settled;
  if (itsOwn) wakeAt(*itsOwn);
  if (itsOwn && state.settled) restUntil_ = std::min(restUntil_.value_or(*itsOwn), *itsOwn);
  api::Status& status = state.status;
  status.instance = instance();
  status.digest = std::move(shown.digest);
  status.startedAt = shown.startedAt;
  status.restarts = subject.memory.restarts;
  status.lastAction = subject.memory.lastAction;
  if (subject.unikernel.replicas) status.updated = subject.memory.replica.updated;
  if (subject.entry == nullptr) return;
  for (const std::string& digest : subject.entry->digests) status.history.push_back(image::toHex(digest));
}

Planner::Verdict Planner::judge(const Subject& subject) {
  if (auto verdict = obstacle(subject)) return std::move(*verdict);
  Verdict verdict = subject.unikernel.imageUnsettled() ? judgeUnsettled(subject)
                    : subject.running == nullptr       ? judgeAbsent(subject)
                                                       : judgeLoop(subject, judgeRunning(subject));
  if (subject.unikernel.notice) verdict.message = sentences({verdict.message, *subject.unikernel.notice});
  if (subject.running != nullptr) verdict.message = sentences({verdict.message, absentDependencies(subject)});
  return verdict;
}

/// What keeps us from even looking at the difference.
std::optional<Planner::Verdict> Planner::obstacle(const Subject& subject) {
  const DesiredUnikernel& unikernel = subject.unikernel;
  const bool running = subject.running != nullptr;
  if (subject.spec().suspend || desired_.spec().suspend) {
    const bool instanceToo = !subject.spec().suspend;
    return Verdict{
        .ready = running ? Ready::True : Ready::Unknown,
        .reason = instanceToo ? Reason::InstanceSuspended : Reason::Suspended,
        .message = fmt::format("{} is suspended: {} is left as it is.",
                               instanceToo ? desired_.instance->key().toString() : subject.key.toString(),
                               subject.key.toString()),
        .stalled = !running,
        .state = UnikernelState::Suspended};
  }
  if (unikernel.error) return refusal(*unikernel.error, running);
  if (!unikernel.image && !unikernel.missing) return refusal(unikernel.image.error(), running);
  if (const auto& authority = authorityFor(subject.name); !authority)
    return refusal(authority.error(), running);
  if (isRoot(subject.key.nameSpace) && world_.hasDomain(subject.key.name)) {
    hangsTogether_ = true;
    return refusal({Reason::NameConflict,
                    fmt::format("{} would run in the root domain under the name of the domain {}, and "
                                "the server mixes the two up. Give it another name.",
                                subject.key.toString(), subject.key.name)},
                   running);
  }
  if (inDoubt(subject.name)) {
    const Pending& pending = *subject.entry->pending;
    return Verdict{.ready = Ready::Unknown,
                   .reason = Reason::InDoubt,
                   .message = fmt::format(
                       "The answer to {} was lost; {} is only watched until it is seen what became of it, "
                       "at the latest until {}.",
                       toString(pending.verb), subject.key.toString(),
                       api::toRfc3339(pending.since + pending.timeout(desired_.spec()))),
                   .reconciling = true};
  }
  return std::nullopt;
}

/// Nobody knows yet which image it is to run: nothing is sent, and what it was counts.
Planner::Verdict Planner::judgeUnsettled(const Subject& subject) const {
  const Error& error = subject.unikernel.missing->error;
  const UnikernelInfo* running = subject.running;
  const Shared<Wanted>& was = subject.memory.inSync;
  const bool asItWas =
      running != nullptr && subject.entry != nullptr && was &&
      was->arguments == subject.unikernel.arguments &&
      !compare(was->arguments, was->digest, *running, subject.name, subject.unikernel.literalArguments())
           .any();
  const Ready absent = running == nullptr ? Ready::False : Ready::Unknown;
  return {.ready = asItWas ? Ready::True : absent,
          .reason = error.reason,
          .message =
              sentences({error.message, running == nullptr ? "" : "Until then what runs is left as it is."}),
          .reconciling = true,
          .state = asItWas ? UnikernelState::Ready : UnikernelState::Progressing};
}

Planner::Verdict Planner::judgeRunning(const Subject& subject) {
  if (subject.running->type != albatross::UnikernelType::Solo5) {
    return {
        .reason = Reason::TypeNotSupported,
        .message = fmt::format("{} on {} is a bhyve machine, which rookery never touches. Rename the object.",
                               subject.name.toString(), instance()),
        .stalled = true,
        .state = UnikernelState::Failed};
  }
  const Difference difference = compare(subject.wanted->arguments, subject.wanted->digest, *subject.running,
                                        subject.name, subject.unikernel.literalArguments());
  if (subject.entry != nullptr && !difference.any())
    return isRestartWanted(subject) ? judgeRestart(subject) : judgeInSync(subject);
  Step step;
  step.object = subject.key;
  step.name = subject.name;
  step.wanted = subject.wanted;
  step.fields = difference.fields;
  return subject.entry == nullptr ? judgeForeign(subject, difference, std::move(step))
                                  : judgeDifferent(subject, difference, std::move(step));
}

Planner::Verdict Planner::judgeForeign(const Subject& subject, const Difference& difference, Step step) {
  using Adopt = api::Unikernel::Adopt;
  const Adopt adopt = subject.spec().adopt;
  if (adopt == Adopt::Always || (adopt == Adopt::IfIdentical && !difference.any())) {
    step.verb = Verb::Adopt;
    step.reason = difference.any() ? reasonOf(difference) : Reason::PresentIdentical;
    step.message =
        fmt::format("{} runs on {} already and is taken over: no other Rookery must count it as its own.",
                    step.object.toString(), instance());
    Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
    applyBackoff(verdict, step);
    verdict.step = std::move(step);
    return verdict;
  }
  std::string message =
      fmt::format("A unikernel of this name runs on {} that rookery did not create", instance());
  message += difference.any() ? fmt::format("; it differs in {}", pathsOf(difference)) : "";
  message += adopt == Adopt::Never ? ". It is left alone, as adopt: Never says."
                                   : ". It is left alone; set adopt: Always to take it over and change it.";
  return {.reason = Reason::NotOwned,
          .message = std::move(message),
          .stalled = true,
          .state = UnikernelState::Failed};
}

Planner::Verdict Planner::judgeInSync(const Subject& subject) {
  ObjectMemory& object = subject.memory;
  const Shared<Wanted>& wanted = subject.wanted;
  if (object.succeeded == Verb::Restart && object.inSync &&
      object.inSync->arguments.memory != wanted->arguments.memory) {
    plan_.memory.restartChangesMemory = true;
  }
  if (subject.spec().runPolicy == api::Unikernel::RunPolicy::Once) {
    subject.entry->ranSpec = runOf(subject.unikernel, wanted->digest);
  }
  const Goal goal{wanted};
  object.inSync = wanted;
  object.succeeded.reset();
  object.triedFields = {};  // only of interest while it is not as declared
  object.lastError.reset();
  const std::chrono::seconds minimum(subject.spec().minReadySeconds);
  if (now_ - object.upSince < minimum) {
    wakeAt(object.upSince + minimum);
    return {.reason = Reason::Reconciling,
            .message = fmt::format("{} runs on {} and counts as ready once it has been up for {} s.",
                                   subject.key.toString(), instance(), minimum.count()),
            .reconciling = true};
  }
  return judgePeace(subject.key, goal,
                    {.ready = Ready::True,
                     .reason = Reason::Running,
                     .message = fmt::format("{} runs on {} as declared.", subject.key.toString(), instance()),
                     .state = UnikernelState::Ready});
}

/// Somebody has asked for a restart since its present life began.
bool Planner::isRestartWanted(const Subject& subject) {
  const std::string wanted = subject.unikernel.restartedAt();
  return !wanted.empty() && wanted != subject.entry->restartedAt;
}

Planner::Verdict Planner::judgeRestart(const Subject& subject) {
  Step step;
  step.verb = Verb::Restart;
  step.reason = Reason::RestartRequested;
  step.object = subject.key;
  step.name = subject.name;
  step.wanted = subject.wanted;
  step.message = fmt::format("{} is restarted, as its annotation {} asks for.", subject.key.toString(),
                             api::restartedAtAnnotation);
  return takeStep(subject, std::move(step));
}

Planner::Verdict Planner::judgeDifferent(const Subject& subject, const Difference& difference, Step step) {
  ObjectMemory& object = subject.memory;
  if (object.inSync == step.wanted) {
    ++plan_.drift;
    noteTakenBack(object, {step.wanted}, step.fields);
    object.inSync.reset();
  }
  const bool restartInVain = difference.memory && plan_.memory.restartChangesMemory == false;
  step.verb = difference.image || restartInVain ? Verb::ForceCreate : Verb::Restart;
  step.reason = reasonOf(difference);
  const bool leftRunning = subject.spec().updateStrategy == api::Unikernel::UpdateStrategy::OnDelete;
  if (leftRunning && !isRestartWanted(subject)) {
    return {.ready = Ready::True,
            .reason = Reason::UpdateOnDelete,
            .message = fmt::format(
                "{} runs on {} and differs in {}; as update.strategy is OnDelete, it is not stopped to "
                "change that.",
                subject.key.toString(), instance(), pathsOf(difference)),
            .state = UnikernelState::Ready};
  }
  if (notConverging(subject, difference, step)) {
    return {
        .reason = Reason::NotConverging,
        .message = fmt::format(
            "{} still differs in {} on {} after a {} that the server answered with success. Nothing more is "
            "sent until the manifest, the image or the server changes.",
            subject.key.toString(), pathsOf(difference), instance(), toString(*object.succeeded)),
        .stalled = true,
        .state = UnikernelState::Failed};
  }
  step.message = fmt::format("{} differs in {}.", subject.key.toString(), pathsOf(difference));
  const Goal goal{step.wanted};
  Verdict verdict = takeStep(subject, std::move(step));
  awaitTurn(subject.key, goal, verdict);
  return verdict;
}

/// A step that succeeded and left the same difference is not repeated: a restart is followed by a
/// force-create, that by nothing.
bool Planner::notConverging(const Subject& subject, const Difference& difference, Step& step) {
  const ObjectMemory& object = subject.memory;
  if (object.tried != step.wanted || !leftBehind(step)) return false;
  if (object.succeeded == Verb::ForceCreate) return true;
  if (object.succeeded != Verb::Restart || step.verb != Verb::Restart) return false;
  if (difference.memory && !difference.arguments) plan_.memory.restartChangesMemory = false;
  step.verb = Verb::ForceCreate;
  step.reason = Reason::RestartIneffective;
  return false;
}

Planner::Verdict Planner::judgeAbsent(const Subject& subject) {
  Step step;
  step.verb = Verb::Create;
  step.object = subject.key;
  step.name = subject.name;
  step.wanted = subject.wanted;
  step.message = fmt::format("{} does not run on {}.", subject.key.toString(), instance());
  step.fields = fieldsOf(step.wanted->arguments, step.wanted->digest, subject.name,
                         subject.unikernel.literalArguments());
  Entry* entry = subject.entry;
  if (entry != nullptr && !subject.stopped && completed(subject.unikernel, *entry, step.wanted->digest)) {
    entry->ranSpec = runOf(subject.unikernel, step.wanted->digest);  // a former version writes it differently
    return {
        .ready = Ready::True,
        .reason = Reason::Completed,
        .message = fmt::format(
            "{} ran on {} and ended; as runPolicy is Once, it is not run again until what it runs changes.",
            subject.key.toString(), instance()),
        .state = UnikernelState::Ready};
  }
  const bool ranBefore = entry != nullptr && entry->confirmed && !entry->destroyedAt && !subject.stopped;
  if (subject.former && subject.memory.tried != step.wanted) return takeStep(subject, std::move(step));
  return ranBefore ? judgeEnded(subject, std::move(step)) : takeStep(subject, std::move(step));
}

/// It should run, and did: it is created again once a second look has not found it either, later each time it
/// ends.
Planner::Verdict Planner::judgeEnded(const Subject& subject, Step step) {
  const std::string who = subject.key.toString();
  ObjectMemory& object = subject.memory;
  const bool changed = object.tried && object.tried != step.wanted;  // what ended is not what is to run now
  if (changed) object.attempts = 0;
  if (!object.missingSince) {
    plan_.ended.push_back(subject.key);
    object.missingSince = now_;
    object.nextAttempt = now_ + backoff(object.attempts, who);
  } else if (changed) {
    object.nextAttempt = std::min(object.nextAttempt, *object.missingSince + backoff(0, who));
  }
  step.notBefore = object.nextAttempt;
  Verdict verdict = takeStep(subject, std::move(step));
  if (!verdict.step || verdict.reason != Reason::Reconciling) return verdict;
  verdict.reason = Reason::CrashLoopBackOff;
  verdict.message =
      sentences({fmt::format("{} has ended on {}{}; it is created again at {}.", who, instance(),
                             object.attempts == 0 ? "" : fmt::format(" after {} attempts", object.attempts),
                             api::toRfc3339(object.nextAttempt)),
                 lastWordsOf(subject)});
  verdict.state = UnikernelState::Failed;
  return verdict;
}

/// The step comes once the image has been pulled. Until then what runs is not touched.
Planner::Verdict Planner::awaitImage(const Subject& subject, Step step) {
  const image::Missing& missing = *subject.unikernel.missing;
  Verdict verdict = refusal(missing.error, subject.running != nullptr);
  verdict.stalled = missing.lasting;
  verdict.reconciling = !missing.lasting;
  if (!missing.lasting && missing.error.reason == Reason::ImagePulling)
    verdict.state = UnikernelState::Progressing;
  step.notBefore = SystemTime::max();
  verdict.step = std::move(step);
  return verdict;
}

/// The step, unless the server could not carry it out: then the unikernel that runs must not be touched.
Planner::Verdict Planner::takeStep(const Subject& subject, Step step) {
  const bool running = subject.running != nullptr;
  auto chain = chainFor(subject.name);
  if (!chain) {
    hangsTogether_ = true;
    return refusal(chain.error(), running);
  }
  if (auto waits = awaitVolumes(subject)) return *std::move(waits);
  if (const auto error = world_.cannotRun(subject.name, subject.arguments())) {
    waiting_[domainOf(subject.name)].push_back(subject.key);
    bool resolves = false;
    Verdict verdict = refusal(nameLeaving(subject.name, *error, resolves), running);
    verdict.stalled = !resolves;
    verdict.reconciling = resolves;
    return verdict;
  }
  step.domains = std::move(*chain);
  step.era = world_.seen().era;
  if (auto waits = awaitDependencies(subject, step)) {
    waits->step = std::move(step);
    return *std::move(waits);
  }
  const bool lacksImage = subject.former ? !subject.formerImage : subject.unikernel.missing.has_value();
  if (lacksImage && !canDoWithout(subject.arguments(), subject.running, step)) {
    if (!subject.former) return awaitImage(subject, std::move(step));
    return refusal({Reason::ImageNotFound,
                    fmt::format("The image of {} of before is not kept here.", subject.key.toString())},
                   running);
  }
  if (step.verb != Verb::Restart) {
    step.image = subject.former ? *subject.formerImage : *subject.unikernel.image;
    if (!desired_.spec().isLocal()) step.compressionLevel = subject.spec().compressionLevel;
  }
  step.keeps = keptFor(subject, step);
  Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
  applyBackoff(verdict, step);
  verdict.step = std::move(step);
  awaitTurnToStop(subject, verdict);
  return verdict;
}

}  // namespace rookery::plan
