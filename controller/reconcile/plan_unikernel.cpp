// What plan decides about a unikernel that the manifests declare.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reconcile/planner.h"

namespace rookery::reconcile {

using albatross::Name;
using albatross::UnikernelInfo;
using Ready = api::Condition::Status;

namespace {

std::string pathsOf(const Difference& difference) {
  std::vector<std::string> paths;
  for (const FieldChange& change : difference.fields) paths.push_back(change.path);
  return fmt::format("{}", fmt::join(paths, ", "));
}

Wanted wantedOf(const DesiredUnikernel& unikernel) {
  return {unikernel.arguments, unikernel.image ? unikernel.image->digest : ""};
}

Reason reasonOf(const Difference& difference) {
  if (difference.image) return Reason::ImageDiffers;
  return difference.arguments ? Reason::ArgumentsDiffer : Reason::MemoryDiffers;
}

/// What runPolicy Once asked for was done: this spec has run with this image.
bool completed(const DesiredUnikernel& unikernel, const Entry& entry, const std::string& digest) {
  return unikernel.spec().runPolicy == api::Unikernel::RunPolicy::Once && !entry.destroyedAt && entry.ranSpec == runOf(unikernel, digest);
}

}  // namespace

void Planner::planUnikernels() {
  // What shrinks goes first: it may make room for what grows.
  std::vector<std::pair<std::int64_t, const DesiredUnikernel*>> order;
  for (const auto& [key, unikernel] : desired_.unikernels) {
    const UnikernelInfo* running = world_.find(nameOf(key));
    order.emplace_back(unikernel.arguments.memory - (running == nullptr ? 0 : running->memory), &unikernel);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [growth, unikernel] : order) {
    conclude(unikernel->object->key(), unikernel->generation, judge(*unikernel));
  }
}

Planner::Verdict Planner::judge(const DesiredUnikernel& unikernel) {
  const Name name = nameOf(unikernel.object->key());
  if (auto verdict = obstacle(unikernel, name)) return std::move(*verdict);
  const UnikernelInfo* running = world_.find(name);
  Verdict verdict = running == nullptr ? judgeAbsent(unikernel) : judgeRunning(unikernel, *running);
  if (unikernel.notice) verdict.message += " " + *unikernel.notice;
  return verdict;
}

/// What keeps us from even looking at the difference.
std::optional<Planner::Verdict> Planner::obstacle(const DesiredUnikernel& unikernel, const Name& name) {
  const api::ObjectKey key = unikernel.object->key();
  const bool running = world_.find(name) != nullptr;
  if (unikernel.spec().suspend || desired_.spec().suspend) {
    const bool instanceToo = !unikernel.spec().suspend;
    return Verdict{.ready = running ? Ready::True : Ready::Unknown,
                   .reason = instanceToo ? Reason::InstanceSuspended : Reason::Suspended,
                   .message = fmt::format("{} is suspended: {} is left as it is.",
                                          instanceToo ? desired_.instance->key().toString() : key.toString(), key.toString()),
                   .stalled = !running,
                   .state = UnikernelState::Suspended};
  }
  if (unikernel.error) return refusal(*unikernel.error, running);
  if (!unikernel.image) return refusal(unikernel.image.error(), running);
  if (const auto& authority = authorityFor(name); !authority) return refusal(authority.error(), running);
  if (isRoot(key.nameSpace) && world_.hasDomain(key.name)) {
    return refusal({Reason::NameConflict, fmt::format("{} would run in the root domain under the name of the domain {}, and "
                                                      "the server mixes the two up. Give it another name.",
                                                      key.toString(), key.name)},
                   running);
  }
  if (inDoubt(name)) {
    const Pending& pending = *ownEntry(name)->pending;
    return Verdict{.ready = Ready::Unknown,
                   .reason = Reason::InDoubt,
                   .message = fmt::format("The answer to {} was lost; {} is only watched until it is seen what became of it, "
                                          "at the latest until {}.",
                                          toString(pending.verb), key.toString(),
                                          api::toRfc3339(pending.since + desired_.spec().streamTimeout)),
                   .reconciling = true};
  }
  return std::nullopt;
}

Planner::Verdict Planner::judgeRunning(const DesiredUnikernel& unikernel, const UnikernelInfo& running) {
  const api::ObjectKey key = unikernel.object->key();
  Step step;
  step.object = key;
  step.name = nameOf(key);
  step.wanted = wantedOf(unikernel);
  if (running.type != albatross::UnikernelType::Solo5) {
    return {.reason = Reason::TypeNotSupported,
            .message = fmt::format("{} on {} is a bhyve machine, which rookery never touches. Rename the object.",
                                   step.name.toString(), instance()),
            .stalled = true,
            .state = UnikernelState::Failed};
  }
  const Difference difference =
      compare(unikernel.arguments, step.wanted->digest, running, step.name, unikernel.spec().arguments);
  if (ownEntry(step.name) == nullptr) return judgeForeign(unikernel, difference, std::move(step));
  if (!difference.any()) return judgeInSync(unikernel);
  return judgeDifferent(unikernel, difference, std::move(step));
}

Planner::Verdict Planner::judgeForeign(const DesiredUnikernel& unikernel, const Difference& difference, Step step) {
  using Adopt = api::Unikernel::Adopt;
  const Adopt adopt = unikernel.spec().adopt;
  if (adopt == Adopt::Always || (adopt == Adopt::IfIdentical && !difference.any())) {
    step.verb = Verb::Adopt;
    step.reason = difference.any() ? reasonOf(difference) : Reason::PresentIdentical;
    step.message = fmt::format("{} runs on {} already and is taken over.", step.object.toString(), instance());
    step.fields = difference.fields;
    Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
    applyBackoff(verdict, step);
    verdict.step = std::move(step);
    return verdict;
  }
  std::string message = fmt::format("A unikernel of this name runs on {} that rookery did not create", instance());
  message += difference.any() ? fmt::format("; it differs in {}", pathsOf(difference)) : "";
  message += adopt == Adopt::Never ? ". It is left alone, as adopt: Never says."
                                   : ". It is left alone; set adopt: Always to take it over and change it.";
  return {.reason = Reason::NotOwned, .message = std::move(message), .stalled = true, .state = UnikernelState::Failed};
}

Planner::Verdict Planner::judgeInSync(const DesiredUnikernel& unikernel) {
  const api::ObjectKey key = unikernel.object->key();
  ObjectMemory& object = memoryOf(key);
  if (object.succeeded == Verb::Restart && object.inSync && object.inSync->arguments.memory != unikernel.arguments.memory) {
    plan_.memory.restartChangesMemory = true;
  }
  object.inSync = wantedOf(unikernel);
  object.succeeded.reset();
  object.lastError.reset();
  Entry& entry = plan_.memory.inventory.at(nameOf(key));
  if (unikernel.spec().runPolicy == api::Unikernel::RunPolicy::Once) entry.ranSpec = runOf(unikernel, object.inSync->digest);
  const auto age = now_ - object.upSince;
  const std::chrono::seconds minimum(unikernel.spec().minReadySeconds);
  if (age < minimum) {
    wakeAt(object.upSince + minimum);
    return {.reason = Reason::Reconciling,
            .message = fmt::format("{} runs on {} and counts as ready once it has been up for {} s.", key.toString(), instance(),
                                   minimum.count()),
            .reconciling = true};
  }
  return {.ready = Ready::True,
          .reason = Reason::Running,
          .message = fmt::format("{} runs on {} as declared.", key.toString(), instance()),
          .state = UnikernelState::Ready};
}

Planner::Verdict Planner::judgeDifferent(const DesiredUnikernel& unikernel, const Difference& difference, Step step) {
  ObjectMemory& object = memoryOf(step.object);
  if (object.inSync == step.wanted) ++plan_.drift;
  if (object.inSync == step.wanted) object.inSync.reset();
  step.fields = difference.fields;
  const bool restartInVain = difference.memory && plan_.memory.restartChangesMemory == false;
  step.verb = difference.image || restartInVain ? Verb::ForceCreate : Verb::Restart;
  step.reason = reasonOf(difference);
  if (unikernel.spec().updateStrategy == api::Unikernel::UpdateStrategy::OnDelete) {
    return {.ready = Ready::True,
            .reason = Reason::UpdateOnDelete,
            .message = fmt::format("{} runs on {} and differs in {}; as update.strategy is OnDelete, it is not stopped to "
                                   "change that.",
                                   step.object.toString(), instance(), pathsOf(difference)),
            .state = UnikernelState::Ready};
  }
  if (notConverging(difference, step)) {
    return {.reason = Reason::NotConverging,
            .message = fmt::format("{} still differs in {} on {} after a {} that the server answered with success. Nothing more is "
                                   "sent until the manifest, the image or the server changes.",
                                   step.object.toString(), pathsOf(difference), instance(), toString(*object.succeeded)),
            .stalled = true,
            .state = UnikernelState::Failed};
  }
  step.message = fmt::format("{} differs in {}.", step.object.toString(), pathsOf(difference));
  return takeStep(unikernel, std::move(step));
}

/// A step that succeeded and left the same difference is not repeated: a restart is followed by a force-create, that
/// by nothing.
bool Planner::notConverging(const Difference& difference, Step& step) {
  const ObjectMemory& object = memoryOf(step.object);
  if (object.tried != step.wanted || !leftDifferent(step)) return false;
  if (object.succeeded == Verb::ForceCreate) return true;
  if (object.succeeded != Verb::Restart || step.verb != Verb::Restart) return false;
  if (difference.memory && !difference.arguments) plan_.memory.restartChangesMemory = false;
  step.verb = Verb::ForceCreate;
  step.reason = Reason::RestartIneffective;
  return false;
}

Planner::Verdict Planner::judgeAbsent(const DesiredUnikernel& unikernel) {
  const api::ObjectKey key = unikernel.object->key();
  Step step;
  step.verb = Verb::Create;
  step.object = key;
  step.name = nameOf(key);
  step.wanted = wantedOf(unikernel);
  step.message = fmt::format("{} does not run on {}.", key.toString(), instance());
  const Entry* entry = ownEntry(step.name);
  if (entry != nullptr && completed(unikernel, *entry, step.wanted->digest)) {
    return {.ready = Ready::True,
            .reason = Reason::Completed,
            .message = fmt::format("{} ran on {} and ended; as runPolicy is Once, it is not run again until its spec changes.",
                                   key.toString(), instance()),
            .state = UnikernelState::Ready};
  }
  const bool ranBefore = entry != nullptr && entry->confirmed && !entry->destroyedAt;
  return ranBefore ? judgeEnded(unikernel, std::move(step)) : takeStep(unikernel, std::move(step));
}

/// It should run, and did: it is created again once a second look has not found it either, later each time it ends.
Planner::Verdict Planner::judgeEnded(const DesiredUnikernel& unikernel, Step step) {
  const std::string who = step.object.toString();
  ObjectMemory& object = memoryOf(step.object);
  const bool changed = object.tried && object.tried != step.wanted;  // what ended is not what is to run now
  if (changed) object.attempts = 0;
  if (!object.missingSince) {
    object.missingSince = now_;
    object.nextAttempt = now_ + backoff(object.attempts, who);
  } else if (changed) {
    object.nextAttempt = std::min(object.nextAttempt, *object.missingSince + backoff(0, who));
  }
  step.notBefore = object.nextAttempt;
  Verdict verdict = takeStep(unikernel, std::move(step));
  if (!verdict.step || verdict.reason != Reason::Reconciling) return verdict;
  verdict.reason = Reason::CrashLoopBackOff;
  verdict.message = fmt::format("{} has ended on {}{}; it is created again at {}.", who, instance(),
                                object.attempts == 0 ? "" : fmt::format(" after {} attempts", object.attempts),
                                api::toRfc3339(object.nextAttempt));
  verdict.state = UnikernelState::Failed;
  return verdict;
}

/// The step, unless the server could not carry it out: then the unikernel that runs must not be touched.
Planner::Verdict Planner::takeStep(const DesiredUnikernel& unikernel, Step step) {
  const bool running = world_.find(step.name) != nullptr;
  auto chain = chainFor(step.name);
  if (!chain) return refusal(chain.error(), running);
  if (auto error = world_.cannotRun(step.name, unikernel.arguments)) return refusal(*error, running);
  step.domains = std::move(*chain);
  if (step.verb != Verb::Restart) step.image = *unikernel.image;
  Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
  applyBackoff(verdict, step);
  verdict.step = std::move(step);
  return verdict;
}

}  // namespace rookery::reconcile
