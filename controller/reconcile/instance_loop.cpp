#include "reconcile/instance_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "reconcile/observe.h"
#include "sentence.h"

namespace rookery::reconcile {

using albatross::CallError;
using albatross::CallResult;
using albatross::Credential;

namespace {

/// Failures of an observation that time alone does not mend.
bool lasting(Reason reason) {
  switch (reason) {
    case Reason::CertificateRefused:
    case Reason::CredentialCannotIssue:
    case Reason::CredentialExpired:
    case Reason::CredentialInvalid:
    case Reason::InvalidManifest:
    case Reason::ReferenceNotFound:
    case Reason::ServerCertificateExpired:
    case Reason::ServerCertificateUnknownCA:
    case Reason::ServerNameMismatch:
    case Reason::StateDirLost:
      return true;
    default:
      return false;
  }
}

/// How an instance stands that was looked at: with what waits there for somebody's word.
api::Condition answering(const Desired& desired, SystemTime now) {
  constexpr std::size_t shown = 10;
  std::string message = fmt::format("{} answers.", desired.spec().endpoint);
  for (std::size_t i = 0; i < std::min(shown, desired.withheld.size()); ++i)
    message = sentences({message, desired.withheld[i].message});
  if (desired.withheld.size() > shown)
    message += fmt::format(" {} more sets are withheld.", desired.withheld.size() - shown);
  if (desired.credentialsStand) message = sentences({message, desired.credentialsStand->message});
  const Reason reason = desired.withheld.empty() ? Reason::Succeeded : Reason::PruneGuard;
  const auto outdated = desired.outdated.find(desired.instance->key());
  if (outdated != desired.outdated.end() && outdated->second.gone) {
    message = sentences({message, whyKept(outdated->first, outdated->second.silence)});
    return {api::Condition::Type::Ready, api::Condition::Status::False, Reason::PruneBlocked,
            std::move(message), now};
  }
  if (outdated != desired.outdated.end())
    message = sentences({message, "This is what its manifest said before.", outdated->second.silence.cause});
  return {api::Condition::Type::Ready, api::Condition::Status::True, reason, std::move(message), now};
}

/// Nothing will become of it by itself: what is left to be done is tried again, but failed for a reason that
/// lasts.
bool settled(const Plan& plan) {
  const auto objectSettled = [&](const api::ObjectKey& key) {
    const auto state = plan.objects.find(key);
    return state != plan.objects.end() && state->second.settled;
  };
  return std::all_of(plan.objects.begin(), plan.objects.end(),
                     [](const auto& item) { return item.second.settled; }) &&
         std::all_of(plan.steps.begin(), plan.steps.end(),
                     [&](const Step& step) { return objectSettled(step.object); });
}

}  // namespace

/// The image of a create on its way: tells how far it is, and writes down the moment from which on the server
/// may carry it out before it comes.
class InstanceLoop::Upload : public albatross::ImageStream {
 public:
  Upload(image::Reader reader, const Step& step, InstanceLoop& loop)
      : reader_(std::move(reader)), step_(step), loop_(loop) {}

  Result<std::span<const std::byte>> next() override {
    auto bytes = reader_.next();
    if (!bytes) return bytes;
    sent_ += bytes->size();
    loop_.environment_.listener.imageSent(loop_.desired_->name(), step_.object, sent_, reader_.size());
    return bytes;
  }

  asio::awaitable<Result<void>> complete() override {
    if (auto may = loop_.environment_.mayCommand(loop_.desired_->name()); !may) co_return may;
    loop_.memory_ = committing(std::move(loop_.memory_), step_);
    auto written = co_await loop_.persistEntry(step_.name, loop_.memory_);
    co_return written ? loop_.environment_.mayCommand(loop_.desired_->name()) : written;
  }

  std::uint64_t sent() const { return sent_; }

 private:
  image::Reader reader_;
  const Step& step_;
  InstanceLoop& loop_;
  std::uint64_t sent_ = 0;
};

InstanceLoop::InstanceLoop(asio::any_io_executor strand, const Environment& environment, DesiredPtr desired,
                           std::function<void(const RoundEnd&)> roundEnded)
    : strand_(std::move(strand)),
      environment_(environment),
      roundEnded_(std::move(roundEnded)),
      timer_(strand_),
      latest_(std::move(desired)),
      desired_(latest_) {}

InstanceLoop::~InstanceLoop() = default;

void InstanceLoop::update(DesiredPtr desired) {
  asio::post(strand_, [self = shared_from_this(), desired = std::move(desired)]() mutable {
    self->latest_ = std::move(desired);
    self->timer_.cancel();
  });
}

asio::awaitable<void> InstanceLoop::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const bool again = co_await round();
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
    if (!again && latest_ == desired_) co_await sleep(wake_);
  }
}

asio::awaitable<void> InstanceLoop::sleep(SystemTime until) {
  timer_.expires_after(std::max(until - environment_.now(), SystemTime::duration::zero()));
  (void)co_await timer_.async_wait(
      asio::as_tuple(asio::use_awaitable));  // cut short by update() or cancellation
}

/// Looks, plans, publishes and takes at most one step. True: look again at once.
asio::awaitable<bool> InstanceLoop::round() {
  const auto start = std::chrono::steady_clock::now();
  desired_ = latest_;
  Result<Plan> plan = co_await look();
  if (!plan && plan.error().reason == Reason::Cancelled) co_return false;
  Round told;
  RoundEnd end;
  end.desired = desired_;
  std::optional<Step> due;
  if (plan) {
    due = co_await follow(std::move(*plan), told, end);
  } else {
    co_await heedWishes();
    missLook(plan.error(), told, end);
  }
  roundEnded_(end);
  const bool stepTaken = due.has_value();
  if (due) co_await take(std::move(*due));
  told.duration = std::chrono::steady_clock::now() - start;
  environment_.listener.roundEnded(desired_->name(), told);
  co_return stepTaken;
}

/// Remembers and publishes what was planned. Returns the step that is to be taken now.
asio::awaitable<std::optional<Step>> InstanceLoop::follow(Plan plan, Round& told, RoundEnd& end) {
  const Unwritten unwritten = co_await persist(plan.memory);
  withhold(plan, unwritten, environment_.now());
  const auto isDue = [now = environment_.now()](const Step& step) { return step.notBefore <= now; };
  const auto first = std::find_if(plan.steps.begin(), plan.steps.end(), isDue);
  std::optional<Step> due;
  if (first != plan.steps.end() && latest_ == desired_) due = *first;
  end.errors = plan.errors;
  end.removals = plan.removals;
  end.located = std::exchange(located_, false);
  end.finished = !due && settled(plan);
  if (auto error = forbidden(plan)) {
    due.reset();
    end.finished = true;
    end.errors.push_back(std::move(*error));
  }
  const bool moreToGo = std::any_of(plan.steps.begin(), plan.steps.end(),
                                    [](const Step& step) { return step.verb == Verb::Destroy; });
  end.destroyed = destroyed_ && !moreToGo;
  if (end.destroyed) destroyed_ = false;
  told.queued =
      static_cast<std::size_t>(std::count_if(plan.steps.begin(), plan.steps.end(), isDue)) - (due ? 1 : 0);
  told.drift = plan.drift;
  told.unikernels = plan.counts;
  for (const auto& [key, state] : plan.objects) {
    if (key.kind == api::Kind::Unikernel) told.restarts[key] = state.status.restarts;
  }
  failures_ = 0;
  publish(plan, unwritten);
  wake_ = nextLook(&plan);
  memory_ = std::move(plan.memory);
  co_return due;
}

/// What objects say of their deletion is remembered, and what is released is let go, also while the instance
/// cannot be looked at: when it can, the manifest may be gone.
asio::awaitable<void> InstanceLoop::heedWishes() {
  if (!environment_.mayCommand(desired_->name())) co_return;  // another process may have the state by now
  for (Entry& entry : environment_.state.entries()) {
    if (entry.instance != desired_->name() || entry.destroyedAt) continue;
    const auto unikernel = desired_->unikernels.find(entry.object);
    const auto absence = desired_->absences.find(entry.object);
    if (unikernel != desired_->unikernels.end()) {
      Entry wished = entry;
      wished.prune = unikernel->second.goesWithItsObject();
      wished.suspend = unikernel->second.spec().suspend;
      if (wished != entry) (void)co_await environment_.state.record(std::move(wished));
    } else if (absence != desired_->absences.end() && absence->second.verdict == Absence::Verdict::Release) {
      const auto discarded = co_await environment_.state.discard(std::move(entry));
      destroyed_ = destroyed_ || discarded.has_value();
    }
  }
}

/// The instance could not be observed.
void InstanceLoop::missLook(Error error, Round& told, RoundEnd& end) {
  // It may be the credential that is used since the new one is of no use.
  if (desired_->credentialsStand)
    error.message = sentences({error.message, desired_->credentialsStand->message});
  told.error = error;
  end.failure = error;
  end.finished = lasting(error.reason);
  end.destroyed = std::exchange(destroyed_, false);
  ++failures_;
  publishUnavailable(error);
  wake_ = nextLook(nullptr);
}

std::optional<Error> InstanceLoop::forbidden(const Plan& plan) const {
  if (!environment_.permit) return std::nullopt;
  for (const Step& step : plan.steps) {
    if (environment_.permit(desired_->name(), step)) continue;
    return Error{Reason::UsageError,
                 fmt::format("{} of {} on {} is needed now, but was not planned. Make a new plan.",
                             toString(step.verb), step.object.toString(), desired_->name())};
  }
  return std::nullopt;
}

asio::awaitable<Result<Plan>> InstanceLoop::look() {
  if (auto held = environment_.state.held(); !held) {
    if (held.error().reason == Reason::StateDirLost && environment_.stateLost)
      environment_.stateLost(held.error());
    co_return std::unexpected(held.error());
  }
  if (auto connected = connect(); !connected) co_return std::unexpected(connected.error());
  albatross::Client& client = *client_;
  auto observed =
      co_await observe(client, needsBlockDevices(*desired_), desired_->name(), environment_.listener);
  if (!observed) co_return std::unexpected(observed.error());
  recallObjects();
  if (observed_ && observed_->serverKey != observed->serverKey)
    memory_ = {};  // another server behind the same address
  observed_ = std::move(*observed);
  memory_.inventory = ownInventory();
  memory_.restartChangesMemory = environment_.state.restartChangesMemory(observed_->serverKey);
  const DesiredPtr desired = judged();
  co_return plan(*desired, *observed_, std::move(memory_), authority(), environment_.now());
}

/// Of objects that this loop sees for the first time, what their status says: who had the instance before has
/// counted restarts, and seen what runs.
void InstanceLoop::recallObjects() {
  for (const auto& [key, unikernel] : desired_->unikernels) {
    if (memory_.objects.contains(key)) continue;
    const ObjectViewPtr view = environment_.objects.find(key);
    if (view != nullptr && view->status.instance == desired_->name())
      memory_.objects.emplace(key, recall(view->status));
  }
}

asio::awaitable<InstanceLoop::Preview> InstanceLoop::preview() {
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<Plan> seen = co_await look();
  Preview preview{desired_, std::move(seen)};
  co_return preview;
}

/// Makes client_ fit desired_: the manifest, or the content of the credential's files, may have changed.
Result<void> InstanceLoop::connect() {
  const auto& spec = desired_->spec();
  if (!desired_->credentials) return std::unexpected(desired_->credentials.error());
  if (loadedPem_ != *desired_->credentials) {
    auto credential = Credential::load(*desired_->credentials);
    if (!credential) return std::unexpected(credential.error());
    credential_ = std::move(*credential);
    loadedPem_ = *desired_->credentials;
    environment_.listener.credentialLoaded(desired_->name(), credential_->notAfter());
    if (credential_->ownPolicy()) {
      environment_.listener.warned(
          desired_->name(), Reason::PolicyInvalid,
          fmt::format("The credential of AlbatrossInstance {} carries a policy of its own, which the server "
                      "applies with every command.",
                      desired_->name()));
    }
  }
  const auto endpoint = albatross::Endpoint::parse(spec.endpoint);
  if (!endpoint) return std::unexpected(endpoint.error());
  albatross::ClientOptions options;
  options.endpoint = *endpoint;
  options.credential = credential_;
  options.serverName = spec.serverName;
  options.timeouts = {spec.connectTimeout, spec.commandTimeout, spec.streamTimeout};
  options.now = environment_.wallTime;
  client_ = environment_.connect(std::move(options));
  return {};
}

Authority InstanceLoop::authority() const {
  const SystemTime now = environment_.wallTime();
  return {credential_->canIssue(0, now), credential_->canIssue(1, now)};
}

/// The server's inventory without what another declared instance holds on the same server, and without what
/// was done with another credential and cannot be seen or changed with this one.
Inventory InstanceLoop::ownInventory() const {
  Inventory inventory = environment_.state.inventoryOf(observed_->serverKey);
  const auto& base = observed_->base.path;
  std::erase_if(inventory, [&](const auto& item) {
    const auto& [name, entry] = item;
    const bool within = (name.path.size() == base.size() || name.path.size() == base.size() + 1) &&
                        std::equal(base.begin(), base.end(), name.path.begin());
    const bool others = entry.instance != desired_->name() &&
                        desired_->declared.contains({api::Kind::AlbatrossInstance, "", entry.instance});
    return !within || others;
  });
  return inventory;
}

/// What this loop changes is its instance's, whatever the entry says: that of another instance which nobody
/// declares would be nobody's to write.
Entry InstanceLoop::mine(Entry entry) const {
  entry.instance = desired_->name();
  return entry;
}

/// What is desired, with an error on all that another instance has on the same server, too.
DesiredPtr InstanceLoop::judged() {
  Rivals* rivals = environment_.rivals;
  if (rivals == nullptr) return desired_;
  if (rivals->seen(desired_->name(), observed_->serverKey, observed_->base)) located_ = true;
  const std::map<api::ObjectKey, Error> clashes = rivals->clashesOf(*desired_);
  if (clashes.empty()) return desired_;
  auto judged = std::make_shared<Desired>(*desired_);
  for (auto& [key, unikernel] : judged->unikernels) {
    if (const auto clash = clashes.find(key); clash != clashes.end()) unikernel.error = clash->second;
  }
  for (auto& [nameSpace, policy] : judged->policies) {
    if (const auto clash = clashes.find(policy.object->key()); clash != clashes.end())
      policy.error = clash->second;
  }
  return judged;
}

/// Writes down what has changed; what could not be, and why, by name.
asio::awaitable<InstanceLoop::Unwritten> InstanceLoop::persist(const Memory& memory) {
  Unwritten unwritten;
  const Inventory before = ownInventory();
  for (const auto& [name, entry] : before) {
    if (memory.inventory.contains(name)) continue;
    destroyed_ = true;
    Entry gone = mine(entry);
    const Result<void> erased = co_await environment_.state.discard(std::move(gone));
    if (!erased) unwritten.emplace(name, erased.error());
  }
  for (const auto& [name, entry] : memory.inventory) {
    const auto old = before.find(name);
    if (old != before.end() && old->second == entry) continue;
    if (entry.destroyedAt && (old == before.end() || !old->second.destroyedAt)) destroyed_ = true;
    Entry kept = mine(entry);
    const Result<void> written = co_await environment_.state.record(std::move(kept));
    if (!written) unwritten.emplace(name, written.error());
  }
  if (memory.restartChangesMemory &&
      memory.restartChangesMemory != environment_.state.restartChangesMemory(observed_->serverKey)) {
    environment_.state.setRestartChangesMemory(observed_->serverKey, *memory.restartChangesMemory);
  }
  co_return unwritten;
}

asio::awaitable<Result<void>> InstanceLoop::persistEntry(const albatross::Name& name, const Memory& memory) {
  const auto entry = memory.inventory.find(name);
  if (entry == memory.inventory.end()) co_return Result<void>{};
  Entry kept = mine(entry->second);
  co_return co_await environment_.state.record(std::move(kept));
}

// -- Steps
// -----------------------------------------------------------------------------------------------------------

asio::awaitable<void> InstanceLoop::take(Step step) {
  const SystemTime sentAt = environment_.now();
  environment_.listener.stepStarted(desired_->name(), step.object, step.verb, step.reason, step.message);
  const auto start = std::chrono::steady_clock::now();
  memory_ = sending(std::move(memory_), step, *desired_, *observed_, sentAt);
  const CallResult result = co_await carryOut(step);
  CommandResult told;
  told.verb = toString(step.verb);
  told.duration = std::chrono::steady_clock::now() - start;
  told.bytes = upload_ ? upload_->sent() : 0;
  upload_.reset();
  memory_ = answered(std::move(memory_), step, *desired_, result, told.bytes, sentAt, environment_.now());
  if (auto written = co_await persistEntry(step.name, memory_); !written) {
    environment_.listener.warned(desired_->name(), written.error().reason, written.error().message);
  }
  if (const auto failure = failureOf(step.verb, result)) told.error = failure->error;
  if (step.verb == Verb::Destroy && !told.error) destroyed_ = true;
  if (step.verb != Verb::Adopt) environment_.listener.commandEnded(desired_->name(), told);
  environment_.listener.stepEnded(desired_->name(), step.object, step.verb, told);
}

/// Sends a step, once it is on the disk that it is about to be sent.
asio::awaitable<CallResult> InstanceLoop::carryOut(const Step& step) {
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  Result<void> ready = environment_.mayCommand(desired_->name());
  if (ready) ready = co_await persistEntry(step.name, memory_);
  if (ready) ready = environment_.mayCommand(desired_->name());  // again: that may have taken its time
  if (ready && cancellation.cancelled() != asio::cancellation_type::none) {
    ready = fail(Reason::Cancelled, "The controller is about to stop.");
  }
  if (ready && step.verb == Verb::Adopt) co_return albatross::Reply{};
  if (ready && step.image) {
    auto reader = image::Reader::open(step.image->path, step.image->digest);
    if (reader) {
      upload_ = std::make_unique<Upload>(std::move(*reader), step, *this);
    } else {
      ready = std::unexpected(reader.error());
    }
  }
  if (!ready) co_return std::unexpected(CallError{ready.error(), false});
  albatross::Request request;
  request.domains = step.domains;
  if (step.verb != Verb::ApplyPolicy) request.label = step.name.label;
  request.command = commandOf(step);
  request.image = upload_.get();
  co_return co_await client_->call(std::move(request));
}

// -- Telling
// ---------------------------------------------------------------------------------------------------------

void InstanceLoop::publish(const Plan& plan, const Unwritten& unwritten) {
  const auto publishAll = [&](const auto& objects) {
    for (const auto& [key, item] : objects) {
      const auto state = plan.objects.find(item.object->key());
      if (state != plan.objects.end())
        environment_.objects.report(state->first, state->second.status, environment_.listener);
    }
  };
  publishAll(desired_->unikernels);
  publishAll(desired_->policies);
  environment_.objects.report(desired_->instance->key(), instanceStatus(unwritten), environment_.listener);
  std::vector<Error> errors = plan.errors;
  if (desired_->credentialsStand) errors.push_back(*desired_->credentialsStand);
  warn(errors);
}

/// It answers; and what of it has to wait all the same, as it cannot be remembered, or is not gone yet.
api::Status InstanceLoop::instanceStatus(const Unwritten& unwritten) const {
  api::Condition ready = answering(*desired_, environment_.now());
  if (!unwritten.empty()) {
    const auto& [name, error] = *unwritten.begin();
    ready.reason = error.reason;
    ready.message += fmt::format(
        " What has to be remembered of {} unikernel{} on it cannot be written down, and only that waits; the "
        "first is {}: {}",
        unwritten.size(), unwritten.size() == 1 ? "" : "s", name.toString(), error.message);
  }
  if (const auto left = environment_.state.whyKept(desired_->name())) {
    const bool waits = ready.status == api::Condition::Status::True && ready.reason == Reason::Succeeded;
    if (waits) ready.reason = Reason::InstanceInUse;
    ready.status = api::Condition::Status::False;
    ready.message = sentences({ready.message, *left});
  }
  api::Status status;
  status.observedGeneration = desired_->identity.generation;
  status.conditions = {std::move(ready)};
  return status;
}

/// Says what the last plan did not say already.
void InstanceLoop::warn(const std::vector<Error>& errors) {
  std::set<std::string> messages;
  for (const Error& error : errors) {
    if (!warned_.contains(error.message))
      environment_.listener.warned(desired_->name(), error.reason, error.message);
    messages.insert(error.message);
  }
  warned_ = std::move(messages);
}

void InstanceLoop::publishUnavailable(const Error& error) {
  using api::Condition;
  const auto conditions = [&](Condition::Status ready, Reason reason, const std::string& message) {
    std::vector<Condition> all{{Condition::Type::Ready, ready, reason, message, environment_.now()}};
    if (lasting(error.reason)) {
      all.push_back({Condition::Type::Stalled, Condition::Status::True, reason, message, environment_.now()});
    }
    return all;
  };
  const auto publishAll = [&](const auto& objects) {
    for (const auto& [key, item] : objects) {
      const ObjectViewPtr before = environment_.objects.find(item.object->key());
      api::Status status = before == nullptr ? api::Status{} : before->status;
      status.observedGeneration = item.identity.generation;
      status.conditions = conditions(
          Condition::Status::Unknown, Reason::InstanceUnavailable,
          fmt::format("AlbatrossInstance {} cannot be asked: {}", desired_->name(), error.message));
      environment_.objects.report(item.object->key(), std::move(status), environment_.listener);
    }
  };
  publishAll(desired_->unikernels);
  publishAll(desired_->policies);
  api::Status status;
  status.observedGeneration = desired_->identity.generation;
  const auto left = environment_.state.whyKept(desired_->name());
  status.conditions = conditions(Condition::Status::False, error.reason,
                                 left ? sentences({error.message, *left}) : error.message);
  environment_.objects.report(desired_->instance->key(), std::move(status), environment_.listener);
}

/// When the world has to be looked at again without anybody asking.
SystemTime InstanceLoop::nextLook(const Plan* plan) const {
  const SystemTime now = environment_.now();
  if (plan == nullptr) {
    return now +
           std::min<std::chrono::milliseconds>(environment_.resync, backoff(failures_ - 1, desired_->name()));
  }
  const SystemTime resync = now + environment_.resync;
  return plan->wakeAt ? std::min(*plan->wakeAt, resync) : resync;
}

}  // namespace rookery::reconcile
