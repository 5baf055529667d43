// What is remembered of steps: before they are sent, while they run, and how they end.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "plan/desired.h"
#include "plan/plan.h"
#include "plan/rollback.h"
#include "plan/world.h"

namespace rookery::plan {

using albatross::CallError;
using albatross::CallResult;

namespace {

bool sendsImage(Verb verb) { return verb == Verb::Create || verb == Verb::ForceCreate; }

std::string textOf(const albatross::Success& success) {
  const auto* text = std::get_if<albatross::success::Text>(&success);
  return text == nullptr ? "" : text->text;
}

/// Of what a step is the first about; `wanted`: the unikernel or volume that is desired.
template <class Wanted>
Entry makeEntry(const Step& step, const Wanted& wanted, const Desired& desired, const Observed& observed,
                SystemTime now) {
  Entry entry;
  entry.serverKey = observed.serverKey;
  entry.name = step.name;
  entry.instance = desired.name();
  entry.object = step.object;
  entry.root = wanted.object->origin.root;
  entry.file = wanted.object->origin.file;
  entry.prune = wanted.goesWithItsObject();
  entry.since = now;
  return entry;
}

/// It is as the step was to make it, or to find it.
void arrivedVolume(Entry& entry, const Step& step) {
  if (step.verb == Verb::DestroyVolume) return;
  entry.confirmed = true;
  entry.size = step.volume->size;
  if (step.verb != Verb::CreateVolume) entry.remember(step.volume->digest);
}

/// Of what is on a volume nothing is known from the moment on at which it may change.
void sendingVolume(Memory& memory, const Step& step, const Desired& desired, const Observed& observed,
                   SystemTime now) {
  const auto [it, added] = memory.volumes.try_emplace(step.name);
  Entry& entry = it->second;
  if (added) entry = makeEntry(step, desired.volumes.at(step.object), desired, observed, now);
  if (step.verb != Verb::DestroyVolume) entry.digests.clear();
  if (step.verb == Verb::Adopt) return arrivedVolume(entry, step);
  if (step.volume) entry.size = step.volume->size;
  entry.pending.emplace();
  entry.pending->verb = step.verb;
  entry.pending->committed = true;
  entry.pending->since = now;
  if (step.verb == Verb::SetVolume) entry.pending->image = step.volume->digest;
}

/// What was sent is the server's.
void arrived(Entry& entry) {
  if (startsUnikernel(entry.pending->verb)) entry.restartedAt = entry.pending->restartedAt;
  entry.remember(entry.pending->image);
  if (entry.pending->fingerprint) entry.remember(*entry.pending->fingerprint);
}

void succeeded(Memory& memory, const Step& step, const Desired& desired) {
  ObjectMemory& object = memory.objects[step.object];
  object.lastError.reset();
  object.succeeded = step.verb;
  Entry* entry = memory.entryOf(step);
  if (entry == nullptr) return;
  if (!startsUnikernel(step.verb)) return;
  entry->confirmed = true;
  const auto unikernel = desired.unikernels.find(step.object);
  if (unikernel != desired.unikernels.end() && step.wanted)
    entry->ranSpec = runOf(unikernel->second, step.wanted->digest);
}

void failed(Memory& memory, const Step& step, const CallError& failure, SystemTime now) {
  ObjectMemory& object = memory.objects[step.object];
  object.lastError = failure.error;
  object.succeeded.reset();
  object.nextAttempt = now + backoff(object.attempts++, step.object.toString());
  Entry* entry = memory.entryOf(step);
  if (entry == nullptr || failure.inDoubt) return;
  object.startExpected = false;
}

/// It runs already, and is ours from now on; `running` null: it does not, any more.
void adopt(Entry& entry, const Step& step, const DesiredUnikernel& unikernel,
           const albatross::UnikernelInfo* running) {
  entry.confirmed = true;
  entry.remember(running != nullptr ? running->digest : step.wanted->digest);
  entry.restartedAt = unikernel.restartedAt();
  if (running == nullptr) return;
  entry.remember(plan::fingerprintOf(*running, step.name));
  entry.started = running->started;
}

Pending pendingOf(const Step& step, const Desired& desired, const albatross::UnikernelInfo* running,
                  SystemTime now) {
  Pending pending;
  pending.verb = step.verb;
  pending.committed = !sendsImage(step.verb);
  pending.since = now;
  if (running != nullptr) pending.digest = running->digest;
  if (running != nullptr) pending.started = running->started;
  if (sendsImage(step.verb)) pending.image = step.wanted->digest;
  if (!startsUnikernel(step.verb)) return pending;
  pending.fingerprint = plan::fingerprintOf(step.wanted->arguments, step.name);
  pending.restartedAt = desired.unikernels.at(step.object).restartedAt();
  return pending;
}

void sendingUnikernel(Memory& memory, const Step& step, const Desired& desired, const Observed& observed,
                      SystemTime now) {
  if (step.verb != Verb::Destroy && memory.inventory.find(step.name) == memory.inventory.end()) {
    const DesiredUnikernel& unikernel = desired.unikernels.at(step.object);
    Entry made = makeEntry(step, unikernel, desired, observed, now);
    made.suspend = unikernel.spec().suspend;
    memory.inventory[step.name] = std::move(made);
  }
  Entry* entry = memory.entryOf(step);
  check(entry != nullptr, "only what is ours is destroyed");
  if (entry->destroyedAt && step.verb == Verb::Create) {  // another life begins
    entry->confirmed = false;
    entry->since = now;
  }
  entry->destroyedAt.reset();
  const auto found = observed.unikernels.find(step.name);
  const auto* running = found == observed.unikernels.end() ? nullptr : &found->second;
  if (step.verb == Verb::Adopt) return adopt(*entry, step, desired.unikernels.at(step.object), running);
  entry->pending = pendingOf(step, desired, running, now);
  if (!startsUnikernel(step.verb)) return;
  ObjectMemory& object = memory.objects[step.object];
  object.startExpected = true;
  const bool tries = beginTrial(*entry, *step.wanted, desired.unikernels.at(step.object), now);
  if (tries || step.reason == Reason::RolledBack) object.recentRestarts.clear();  // those were another's
}

}  // namespace

Entry* Memory::entryOf(const Step& step) {
  Inventory& kept = step.isAboutVolume() ? volumes : inventory;
  const auto it = kept.find(step.name);
  return it == kept.end() ? nullptr : &it->second;
}

void ObjectMemory::countRestart(SystemTime now) {
  ++restarts;
  recentRestarts.push_back(now);
  if (recentRestarts.size() > restartsOfALoop) recentRestarts.erase(recentRestarts.begin());
}

bool startsUnikernel(Verb verb) {
  return verb == Verb::Create || verb == Verb::ForceCreate || verb == Verb::Restart;
}

std::string runOf(const DesiredUnikernel& unikernel, const std::string& digest) {
  return unikernel.object->run.current + ":" + image::toHex(digest);
}

bool hasRun(const Entry& entry, const DesiredUnikernel& unikernel, const std::string& digest) {
  const std::string suffix = ":" + image::toHex(digest);
  const auto isRun = [&](const std::string& run) { return entry.ranSpec == run + suffix; };
  return isRun(unikernel.object->run.current) || std::ranges::any_of(unikernel.object->run.former, isRun);
}

std::chrono::milliseconds backoff(unsigned attempts, std::string_view salt) {
  constexpr std::int64_t longest = std::chrono::milliseconds(backoffLimit).count();
  const std::int64_t base = std::min(longest, std::int64_t{1'000} << std::min(attempts, 12u));
  const std::size_t hash = std::hash<std::string>{}(fmt::format("{}#{}", salt, attempts));
  const auto spread = static_cast<std::int64_t>(hash % 401) - 200;  // per mille
  return std::chrono::milliseconds(base + base * spread / 1000);
}

std::optional<CallError> failureOf(Verb verb, const CallResult& result) {
  if (verb == Verb::Destroy || verb == Verb::DestroyVolume) {
    const std::string_view notFound =
        verb == Verb::Destroy ? "destroy: not found" : "remove block: not found";
    const bool gone = !result && result.error().error.reason == Reason::Refused &&
                      result.error().error.message.find(notFound) != std::string::npos;
    if (result || gone) return std::nullopt;
    return result.error();
  }
  if (!result) return result.error();
  if (!startsUnikernel(verb)) return std::nullopt;
  const std::string text = textOf(result->success);
  if (text == "created unikernel") return std::nullopt;
  return CallError{
      {Reason::Refused, fmt::format("The server answered \"{}\" instead of \"created unikernel\".", text)},
      false};
}

ObjectMemory recall(const api::Status& status) {
  ObjectMemory object;
  object.restarts = status.restarts;
  object.lastAction = status.lastAction;
  object.recalled = status.startedAt;
  return object;
}

Memory sending(Memory memory, const Step& step, const Desired& desired, const Observed& observed,
               SystemTime now) {
  ObjectMemory& object = memory.objects[step.object];
  const auto policy = step.verb == Verb::ApplyPolicy ? Shared<albatross::Policy>(step.domains.back().policy)
                                                     : Shared<albatross::Policy>();
  const bool same =
      object.tried == step.wanted && object.triedPolicy == policy && object.triedVolume == step.volume;
  if (!same) object.attempts = 0;
  object.tried = step.wanted;
  object.triedPolicy = policy;
  object.triedVolume = step.volume;
  object.triedFields = step.fields;
  if (policy) return memory;
  if (step.isAboutVolume()) {
    sendingVolume(memory, step, desired, observed, now);
    return memory;
  }
  sendingUnikernel(memory, step, desired, observed, now);
  return memory;
}

Memory committing(Memory memory, const Step& step) {
  Entry* entry = memory.entryOf(step);
  check(entry != nullptr && entry->pending, "what is committed was sent");
  entry->pending->committed = true;
  return memory;
}

Memory answered(Memory memory, const Step& step, const Desired& desired, const CallResult& result,
                std::uint64_t bytes, SystemTime sentAt, SystemTime now) {
  const auto failure = failureOf(step.verb, result);
  if (failure) {
    failed(memory, step, *failure, now);
  } else {
    ObjectMemory& object = memory.objects[step.object];
    if (step.verb == Verb::Create && object.missingSince) {
      ++object.attempts;
      object.countRestart(now);
    }
    object.missingSince.reset();
    succeeded(memory, step, desired);
  }
  memory.objects[step.object].lastAction =
      api::LastAction{std::string(toString(step.verb)), sentAt, bytes,
                      std::chrono::duration_cast<std::chrono::milliseconds>(now - sentAt)};
  if (step.load) {
    memory.objects[step.object].load =
        LoadEnd{*step.load, failure ? std::optional(failure->error) : std::nullopt};
  }
  Entry* entry = memory.entryOf(step);
  if (entry == nullptr || !entry->pending) return memory;
  if (failure && failure->inDoubt) {
    entry->pending->since = now;
    return memory;
  }
  const bool neverSent = failure && !entry->pending->committed;
  const bool tried = entry->rollback && entry->rollback->trial && !entry->rollback->trial->failed;
  // A failed one stays until it is taken back.
  if (neverSent && tried) entry->rollback.edit([](Rollback& edited) { edited.trial.reset(); });
  if (!failure && step.isAboutVolume()) arrivedVolume(*entry, step);
  if (!failure && !step.isAboutVolume()) arrived(*entry);
  entry->pending.reset();
  if (!failure && step.verb == Verb::Destroy) entry->bury(now);
  return memory;
}

}  // namespace rookery::plan
