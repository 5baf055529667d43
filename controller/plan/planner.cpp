#include "plan/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "api/outdated.h"
#include "plan/preflight.h"
#include "sentence.h"

namespace rookery::plan {

using albatross::Name;
using albatross::UnikernelInfo;

namespace {

/// Errors of a step after which trying again alone is not likely to help.
bool needsSomebody(Reason reason) {
  switch (reason) {
    case Reason::CertificateRefused:
    case Reason::ImageChanged:
    case Reason::ImageNotFound:
    case Reason::ImageUnreadable:
    case Reason::Refused:
    case Reason::ServerCertificateUnknownCA:
    case Reason::ServerNameMismatch:
    case Reason::StateUnwritable:
      return true;
    default:
      return false;
  }
}

}  // namespace

Plan decide(const Desired& desired, const Observed& observed, Memory memory, const Authority& authority,
            Now now) {
  return Planner(desired, nullptr, observed, std::move(memory), authority, now).run();
}

Plan decideAgain(const Desired& desired, const std::set<api::ObjectKey>& changed, const Observed& observed,
                 Memory memory, Counts counts, const Authority& authority, Now now) {
  for (const api::ObjectKey& key : changed) {
    const auto known = memory.objects.find(key);
    if (known == memory.objects.end() || !known->second.state) continue;
    const auto counted = counts.find({key.nameSpace, *known->second.state});
    if (counted != counts.end() && --counted->second == 0) counts.erase(counted);
  }
  Plan plan = Planner(desired, &changed, observed, std::move(memory), authority, now).run();
  for (const auto& [counted, count] : plan.counts) counts[counted] += count;
  plan.counts = std::move(counts);
  return plan;
}

std::vector<Step> takeable(const std::vector<Step>& steps, SystemTime now) {
  std::vector<Step> taken;
  std::set<api::ObjectKey> objects;
  for (const Step& step : steps) {
    if (step.notBefore > now) continue;
    if (!objects.insert(step.object).second) break;
    taken.push_back(step);
    if (step.verb == Verb::ApplyPolicy) break;
  }
  return taken;
}

bool sendsTheSame(const Step& a, const Step& b) {
  return a.verb == b.verb && a.object == b.object && a.name == b.name && a.domains == b.domains &&
         a.wanted == b.wanted && a.image == b.image && a.volume == b.volume &&
         a.compressionLevel == b.compressionLevel && a.load == b.load && a.era == b.era;
}

Planner::Planner(const Desired& desired, const std::set<api::ObjectKey>* changed, const Observed& observed,
                 Memory memory, const Authority& authority, Now now)
    : desired_(desired),
      changed_(changed),
      world_(observed),
      authority_(authority),
      now_(now.time),
      wallAhead_(now.wall - now.time) {
  plan_.memory = std::move(memory);
}

Plan Planner::run() {
  dropClaims();
  settlePending();
  settleVolumes();
  confirmEntries();
  std::vector<Subject> subjects = findSubjects();
  for (Subject& subject : subjects) {
    refreshEntry(subject);
    trackLife(subject);
    followUpdate(subject);
  }
  findDown();
  planPolicies(PolicyPhase::BeforeUnikernels);
  planRemovals();
  if (changed_ == nullptr) countUnmanaged();
  planVolumes(subjects);
  planUnikernels(subjects);
  planVolumeRemovals();
  nameWaiting();
  planPolicies(PolicyPhase::AfterUnikernels);
  if (changed_ == nullptr) forgetObjects();
  plan_.rest = rest();
  return std::move(plan_);
}

// -- Mutations whose outcome is not known
// ----------------------------------------------------------------------------

void Planner::settlePending() {
  keepEntries([&](Entry& entry) {
    if (entry.pending) settle(entry);
    return true;
  });
}

void Planner::settle(Entry& entry) {
  Pending& pending = *entry.pending;
  pending.since = std::min(pending.since, now_);  // it is in the future when the clock was set back
  const UnikernelInfo* running = world_.find(entry.name);
  const bool changed = running == nullptr
                           ? !pending.digest.empty()
                           : running->digest != pending.digest || running->started != pending.started;
  const SystemTime end = pending.since + pending.timeout(desired_.spec());
  if (pending.committed && !changed && now_ < end) {
    inDoubt_.insert(entry.name);
    wakeAt(std::min(now_ + doubtInterval, end));
    return;
  }
  // An image that was still on its way died with its connection; anything else may come true even now.
  if (pending.committed) entry.remember(pending.image);
  if (pending.committed && pending.fingerprint) entry.remember(*pending.fingerprint);
  if (pending.committed && changed && startsUnikernel(pending.verb)) entry.restartedAt = pending.restartedAt;
  // Who was told of it by a status only did not send it.
  if (!changed || startsUnikernel(pending.verb)) memoryOf(entry.object).startExpected = changed;
  const bool gone = pending.verb == Verb::Destroy && running == nullptr;
  entry.pending.reset();
  if (gone) entry.bury(now_);
}

std::vector<Planner::Subject> Planner::findSubjects() {
  std::vector<Subject> subjects;
  subjects.reserve(changed_ == nullptr ? desired_.unikernels.size() : changed_->size());
  if (changed_ == nullptr) {
    for (const auto& [key, unikernel] : desired_.unikernels) addSubject(key, unikernel, subjects);
    return subjects;
  }
  for (const api::ObjectKey& key : *changed_) addSubject(key, desired_.unikernels.at(key), subjects);
  return subjects;
}

void Planner::addSubject(const api::ObjectKey& key, const DesiredUnikernel& unikernel,
                         std::vector<Subject>& subjects) {
  Name name = nameOf(key);
  const UnikernelInfo* running = world_.find(name);
  Entry* entry = ownEntry(name);
  ObjectMemory& memory = memoryOf(key);
  Shared<Wanted> wanted = wantedNow({unikernel.arguments, unikernel.digest()}, world_.seen().era, memory);
  subjects.push_back({key, unikernel, std::move(name), running, entry, memory, std::move(wanted)});
}

/// Keeps what an entry tells about its object true, for the day on which the manifest is gone.
void Planner::refreshEntry(const Subject& subject) const {
  if (subject.entry == nullptr) return;
  Entry& entry = *subject.entry;
  const api::Origin& origin = subject.unikernel.object->origin;
  entry.object = subject.key;  // the name may have been another object's, under another rootNamespace
  entry.root = origin.root;
  entry.file = origin.file;
  entry.instance = instance();
  entry.prune = subject.unikernel.goesWithItsObject();
  entry.suspend = subject.spec().suspend;
  entry.withheld.clear();
  if (subject.running == nullptr || !entry.destroyedAt) return;
  entry.destroyedAt.reset();  // it came back, and is wanted again
  entry.since = now_;
}

// -- Lives
// -----------------------------------------------------------------------------------------------------------

/// What another controller saw running counts as seen.
void Planner::takeOverLife(const Subject& subject) const {
  ObjectMemory& object = subject.memory;
  const auto& started = subject.running->started;
  if (!object.recalled || !started) return;
  const SystemTime recalled = *std::exchange(object.recalled, std::nullopt);
  const bool same = std::chrono::floor<std::chrono::seconds>(*started) ==
                    std::chrono::floor<std::chrono::seconds>(recalled);
  object.started = same ? *started : std::chrono::floor<std::chrono::milliseconds>(recalled);
  if (same) object.upSince = std::min(now_, SystemTime(*started));
}

/// Whoever wants it looked at now does not want to wait for the next attempt either.
void Planner::heedRequest(ObjectMemory& memory, const api::Object& object) const {
  std::string request = api::requestOf(object.metadata.annotations, api::reconcileAnnotation);
  if (memory.reconcile == request) return;
  if (memory.reconcile) memory.nextAttempt = now_;
  memory.reconcile = std::move(request);
}

void Planner::trackLife(const Subject& subject) {
  ObjectMemory& object = subject.memory;
  heedRequest(object, *subject.unikernel.object);
  // What lies in the future was written down before the clock was set back.
  object.nextAttempt = std::min(object.nextAttempt, now_ + 2 * backoffLimit);
  object.upSince = std::min(object.upSince, now_);
  std::erase_if(object.recentRestarts, [&](SystemTime time) { return time <= now_ - loopWindow; });
  if (subject.running == nullptr) return;
  takeOverLife(subject);
  const auto& started = subject.running->started;
  const bool changed = started != object.started;
  if (changed || object.missingSince) {
    const bool first = !object.started && !object.startExpected;
    if (changed && object.started && !object.startExpected) {
      object.countRestart(now_);
      if (!object.missingSince) plan_.ended.push_back(subject.key);
    }
    object.upSince = first && started ? std::min(now_, SystemTime(*started)) : now_;
    object.started = started;
    object.startExpected = false;
    object.missingSince.reset();
  }
  if (now_ - object.upSince >= backoffReset && !object.lastError) object.attempts = 0;
}

// -- Results
// ---------------------------------------------------------------------------------------------------------

/// Only what is due counts as done for the steps after it: the first that is due is judged by the world as it
/// is, and what fails keeps nobody waiting.
void Planner::emit(Step step) {
  if (desired_.spec().observe) return plan_.later.push_back(std::move(step));
  if (step.notBefore <= now_) {
    foresee(step);
  } else if (step.notBefore != SystemTime::max()) {
    wakeAt(step.notBefore);
  }
  plan_.steps.push_back(std::move(step));
}

void Planner::foresee(const Step& step) {
  switch (step.verb) {
    case Verb::Create:
    case Verb::ForceCreate:
    case Verb::Restart:
      return world_.run(step.name, step.wanted->arguments, step.wanted->digest);
    case Verb::Destroy:
      return world_.remove(step.name);
    case Verb::ApplyPolicy:
      return world_.setPolicy(step.name, step.domains.back().policy);
    case Verb::CreateVolume:
      return world_.addBlockDevice(step.name, step.volume->size);
    case Verb::DestroyVolume:
      return world_.removeBlockDevice(step.name);
    case Verb::Adopt:
    case Verb::SetVolume:
      return;
  }
}

void Planner::report(Error error) {
  if (reported_.insert(error.message).second) plan_.errors.push_back(std::move(error));
}

Planner::Verdict Planner::refusal(const Error& error, bool running) const {
  return {.reason = error.reason,
          .message = sentences({error.message, running ? "The running unikernel is left as it is." : ""}),
          .stalled = true,
          .state = UnikernelState::Failed};
}

/// Puts off a step that failed when it was taken last, and returns why it did.
const Error* Planner::putOff(Step& step) {
  const ObjectMemory& object = memoryOf(step.object);
  const bool same = step.verb == Verb::ApplyPolicy
                        ? object.triedPolicy == step.domains.back().policy
                        : object.tried == step.wanted && object.triedVolume == step.volume;
  if (!object.lastError || !same) return nullptr;
  step.notBefore = std::max(step.notBefore, object.nextAttempt);
  return &*object.lastError;
}

void Planner::applyBackoff(Verdict& verdict, Step& step) {
  const Error* error = putOff(step);
  if (error == nullptr) return;
  verdict.reason = error->reason;
  verdict.message =
      sentences({error->message, fmt::format("The next attempt is at {}.", api::toRfc3339(step.notBefore))});
  verdict.stalled = needsSomebody(error->reason);
  verdict.state = UnikernelState::Failed;
}

void Planner::wakeAt(SystemTime time) { plan_.wakeAt = plan_.wakeAt ? std::min(*plan_.wakeAt, time) : time; }

/// What is held to an old manifest is not as declared.
void Planner::qualify(const api::ObjectKey& key, Verdict& verdict) const {
  const auto found = desired_.outdated.find(key);
  if (found == desired_.outdated.end()) return;
  const api::Outdated& outdated = found->second;
  if (!outdated.gone) {
    verdict.message =
        sentences({verdict.message, "This is what its manifest said before.", outdated.silence.cause});
    verdict.reconciling = verdict.reconciling || outdated.silence.passing;
    return;
  }
  // Its image lay beside its manifest: it is not for anybody to build.
  const bool wentWithIt = verdict.reason == Reason::ImageNotFound;
  if (verdict.ready != api::Condition::Status::True && !wentWithIt) {
    verdict.message = sentences({verdict.message, whyKept(key, outdated.silence)});
    return;
  }
  verdict.ready = api::Condition::Status::False;
  verdict.reason = Reason::PruneBlocked;
  verdict.message = whyKept(key, outdated.silence);
  verdict.reconciling = outdated.silence.passing;
  verdict.stalled = !outdated.silence.passing;
  verdict.state = outdated.silence.passing ? UnikernelState::Progressing : UnikernelState::Failed;
}

std::string Planner::whyNothingIsSent() const {
  return fmt::format("Nothing is sent, as {} is only observed (spec.observe).",
                     desired_.instance->key().toString());
}

/// What would be done is shown, and is not. What runs as declared, and would only be taken over, is Ready.
void Planner::onlyObserve(Verdict& verdict) {
  if (!desired_.spec().observe || !verdict.step) return;
  Step step = *std::exchange(verdict.step, std::nullopt);
  const bool same = step.verb == Verb::Adopt && step.fields.empty();
  verdict.ready = same ? api::Condition::Status::True : api::Condition::Status::False;
  verdict.reason = Reason::Observed;
  verdict.message = sentences({step.message, whyNothingIsSent()});
  verdict.reconciling = false;
  verdict.stalled = !same;
  verdict.state = same ? UnikernelState::Ready : UnikernelState::Failed;
  plan_.later.push_back(std::move(step));
}

/// Puts what is said of an object into its status, and returns that.
ObjectState& Planner::conclude(const api::ObjectKey& key, std::int64_t generation, Verdict verdict) {
  using Type = api::Condition::Type;
  using Status = api::Condition::Status;
  ObjectState& state = plan_.objects[key];
  state.state = verdict.state;
  state.settled = verdict.stalled || (verdict.ready == Status::True && !verdict.reconciling);
  auto& conditions = state.status.conditions;
  conditions.push_back({Type::Ready, verdict.ready, verdict.reason, verdict.message, now_});
  if (verdict.reconciling)
    conditions.push_back({Type::Reconciling, Status::True, verdict.reason, verdict.message, now_});
  if (verdict.stalled)
    conditions.push_back({Type::Stalled, Status::True, verdict.reason, verdict.message, now_});
  state.status.observedGeneration = generation;
  if (verdict.step) emit(std::move(*verdict.step));
  return state;
}

/// Each namespace is a label of metrics, and a server has as many domains as it likes: those beyond the first
/// hundred are counted together, under no name.
void Planner::countUnmanaged() {
  constexpr std::size_t mostNamespaces = 100;
  std::set<std::string> namespaces;
  for (const auto& [name, info] : world_.seen().unikernels) {
    const api::ObjectKey key = desired_.objectAt(name, world_.seen().base);
    if (desired_.unikernels.contains(key) && nameOf(key) == name) continue;
    const bool told = namespaces.contains(key.nameSpace) || namespaces.size() < mostNamespaces;
    if (told) namespaces.insert(key.nameSpace);
    ++plan_.counts[{told ? key.nameSpace : "", UnikernelState::Unmanaged}];
  }
}

/// What fits nowhere, or waits for a policy, may do so because of others.
Plan::Rest Planner::rest() const {
  Plan::Rest rest{.each = false, .restless = {}, .until = restUntil_};
  bool policiesRest = true;
  const auto note = [&](const api::ObjectKey& key) {
    if (key.kind == api::Kind::Unikernel) {
      rest.restless.insert(key);
    } else {
      policiesRest = false;
    }
  };
  for (const auto& [key, state] : plan_.objects) {
    if (!state.settled) note(key);
  }
  bool removes = !plan_.later.empty();
  for (const Step& step : plan_.steps) {
    note(step.object);
    removes = removes || step.verb == Verb::Destroy;
  }
  bool ofOthers = false;
  for (const Name& name : inDoubt_) {
    const api::ObjectKey key = desired_.objectAt(name, world_.seen().base);
    const bool declared = desired_.unikernels.contains(key) && nameOf(key) == name;
    if (declared) note(key);
    ofOthers = ofOthers || !declared;
  }
  const bool nothingToSay = plan_.errors.empty() && plan_.unpruned.empty() && plan_.removals.empty();
  rest.each = policiesRest && !removes && !ofOthers && nothingToSay && waiting_.empty() && !hangsTogether_;
  return rest;
}

void Planner::forgetObjects() {
  std::set<api::ObjectKey> known;
  for (const auto& [name, entry] : plan_.memory.inventory) {
    if (!desired_.unikernels.contains(entry.object)) known.insert(entry.object);
  }
  for (const auto& [name, entry] : plan_.memory.volumes) known.insert(entry.object);
  for (const auto& [key, volume] : desired_.volumes) known.insert(key);
  for (const auto& [nameSpace, policy] : desired_.policies) known.insert(policy.object->key());
  std::erase_if(plan_.memory.objects, [&](const auto& item) {
    return !known.contains(item.first) && !desired_.unikernels.contains(item.first);
  });
}

/// Whether all that `step` would change is what the last one was to change: what it left. Something new is
/// somebody else's doing.
bool Planner::leftBehind(const Step& step) {
  const std::vector<FieldChange>& tried = memoryOf(step.object).triedFields;
  return std::all_of(step.fields.begin(), step.fields.end(), [&](const FieldChange& change) {
    return std::find(tried.begin(), tried.end(), change) != tried.end();
  });
}

// -- Names
// -----------------------------------------------------------------------------------------------------------

bool Planner::isRoot(const std::string& nameSpace) const {
  return desired_.spec().rootNamespace == nameSpace;
}

Name Planner::domainNamed(const std::string& nameSpace) const {
  Name domain{world_.seen().base.path, std::nullopt};
  if (!isRoot(nameSpace)) domain.path.push_back(nameSpace);
  return domain;
}

Name Planner::nameOf(const api::ObjectKey& key) const { return desired_.nameOf(key, world_.seen().base); }

Entry* Planner::ownEntry(const Name& name) {
  const auto it = plan_.memory.inventory.find(name);
  return it == plan_.memory.inventory.end() ? nullptr : &it->second;
}

const Result<void>& Planner::authorityFor(const Name& name) const {
  return name.path.size() == world_.seen().base.path.size() ? authority_.ownDomain : authority_.subDomain;
}

Result<std::vector<albatross::Domain>> Planner::chainFor(const Name& name) const {
  std::vector<albatross::Domain> chain;
  const std::size_t depth = world_.seen().base.path.size();
  if (name.path.size() == depth) return chain;
  if (name.path.size() != depth + 1) {
    return fail(Reason::CredentialCannotIssue,
                fmt::format("{} is neither in the domain of the credential of {} nor just below it.",
                            name.toString(), instance()));
  }
  const std::string& nameSpace = name.path.back();
  const albatross::Policy* policy = world_.policy(domainOf(name));
  if (policy != nullptr) {
    chain.push_back({nameSpace, *policy});
    return chain;
  }
  if (desired_.policies.contains(nameSpace)) {
    return fail(Reason::NoPolicy,
                fmt::format("The policy of namespace {} is not set on {} yet; its UnikernelPolicy says why.",
                            nameSpace, instance()));
  }
  return std::unexpected(noPolicy(nameSpace, instance()));
}

}  // namespace rookery::plan
