// What plan decides about volumes: block devices, what is on them, and who has to wait for that.

#include <fmt/format.h>

#include <algorithm>

#include "plan/desired.h"
#include "plan/image_check.h"
#include "plan/planner.h"
#include "sentence.h"

namespace rookery::plan {

using albatross::Name;
using Ready = api::Condition::Status;

namespace {

/// The digest of what is on it, raw, as far as that is known.
std::string contentOf(const Entry& entry) { return entry.digests.empty() ? "" : entry.digests.front(); }

nlohmann::json shownDigest(const std::string& digest) {
  return digest.empty() ? nlohmann::json() : nlohmann::json(image::toHex(digest));
}

/// Why what is declared can never be written.
std::optional<Error> unfit(const DesiredVolume& volume) {
  if (!volume.content || volume.missing) return std::nullopt;
  if (!*volume.content) return volume.content->error();
  return unfitContent(volume.spec(), **volume.content);
}

}  // namespace

// -- What is remembered
// ----------------------------------------------------------------------------------------------

void Planner::settleVolumes() {
  for (auto& [name, entry] : plan_.memory.volumes) {
    if (entry.pending) settleVolume(entry);
  }
}

/// Whether a device is there can be seen. What is on it cannot: what may have been written half is written
/// again.
void Planner::settleVolume(Entry& entry) {
  Pending& pending = *entry.pending;
  pending.since = std::min(pending.since, now_);
  const bool there = world_.blockDevice(entry.name) != nullptr;
  const bool done = pending.verb == Verb::SetVolume || there == (pending.verb == Verb::CreateVolume);
  const SystemTime end = pending.since + desired_.spec().commandTimeout;
  if (!done && now_ < end) {
    volumesInDoubt_.insert(entry.name);
    wakeAt(std::min(now_ + doubtInterval, end));
    return;
  }
  if (pending.verb == Verb::CreateVolume && there) entry.confirmed = true;
  entry.pending.reset();
}

void Planner::refreshVolume(const Volume& volume) const {
  if (volume.entry == nullptr) return;
  Entry& entry = *volume.entry;
  const api::Origin& origin = volume.wanted.object->origin;
  entry.object = volume.key;
  entry.root = origin.root;
  entry.file = origin.file;
  entry.instance = instance();
  entry.prune = volume.wanted.goesWithItsObject();
  entry.withheld.clear();
}

// -- Declared volumes
// ------------------------------------------------------------------------------------------------

void Planner::planVolumes(std::vector<Subject>& subjects) {
  for (const auto& [key, wanted] : desired_.volumes) {
    Name name = nameOf(key);
    const auto known = plan_.memory.volumes.find(name);
    Entry* entry = known == plan_.memory.volumes.end() ? nullptr : &known->second;
    const albatross::BlockDevice* device = world_.blockDevice(name);
    planVolume({key, wanted, std::move(name), device, entry}, subjects);
  }
}

void Planner::planVolume(const Volume& volume, std::vector<Subject>& subjects) {
  heedRequest(memoryOf(volume.key), *volume.wanted.object);
  refreshVolume(volume);
  api::Status shown;
  if (volume.device != nullptr) shown.size = volume.device->size;
  Verdict verdict = judgeVolume(volume, subjects);
  if (volume.wanted.notice) verdict.message = sentences({verdict.message, *volume.wanted.notice});
  onlyObserve(verdict);
  qualify(volume.key, verdict);
  const bool foreseen = verdict.step && verdict.step->notBefore <= now_ &&
                        (verdict.step->verb != Verb::CreateVolume || !volume.wanted.content);
  if (foreseen || verdict.ready == Ready::True) usableVolumes_.insert(volume.name);
  api::Status& status = conclude(volume.key, volume.wanted.identity.generation, std::move(verdict)).status;
  status.instance = instance();
  status.size = shown.size;
  if (volume.entry != nullptr && volume.device != nullptr && !volume.entry->digests.empty())
    status.digest = image::toHex(contentOf(*volume.entry));
  status.lastAction = memoryOf(volume.key).lastAction;
}

Planner::Verdict Planner::judgeVolume(const Volume& volume, std::vector<Subject>& subjects) {
  if (auto verdict = obstacle(volume)) return *std::move(verdict);
  if (volume.device == nullptr) return judgeMissing(volume);
  if (volume.entry == nullptr || !volume.entry->confirmed) return judgeForeign(volume);
  return judgeContent(volume, subjects);
}

/// What keeps us from touching it.
std::optional<Planner::Verdict> Planner::obstacle(const Volume& volume) const {
  const bool there = volume.device != nullptr;
  if (desired_.spec().suspend) {
    return Verdict{.ready = Ready::Unknown,
                   .reason = Reason::InstanceSuspended,
                   .message = fmt::format("{} is suspended: {} is left as it is.",
                                          desired_.instance->key().toString(), volume.key.toString()),
                   .stalled = true,
                   .state = UnikernelState::Suspended};
  }
  if (volume.wanted.error) return refusal(*volume.wanted.error, false);
  if (const auto& authority = authorityFor(volume.name); !authority) return refusal(authority.error(), false);
  if (volumesInDoubt_.contains(volume.name)) {
    return Verdict{
        .ready = Ready::Unknown,
        .reason = Reason::InDoubt,
        .message = fmt::format("The answer to {} was lost; {} is only watched until it is seen what became "
                               "of it, at the latest until {}.",
                               toString(volume.entry->pending->verb), volume.key.toString(),
                               api::toRfc3339(volume.entry->pending->since + desired_.spec().commandTimeout)),
        .reconciling = true};
  }
  if (there && volume.device->size != volume.spec().size) {
    return refusal(
        {Reason::VolumeSizeDiffers,
         fmt::format("The block device {} on {} has {} Mi, and spec.size says {} Mi. Albatross cannot change "
                     "the size of one. Declare {} Mi; or save what is on it (rookery volume dump), remove "
                     "it, and let it be created anew, with that as its source.",
                     volume.name.toString(), instance(), volume.device->size, volume.spec().size,
                     volume.device->size)},
        false);
  }
  return std::nullopt;
}

Step Planner::volumeStep(const Volume& volume, Verb verb, Reason reason, std::string message) const {
  Step step;
  step.verb = verb;
  step.object = volume.key;
  step.name = volume.name;
  step.reason = reason;
  step.message = std::move(message);
  const std::string digest = verb == Verb::CreateVolume ? "" : volume.wanted.digest();
  step.volume = WantedVolume{volume.spec().size, digest, volume.spec().compressionLevel};
  return step;
}

/// The step, put off where it has failed.
Planner::Verdict Planner::taking(Step step) {
  auto chain = chainFor(step.name);
  if (!chain) return refusal(chain.error(), false);
  step.domains = *std::move(chain);
  Verdict verdict{.reason = Reason::Reconciling, .message = step.message, .reconciling = true};
  applyBackoff(verdict, step);
  verdict.step = std::move(step);
  return verdict;
}

/// What is to be written is not known, or not here, yet.
Planner::Verdict Planner::awaitContent(const Volume& volume, std::string_view until) const {
  const image::Missing& missing = *volume.wanted.missing;
  return {.reason = missing.error.reason,
          .message = sentences({missing.error.message, std::string(until)}),
          .reconciling = !missing.lasting,
          .stalled = missing.lasting,
          .state = missing.lasting ? UnikernelState::Failed : UnikernelState::Progressing};
}

/// Nothing is made for content that cannot be written. What is to be written follows at once, if it is here.
Planner::Verdict Planner::judgeMissing(const Volume& volume) {
  if (const auto error = unfit(volume.wanted)) return refusal(*error, false);
  if (const auto error = world_.cannotAdd(volume.name, volume.spec().size)) return refusal(*error, false);
  Step step = volumeStep(volume, Verb::CreateVolume, Reason::Absent,
                         fmt::format("{} is not on {}.", volume.key.toString(), instance()));
  step.fields = {{"spec.size", nullptr, fmt::format("{}Mi", volume.spec().size)}};
  Verdict verdict = taking(std::move(step));
  const bool due = verdict.step && verdict.step->notBefore <= now_;
  if (!due || !volume.wanted.content || volume.wanted.missing || desired_.spec().observe) return verdict;
  emit(*std::exchange(verdict.step, std::nullopt));
  Step write = volumeStep(volume, Verb::SetVolume, Reason::ContentDiffers,
                          fmt::format("{} is to be filled.", volume.key.toString()));
  write.fields = {{"spec.source", nullptr, shownDigest(volume.wanted.digest())}};
  write.image = **volume.wanted.content;
  Verdict both = taking(std::move(write));
  if (both.step) verdict.step = std::move(both.step);
  return verdict;
}

/// One that somebody else has made: what is on it is taken to be what is declared, and left.
Planner::Verdict Planner::judgeForeign(const Volume& volume) {
  if (const auto error = unfit(volume.wanted)) return refusal(*error, false);
  if (volume.wanted.missing && volume.wanted.digest().empty())
    return awaitContent(volume, "Until then the block device is left as it is.");
  return taking(volumeStep(
      volume, Verb::Adopt, Reason::PresentIdentical,
      fmt::format("A block device of that size is on {} already, and {} takes it over with what is on it.",
                  instance(), volume.key.toString())));
}

Planner::Verdict Planner::asDeclared(const Volume& volume) const {
  return {.ready = Ready::True,
          .reason = Reason::Succeeded,
          .message = fmt::format("{} is on {} as declared.", volume.key.toString(), instance()),
          .state = UnikernelState::Ready};
}

/// What somebody has asked to be written, once. Nothing: it has ended, or nobody has.
std::optional<Planner::Verdict> Planner::judgeLoad(const Volume& volume, std::vector<Subject>& subjects) {
  if (!volume.wanted.load) return std::nullopt;
  const VolumeLoad& load = *volume.wanted.load;
  const auto& ended = memoryOf(volume.key).load;
  if (ended && ended->id == load.id) {
    plan_.loads[volume.key] = *ended;
    return std::nullopt;
  }
  const auto refuse = [&](Error error) {
    plan_.loads[volume.key] = {load.id, std::move(error)};
    return std::nullopt;
  };
  if (desired_.spec().observe) return refuse({Reason::Observed, whyNothingIsSent()});
  if (load.content.size > static_cast<std::uint64_t>(volume.spec().size) << 20U) {
    return refuse(
        {Reason::VolumeTooSmall, fmt::format("{} has {} Mi, and {} bytes are more than that.",
                                             volume.key.toString(), volume.spec().size, load.content.size)});
  }
  const auto user = world_.userOf(volume.name);
  const bool used = volume.device->active || user;
  if (used && !load.stopsUser) {
    return refuse(
        {Reason::BlockDeviceInUse, fmt::format("{} uses {}, which can only be written while nobody does.",
                                               user ? user->toString() : "Somebody", volume.key.toString())});
  }
  Step step = volumeStep(volume, Verb::SetVolume, Reason::ContentDiffers,
                         fmt::format("{} is to be filled with what was sent.", volume.key.toString()));
  const std::string present = contentOf(*volume.entry);
  step.fields = {{"spec.source", shownDigest(present), shownDigest(load.content.digest)}};
  step.volume.edit([&](WantedVolume& edited) {
    edited.digest = load.content.digest;
    edited.compressionLevel = 0;
  });
  step.image = load.content;
  step.load = load.id;
  if (memoryOf(volume.key).triedVolume == step.volume) memoryOf(volume.key).lastError.reset();  // of another
  Verdict verdict = used ? judgeUsed(volume, std::move(step), subjects) : taking(std::move(step));
  if (verdict.step && verdict.step->notBefore <= now_) return verdict;
  return refuse({verdict.reason, verdict.message});
}

Planner::Verdict Planner::judgeContent(const Volume& volume, std::vector<Subject>& subjects) {
  if (auto verdict = judgeLoad(volume, subjects)) return *std::move(verdict);
  if (!volume.wanted.content) return asDeclared(volume);
  const std::string present = contentOf(*volume.entry), wanted = volume.wanted.digest();
  if (!present.empty() && present == wanted) {
    memoryOf(volume.key).lastError.reset();
    return asDeclared(volume);
  }
  if (const auto error = unfit(volume.wanted)) return refusal(*error, false);
  if (volume.wanted.missing) return awaitContent(volume, "Until then the volume is left as it is.");
  Step step = volumeStep(volume, Verb::SetVolume, Reason::ContentDiffers,
                         present.empty()
                             ? fmt::format("{} is to be filled.", volume.key.toString())
                             : fmt::format("What is on {} differs in spec.source.", volume.key.toString()));
  step.fields = {{"spec.source", shownDigest(present), shownDigest(wanted)}};
  step.image = **volume.wanted.content;
  const bool used = volume.device->active || world_.userOf(volume.name);
  return used ? judgeUsed(volume, std::move(step), subjects) : taking(std::move(step));
}

// -- Volumes in use
// --------------------------------------------------------------------------------------------------

/// A server writes only to what nobody uses: its unikernel is stopped for that, if it may be and can be
/// started again.
Planner::Verdict Planner::judgeUsed(const Volume& volume, Step step, std::vector<Subject>& subjects) {
  const auto user = world_.userOf(volume.name);
  const auto subject = std::ranges::find_if(
      subjects, [&](const Subject& each) { return user && each.name == *user && each.running != nullptr; });
  const bool known = subject != subjects.end() && subject->entry != nullptr;
  if (known && (subject->spec().updateStrategy == api::Unikernel::UpdateStrategy::OnDelete ||
                subject->spec().suspend)) {
    return {.ready = Ready::True,
            .reason = Reason::UpdateOnDelete,
            .message = fmt::format("What is on {} differs in spec.source. {} uses it and is not stopped for "
                                   "that, as {} says: it is written once the unikernel is gone.",
                                   volume.key.toString(), subject->key.toString(),
                                   subject->spec().suspend ? "suspend" : "update.strategy OnDelete"),
            .state = UnikernelState::Ready};
  }
  if (known && canStop(*subject)) {
    Verdict verdict = taking(std::move(step));
    if (!verdict.step || verdict.step->notBefore > now_ || desired_.spec().observe) return verdict;
    if (const auto opening = closedUntil(subject->unikernel.object.get(), now_)) {
      holdBack(
          verdict, *opening, nameOpening(*opening, subject->unikernel.object.get()),
          fmt::format("{} uses it, and is left as it is until it may be stopped.", subject->key.toString()));
      return verdict;
    }
    if (!stop(*subject, volume)) verdict.step->notBefore = SystemTime::max();
    return verdict;
  }
  return {.reason = Reason::BlockDeviceInUse,
          .message = fmt::format("What is on {} differs in spec.source. It is written once {} does not use "
                                 "it any more{}.",
                                 volume.key.toString(), user ? user->toString() : "whoever has it",
                                 known ? ", which is not stopped, as it could not be started again" : ""),
          .stalled = true,
          .state = UnikernelState::Failed};
}

/// Whether it runs, is ours, and could be created again.
bool Planner::canStop(const Subject& subject) {
  const bool image = subject.unikernel.image.has_value() && !subject.unikernel.missing;
  return image && !obstacle(subject) && subject.running->type == albatross::UnikernelType::Solo5 &&
         chainFor(subject.name) && !world_.cannotRun(subject.name, subject.unikernel.arguments);
}

/// False: not now.
bool Planner::stop(Subject& subject, const Volume& volume) {
  if (subject.stopped) return true;
  Step step;
  step.verb = Verb::Destroy;
  step.object = subject.key;
  step.name = subject.name;
  step.reason = Reason::ContentDiffers;
  step.message = fmt::format("{} is stopped to write {}, and started again.", subject.key.toString(),
                             volume.key.toString());
  step.domains = *chainFor(subject.name);
  (void)putOff(step);
  const bool due = step.notBefore <= now_;
  if (due) {
    subject.stopped = true;
    subject.running = nullptr;
  }
  emit(std::move(step));
  return due;
}

/// What is started needs the volumes that are declared for it, with what is to be on them.
std::optional<Planner::Verdict> Planner::awaitVolumes(const Subject& subject) const {
  for (const api::Unikernel::BlockDevice& device : subject.spec().blockDevices) {
    const api::ObjectKey key{api::Kind::UnikernelVolume, subject.key.nameSpace, device.volume()};
    const auto volume = plan_.objects.find(key);
    if (volume == plan_.objects.end() || usableVolumes_.contains(nameOf(key))) continue;
    const api::Condition* why = volume->second.status.condition(api::Condition::Type::Ready);
    const bool stalled = volume->second.status.condition(api::Condition::Type::Stalled) != nullptr;
    return Verdict{
        .reason = Reason::VolumeNotReady,
        .message = sentences({fmt::format("{} waits for {}.", subject.key.toString(), key.toString()),
                              why->message, subject.running == nullptr ? "" : "What runs is left as it is."}),
        .reconciling = !stalled,
        .stalled = stalled,
        .state = stalled ? UnikernelState::Failed : UnikernelState::Progressing};
  }
  return std::nullopt;
}

// -- Volumes that are not declared any more
// ----------------------------------------------------------------------------

void Planner::planVolumeRemovals() {
  auto& volumes = plan_.memory.volumes;
  for (auto it = volumes.begin(); it != volumes.end();) {
    const bool kept = planVolumeRemoval(it->second);
    it = kept ? std::next(it) : volumes.erase(it);
  }
}

/// False: it is not ours any more.
bool Planner::planVolumeRemoval(Entry& entry) {
  if (desired_.volumes.contains(entry.object)) return true;
  const auto absence = desired_.absences.find(entry.object);
  if (absence == desired_.absences.end()) return true;
  switch (absence->second.verdict) {
    case Absence::Verdict::Keep:
      if (!absence->second.withheld.empty()) entry.withheld = absence->second.withheld;
      if (absence->second.reason != Reason::PruneGuard && absence->second.reason != Reason::Pruning)
        report({absence->second.reason, absence->second.message});
      return true;
    case Absence::Verdict::Release:
      return false;
    case Absence::Verdict::Destroy:
      return destroyVolume(entry, absence->second);
  }
  return true;
}

bool Planner::destroyVolume(Entry& entry, const Absence& absence) {
  if (desired_.spec().suspend) return true;
  const albatross::BlockDevice* device = world_.blockDevice(entry.name);
  const auto wait = [&](Reason reason, std::string why) {
    keep(entry, {reason, fmt::format("{} cannot be removed: {}", entry.object.toString(), why)});
    return true;
  };
  if (volumesInDoubt_.contains(entry.name)) return wait(Reason::InDoubt, "the last answer was lost.");
  if (device == nullptr || !entry.confirmed) return false;
  const auto user = world_.userOf(entry.name);
  if (device->active || user)
    return wait(Reason::BlockDeviceInUse,
                fmt::format("{} uses it.", user ? user->toString() : "some unikernel"));
  const auto& authority = authorityFor(entry.name);
  auto chain = authority ? chainFor(entry.name) : std::unexpected(authority.error());
  if (!chain) return wait(chain.error().reason, chain.error().message);
  Step step;
  step.verb = Verb::DestroyVolume;
  step.object = entry.object;
  step.name = entry.name;
  step.reason = absence.reason;
  step.message = absence.message;
  step.domains = *std::move(chain);
  if (desired_.spec().observe) {
    keep(entry, {Reason::Observed, sentences({step.message, whyNothingIsSent()})});
    plan_.later.push_back(std::move(step));
    return true;
  }
  if (const Error* error = putOff(step)) wait(error->reason, error->message);
  emit(std::move(step));
  return true;
}

}  // namespace rookery::plan
