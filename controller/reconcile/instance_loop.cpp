#include "reconcile/instance_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "clock/clock.h"
#include "image/reader.h"
#include "plan/preflight.h"
#include "reconcile/observe.h"
#include "sentence.h"

namespace rookery::reconcile {

namespace {

/// So long is what was seen good enough to take one more step by it: longer where looking and judging takes
/// long, which is to be a small part of all the time.
constexpr std::chrono::seconds leastUnseen{2}, mostUnseen{10};
constexpr int unseenPerLook = 40;
/// So many looks in a row may find what was found before without being judged.
constexpr unsigned mostRests = 9;

/// Nothing will become of it by itself: what is left to be done is tried again, but failed for a reason that
/// lasts.
bool settled(const plan::Plan& plan) {
  const auto objectSettled = [&](const api::ObjectKey& key) {
    const auto state = plan.objects.find(key);
    return state != plan.objects.end() && state->second.settled;
  };
  return std::all_of(plan.objects.begin(), plan.objects.end(),
                     [](const auto& item) { return item.second.settled; }) &&
         std::all_of(plan.steps.begin(), plan.steps.end(),
                     [&](const plan::Step& step) { return objectSettled(step.object); });
}

}  // namespace

InstanceLoop::InstanceLoop(asio::any_io_executor strand, const Environment& environment,
                           plan::DesiredPtr desired, std::function<void(const RoundEnd&)> roundEnded)
    : strand_(std::move(strand)),
      environment_(environment),
      roundEnded_(std::move(roundEnded)),
      timer_(strand_),
      connection_(environment_),
      reporter_(environment_),
      lastWords_(strand_, environment_),
      health_(std::make_shared<HealthChecks>(strand_, environment_,
                                             [this] {
                                               news_ = true;
                                               timer_.cancel();
                                             })),
      kept_(environment_),
      latest_(std::move(desired)),
      desired_(latest_),
      pipeline_(strand_, environment_, memory_) {
  if (environment_.usages != nullptr)
    statistics_.emplace(strand_, *environment_.usages, observed_, [this] { timer_.cancel(); });
}

void InstanceLoop::update(plan::DesiredPtr desired) {
  asio::post(strand_, [self = shared_from_this(), desired = std::move(desired)]() mutable {
    self->latest_ = std::move(desired);
    self->timer_.cancel();
  });
}

void InstanceLoop::lookNow() {
  asio::post(strand_, [self = shared_from_this()] { self->timer_.cancel(); });
}

void InstanceLoop::tellIfItCannotRun(api::ObjectPtr unikernel,
                                     std::function<void(std::optional<Error>)> answer) {
  asio::post(strand_, [self = shared_from_this(), unikernel = std::move(unikernel),
                       answer = std::move(answer)] {
    answer(self->observed_ ? plan::cannotRun(*self->latest_, *self->observed_, *unikernel) : std::nullopt);
  });
}

asio::awaitable<void> InstanceLoop::run() {
  using asio::experimental::awaitable_operators::operator||;
  co_await asio::this_coro::throw_if_cancelled(false);
  if (statistics_) {
    // What it throws must not wait for the other to end as well.
    std::exception_ptr failure;
    const auto guarded = [&]() -> asio::awaitable<void> {
      try {
        co_await reconcile();
      } catch (...) {
        failure = std::current_exception();
      }
    };
    co_await (guarded() || statistics_->run());
    if (failure) std::rethrow_exception(failure);
  } else {
    co_await reconcile();
  }
  health_->stop();
  forgetReached();
}

asio::awaitable<void> InstanceLoop::reconcile() {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const bool again = co_await round();
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
    if (!again && latest_ == desired_ && !news_) co_await sleep(wake_);
  }
  co_await pipeline_.withdraw();
}

asio::awaitable<void> InstanceLoop::sleep(SystemTime until) {
  timer_.expires_after(std::max(until - environment_.now(), SystemTime::duration::zero()));
  (void)co_await timer_.async_wait(
      asio::as_tuple(asio::use_awaitable));  // cut short by update() or cancellation
}

/// Looks, plans, publishes and takes what is due. True: look again at once.
asio::awaitable<bool> InstanceLoop::round() {
  const auto start = clock::Steady::now();
  span_ = trace::begin(environment_.tracer, {}, "round");
  desired_ = latest_;
  news_ = false;
  Result<plan::Observed> observed = co_await ask();
  if (!observed && observed.error().reason == Reason::Cancelled) {
    span_.end();
    co_return false;
  }
  Round told;
  told.withheld = desired_->withheldUnikernels;
  told.traceId = span_.context().traceId();
  RoundEnd end;
  end.desired = desired_;
  std::vector<plan::Step> due;
  if (observed) addFindings(*observed);
  if (observed && isResting(*observed)) {
    goOnResting(told);
    end = rest_->end;
  } else if (observed) {
    auto deciding = trace::begin(environment_.tracer, span_.context(), "decide");
    Decision decision = decide(std::move(*observed));
    deciding.end();
    due = co_await follow(std::move(decision), told, end);
  } else {
    rest_.reset();
    others_.reset();
    co_await heedWishes();
    missLook(observed.error(), told, end);
  }
  roundEnded_(end);
  const bool stepTaken = co_await take(std::move(due), told);
  memory_.inventory.clear();  // the state has it
  told.duration = clock::Steady::now() - start;
  environment_.listener.roundEnded(desired_->name(), told);
  traceRound(told);
  co_return stepTaken;
}

void InstanceLoop::traceRound(const Round& told) {
  if (!span_) return;
  span_.set("rookery.instance", desired_->name());
  span_.set("rookery.unchanged", told.unchanged);
  span_.set("rookery.queued", static_cast<std::int64_t>(told.queued));
  span_.set("rookery.drift", static_cast<std::int64_t>(told.drift));
  if (told.error) span_.fail(toString(told.error->reason), told.error->message);
  span_.end();
}

/// Remembers and publishes what was planned. Returns the steps that are to be taken now.
asio::awaitable<std::vector<plan::Step>> InstanceLoop::follow(Decision decision, Round& told, RoundEnd& end) {
  plan::Plan& plan = decision.plan;
  co_await tellRollbacks(plan);
  const Unwritten unkept = co_await keepImages(plan);
  const Failures failures = co_await persist(decision);
  co_await keepFiles(plan);
  const Unwritten& unwritten = failures.unikernels;
  plan::withhold(plan, unkept, environment_.now());
  plan::withhold(plan, unwritten, environment_.now());
  plan::withhold(plan, failures.volumes, environment_.now(), api::Kind::UnikernelVolume);
  const SystemTime now = environment_.now();
  std::vector<plan::Step> due;
  if (latest_ == desired_) due = plan::takeable(plan.steps, now);
  end.errors = plan.errors;
  end.removals = plan.removals;
  end.unpruned = plan.unpruned;
  for (const api::ObjectKey& key : desired_->awaited)
    end.awaited.emplace(key, plan::standingOf(plan.memory, key));
  for (const api::ObjectKey& key : desired_->replicated) {
    if (const auto replica = plan::replicaOf(plan.memory, key)) end.replicas.emplace(key, *replica);
  }
  end.loads = plan.loads;
  end.policies = policies_;
  end.located = std::exchange(located_, false);
  end.finished = due.empty() && settled(plan);
  if (auto error = forbidden(plan)) {
    due.clear();
    end.finished = true;
    end.errors.push_back(std::move(*error));
  }
  const bool moreToGo = std::any_of(plan.steps.begin(), plan.steps.end(),
                                    [](const plan::Step& step) { return step.verb == plan::Verb::Destroy; });
  end.destroyed = destroyed_ && !moreToGo;
  if (end.destroyed) destroyed_ = false;
  tell(decision, *desired_, now, told);
  told.policies = policies_;
  askLastWords(plan);
  failures_ = 0;
  reporter_.report(*desired_, plan, policies_, unwritten, observed_->era);
  const bool allWritten = unwritten.empty() && failures.volumes.empty() && unkept.empty();
  rest(decision, end, plan.steps.empty() && end.finished && allWritten);
  if (allWritten && end.errors.empty()) {
    restOthers(decision);
  } else {
    others_.reset();
  }
  wake_ = nextLook(&plan);
  memory_ = std::move(plan.memory);
  publish(std::move(plan));
  co_return due;
}

/// For whoever asks what is about to be done.
void InstanceLoop::publish(plan::Plan plan) const {
  if (environment_.plans == nullptr) return;
  const SystemTime now = environment_.now();
  const auto ahead = environment_.wallTime() - now;  // plan waits by a clock that nobody sets
  InstancePlan made{.desired = desired_,
                    .era = observed_->era,
                    .changes = {},
                    .unpruned = std::move(plan.unpruned),
                    .errors = std::move(plan.errors)};
  made.changes.reserve(plan.steps.size() + plan.later.size());
  for (plan::Step& step : plan.steps) {
    plan::Change change = plan::changeOf(std::move(step), desired_->name(), now);
    if (change.notBefore)  // which is a whole second of the machine's clock where it is a window's
      change.notBefore = std::chrono::round<std::chrono::seconds>(*change.notBefore + ahead);
    made.changes.push_back(std::move(change));
  }
  for (plan::Step& step : plan.later)
    made.changes.push_back(plan::laterChangeOf(std::move(step), desired_->name()));
  environment_.plans->tell(desired_->name(), std::move(made), lookedAt_ + ahead);
}

void InstanceLoop::tell(const Decision& decision, const plan::Desired& desired, SystemTime now, Round& told) {
  const plan::Plan& plan = decision.plan;
  const auto isDue = [now](const plan::Step& step) { return step.notBefore <= now; };
  told.queued = static_cast<std::size_t>(std::count_if(plan.steps.begin(), plan.steps.end(), isDue));
  told.drift = plan.drift;
  told.unikernels = plan.counts;
  told.partly = decision.changed.has_value();
  for (const auto& [key, state] : plan.objects) {
    if (key.kind != api::Kind::Unikernel) continue;
    told.restarts[key] = state.status.restarts;
    if (desired.unikernels.contains(key) && state.state != plan::UnikernelState::Suspended)
      told.ready[key] = state.status.ready();
  }
}

/// Nothing is to be done, if `nothingLeft`.
void InstanceLoop::rest(const Decision& decision, const RoundEnd& end, bool nothingLeft) {
  rest_.reset();
  if (!nothingLeft) return;
  rest_ = Rest{desired_, decision.plan.wakeAt.value_or(SystemTime::max()), end};
  rest_->end.destroyed = rest_->end.located = false;  // news once
}

/// What was decided about some stands beside what is known of the others.
void InstanceLoop::restOthers(const Decision& decision) {
  const plan::Plan& plan = decision.plan;
  const std::optional<RestOfOthers> before = std::exchange(others_, std::nullopt);
  if (!plan.rest.each || (!decision.changed && !undisputed_)) return;
  others_ = RestOfOthers{.desired = desired_,
                         .rest = plan.rest,
                         .since = decision.changed ? before->since : environment_.now(),
                         .counts = plan.counts,
                         .authority = connection_.authority(),
                         .restartChangesMemory = plan.memory.restartChangesMemory};
  if (!decision.changed || !before->rest.until) return;
  auto& until = others_->rest.until;
  until = std::min(until.value_or(*before->rest.until), *before->rest.until);
}

/// Whether this is what was seen when there was nothing to do. Now and then all is judged anyway: what is
/// remembered may be another's doing.
bool InstanceLoop::isResting(const plan::Observed& observed) const {
  return rest_ && rest_->desired == desired_ && latest_ == desired_ && rest_->looks < mostRests &&
         environment_.now() < rest_->until && observed == *observed_;
}

/// The unikernels that are to be judged, where nothing that could matter to the others is otherwise than when
/// they were. Nothing: all are.
std::optional<std::set<api::ObjectKey>> InstanceLoop::changedAtRest(const plan::Observed& observed) const {
  const SystemTime now = environment_.now();
  if (!others_ || !memory_.volumes.empty() || now >= others_->rest.until.value_or(SystemTime::max()) ||
      now >= others_->since + mostRests * environment_.resync || now - memory_.lookedAt > plan::watchGap)
    return std::nullopt;
  if (connection_.authority() != others_->authority ||
      environment_.state.restartChangesMemory(observed.serverKey) != others_->restartChangesMemory)
    return std::nullopt;
  auto changed = plan::changedUnikernels(*others_->desired, *desired_);
  const auto seen = plan::changedUnikernels(*observed_, observed, *desired_);
  if (!changed || !seen) return std::nullopt;
  if (environment_.rivals != nullptr && !environment_.rivals->clashesOf(*desired_).empty())
    return std::nullopt;
  changed->insert(seen->begin(), seen->end());
  changed->insert(others_->rest.restless.begin(), others_->rest.restless.end());
  // What runs and is not ours may be somebody else's, which it takes a look at all to tell.
  const plan::SharedInventory inventory = environment_.state.inventoryOf(observed.serverKey);
  const bool foreign = std::ranges::any_of(*changed, [&](const api::ObjectKey& key) {
    const albatross::Name name = desired_->nameOf(key, observed.base);
    const auto entry = inventory.find(name);
    const bool ours = entry != inventory.end() && isOwn(name, entry->second);
    return observed.unikernels.contains(name) && !ours;
  });
  return foreign ? std::nullopt : changed;
}

void InstanceLoop::goOnResting(Round& told) {
  ++rest_->looks;
  told.unchanged = true;
  memory_.lookedAt = environment_.now();
  wake_ = std::min(rest_->until, memory_.lookedAt + environment_.resync);
  reporter_.reportInstance(*desired_);
  if (environment_.plans != nullptr)
    environment_.plans->looked(desired_->name(), lookedAt_ + (environment_.wallTime() - memory_.lookedAt));
}

/// What objects say of their deletion is remembered, and what is released is let go, also while the instance
/// cannot be looked at: when it can, the manifest may be gone.
asio::awaitable<void> InstanceLoop::heedWishes() {
  if (!environment_.mayCommand(desired_->name())) co_return;  // another process may have the state by now
  const std::array kept{environment_.state.inventories(), environment_.state.volumes()};
  for (const plan::Inventories& inventories : kept) {
    for (const auto& [serverKey, inventory] : inventories) {
      for (const auto& [name, entry] : inventory) {
        if (entry.instance == desired_->name() && !entry.destroyedAt) co_await heedWishes(entry);
      }
    }
  }
}

asio::awaitable<void> InstanceLoop::heedWishes(const plan::Entry& entry) {
  const auto unikernel = desired_->unikernels.find(entry.object);
  const auto volume = desired_->volumes.find(entry.object);
  const auto absence = desired_->absences.find(entry.object);
  plan::Entry wished = entry;
  if (unikernel != desired_->unikernels.end()) {
    wished.prune = unikernel->second.goesWithItsObject();
    wished.suspend = unikernel->second.spec().suspend;
  } else if (volume != desired_->volumes.end()) {
    wished.prune = volume->second.goesWithItsObject();
  } else if (absence != desired_->absences.end() &&
             absence->second.verdict == plan::Absence::Verdict::Release) {
    const auto discarded = co_await environment_.state.discard(std::move(wished));
    destroyed_ = destroyed_ || discarded.has_value();
    co_return;
  }
  if (wished != entry) (void)co_await environment_.state.record(std::move(wished));
}

/// The instance could not be observed.
void InstanceLoop::missLook(Error error, Round& told, RoundEnd& end) {
  // It may be the credential that is used since the new one is of no use.
  if (desired_->credentialsStand)
    error.message = sentences({error.message, desired_->credentialsStand->message});
  told.error = error;
  end.failure = error;
  end.finished = isLasting(error.reason);
  end.destroyed = std::exchange(destroyed_, false);
  ++failures_;
  reporter_.reportUnavailable(*desired_, error);
  if (environment_.plans != nullptr) environment_.plans->failed(desired_->name(), error);
  wake_ = nextLook(nullptr);
}

std::optional<Error> InstanceLoop::forbidden(const plan::Plan& plan) const {
  if (!environment_.permit) return std::nullopt;
  for (const plan::Step& step : plan.steps) {
    if (environment_.permit(desired_->name(), step)) continue;
    return Error{Reason::UsageError,
                 fmt::format("{} of {} on {} is needed now, but was not planned. Make a new plan.",
                             toString(step.verb), step.object.toString(), desired_->name())};
  }
  return std::nullopt;
}

/// What the server says of itself now.
asio::awaitable<Result<plan::Observed>> InstanceLoop::ask() {
  if (auto held = environment_.state.held(); !held) {
    if (held.error().reason == Reason::StateDirLost && environment_.stateLost)
      environment_.stateLost(held.error());
    co_return std::unexpected(held.error());
  }
  if (auto connected = connection_.connect(*desired_); !connected)
    co_return std::unexpected(connected.error());
  lookedAt_ = environment_.now();
  const bool blockDevices = needsBlockDevices(*desired_) || !environment_.state.volumes().empty();
  auto looking = trace::begin(environment_.tracer, span_.context(), "observe", trace::SpanKind::Client);
  auto observed =
      co_await observe(*connection_.client(), blockDevices, desired_->name(), environment_.listener, era_);
  // What could not be reached may be another server, or a newer one, by the time it is.
  era_ = observed ? std::optional(observed->era) : std::nullopt;
  if (observed) {
    looking.set("rookery.unikernels", static_cast<std::int64_t>(observed->unikernels.size()));
  } else {
    looking.fail(toString(observed.error().reason), observed.error().message);
  }
  co_return observed;
}

/// What was found out of what runs there besides, and is from now on.
void InstanceLoop::addFindings(plan::Observed& observed) {
  news_ = false;
  health_->follow(*desired_, observed);
  observed.health = health_->all();
  observed.kept = kept_.find(*desired_, observed);
  for (const auto& [key, line] : lastWords_.lines()) {
    if (desired_->unikernels.contains(key))
      observed.lastLines.emplace(desired_->nameOf(key, observed.base), line);
  }
}

void InstanceLoop::see(plan::Observed observed) {
  observed_ = std::move(observed);
  policies_ = plan::policyUse(*observed_);
}

InstanceLoop::Decision InstanceLoop::decide(plan::Observed observed) {
  if (auto changed = changedAtRest(observed)) {
    see(std::move(observed));
    return decideAgain(*std::move(changed));
  }
  recallObjects();
  if (observed_ && observed_->serverKey != observed.serverKey)
    memory_ = {};  // another server behind the same address
  see(std::move(observed));
  noteReached();
  if (statistics_) statistics_->keepOnlyRunning();
  Decision decision{.plan = {}, .before = ownInventory(), .changed = std::nullopt};
  memory_.inventory = {decision.before.begin(), decision.before.end()};
  decision.volumesBefore = ownVolumes();
  memory_.volumes = {decision.volumesBefore.begin(), decision.volumesBefore.end()};
  memory_.restartChangesMemory = environment_.state.restartChangesMemory(observed_->serverKey);
  const plan::DesiredPtr desired = judged();
  undisputed_ = desired == desired_;
  decision.plan = plan::decide(*desired, *observed_, std::move(memory_), connection_.authority(),
                               {environment_.now(), environment_.wallTime()});
  return decision;
}

InstanceLoop::Decision InstanceLoop::decideAgain(std::set<api::ObjectKey> changed) {
  noteReached();
  const plan::SharedInventory kept = environment_.state.inventoryOf(observed_->serverKey);
  Decision decision{.plan = {}, .before = {}, .changed = std::move(changed)};
  for (const api::ObjectKey& key : *decision.changed) {
    albatross::Name name = desired_->nameOf(key, observed_->base);
    const auto entry = kept.find(name);
    if (entry == kept.end() || !isOwn(name, entry->second)) continue;
    memory_.inventory.emplace(name, entry->second);
    decision.before.set(std::move(name), entry->second);
  }
  decision.plan =
      plan::decideAgain(*desired_, *decision.changed, *observed_, std::move(memory_), others_->counts,
                        connection_.authority(), {environment_.now(), environment_.wallTime()});
  // The others wake when they would have.
  auto& wakeAt = decision.plan.wakeAt;
  if (const auto until = others_->rest.until) wakeAt = std::min(wakeAt.value_or(*until), *until);
  return decision;
}

/// For who asks the server something beside this loop.
void InstanceLoop::noteReached() {
  if (environment_.servers == nullptr) return;
  const ServerPtr server =
      environment_.servers->reached({connection_.client(), desired_, observed_->base, observed_->policies});
  if (statistics_) statistics_->follow(server);
}

void InstanceLoop::forgetReached() const {
  if (environment_.plans != nullptr) environment_.plans->forget(desired_->name());
  if (environment_.servers != nullptr) environment_.servers->forget(desired_->name());
  if (environment_.usages != nullptr)
    environment_.usages->keepOnly(desired_->name(), [](const api::ObjectKey&) { return false; });
}

/// Of objects that this loop sees for the first time, what their status says: who had the instance before has
/// counted restarts, and seen what runs.
void InstanceLoop::recallObjects() {
  const auto recall = [&](const api::ObjectKey& key) {
    if (memory_.objects.contains(key)) return;
    const ObjectViewPtr view = environment_.objects.find(key);
    const auto seen = view == nullptr ? std::nullopt : view->status.seenOn(desired_->name());
    if (seen) memory_.objects.emplace(key, plan::recall(*seen));
  };
  for (const auto& [key, unikernel] : desired_->unikernels) recall(key);
  for (const auto& [key, volume] : desired_->volumes) recall(key);
}

asio::awaitable<InstanceLoop::Preview> InstanceLoop::preview() {
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<plan::Observed> seen = co_await ask();
  if (!seen) co_return Preview{desired_, std::unexpected(seen.error())};
  Preview preview{desired_, decide(std::move(*seen)).plan};
  co_return preview;
}

/// The server's inventory without what another declared instance holds on the same server, and without what
/// was done with another credential and cannot be seen or changed with this one.
plan::SharedInventory InstanceLoop::ownInventory() const {
  plan::SharedInventory inventory = environment_.state.inventoryOf(observed_->serverKey);
  inventory.keepOnly([&](const auto& item) { return isOwn(item.first, item.second); });
  return inventory;
}

plan::SharedInventory InstanceLoop::ownVolumes() const {
  const plan::Inventories all = environment_.state.volumes();
  const auto found = all.find(observed_->serverKey);
  if (found == all.end()) return {};
  plan::SharedInventory volumes = found->second;
  volumes.keepOnly([&](const auto& item) { return isOwn(item.first, item.second); });
  return volumes;
}

bool InstanceLoop::isOwn(const albatross::Name& name, const plan::Entry& entry) const {
  const auto& base = observed_->base.path;
  const bool within = (name.path.size() == base.size() || name.path.size() == base.size() + 1) &&
                      std::equal(base.begin(), base.end(), name.path.begin());
  const bool others = entry.instance != desired_->name() && desired_->instances.contains(entry.instance);
  return within && !others;
}

/// What this loop changes is its instance's, whatever the entry says: that of another instance which nobody
/// declares would be nobody's to write.
plan::Entry InstanceLoop::mine(plan::Entry entry) const {
  entry.instance = desired_->name();
  return entry;
}

/// An error on each unikernel that would be adopted and is somebody else's.
void InstanceLoop::noteOwnedElsewhere(std::map<api::ObjectKey, Error>& errors) const {
  if (!environment_.ownedElsewhere) return;
  std::vector<std::pair<albatross::Name, api::ObjectKey>> foreign;
  for (const auto& [name, info] : observed_->unikernels) {
    if (memory_.inventory.contains(name)) continue;
    api::ObjectKey key = desired_->objectAt(name, observed_->base);
    if (desired_->unikernels.contains(key)) foreign.emplace_back(name, std::move(key));
  }
  if (foreign.empty()) return;
  const auto owned = environment_.ownedElsewhere(observed_->serverKey);
  for (const auto& [name, key] : foreign) {
    const auto owner = owned.find(name);
    if (owner == owned.end()) continue;
    errors.emplace(
        key, Error{Reason::NotOwned,
                   fmt::format("{} on {} is the unikernel of another Rookery on this machine, whose state "
                               "directory is {}. Use that one; or remove it, if no Rookery uses it any more.",
                               key.toString(), desired_->name(), owner->second.string())});
  }
}

/// What is desired, with an error on all that another instance has on the same server, or another Rookery.
plan::DesiredPtr InstanceLoop::judged() {
  std::map<api::ObjectKey, Error> clashes;
  if (Rivals* rivals = environment_.rivals; rivals != nullptr) {
    if (rivals->seen(desired_->name(), observed_->serverKey, observed_->base)) located_ = true;
    clashes = rivals->clashesOf(*desired_);
  }
  noteOwnedElsewhere(clashes);
  if (clashes.empty()) return desired_;
  auto judged = std::make_shared<plan::Desired>(*desired_);
  for (const auto& [key, clash] : clashes) {
    const auto found = desired_->unikernels.find(key);
    if (found == desired_->unikernels.end()) continue;
    plan::DesiredUnikernel unikernel = found->second;
    unikernel.error = clash;
    judged->unikernels.set(key, std::move(unikernel));
  }
  for (auto& [nameSpace, policy] : judged->policies) {
    if (const auto clash = clashes.find(policy.object->key()); clash != clashes.end())
      policy.error = clash->second;
  }
  return judged;
}

/// What a decision says otherwise of ours than before.
std::vector<InstanceLoop::Change> InstanceLoop::changesOf(const Decision& decision) const {
  const plan::Inventory& after = decision.plan.memory.inventory;
  std::vector<Change> changes;
  for (const auto& [name, entry] : decision.before) {
    if (!after.contains(name)) changes.push_back({mine(entry), true});
  }
  const auto compare = [&](const albatross::Name& name, const plan::Entry& entry) {
    const auto old = decision.before.find(name);
    if (old == decision.before.end() || old->second != entry) changes.push_back({mine(entry)});
  };
  if (!decision.changed) {
    for (const auto& [name, entry] : after) compare(name, entry);
    const plan::Inventory& volumes = decision.plan.memory.volumes;
    for (const auto& [name, entry] : decision.volumesBefore) {
      if (!volumes.contains(name)) changes.push_back({mine(entry), true});
    }
    for (const auto& [name, entry] : volumes) {
      const auto old = decision.volumesBefore.find(name);
      if (old == decision.volumesBefore.end() || old->second != entry) changes.push_back({mine(entry)});
    }
    return changes;
  }
  for (const api::ObjectKey& key : *decision.changed) {
    const auto entry = after.find(desired_->nameOf(key, observed_->base));
    if (entry != after.end()) compare(entry->first, entry->second);
  }
  return changes;
}

/// Of those that have ended; and forgets those of which another life is well.
void InstanceLoop::askLastWords(const plan::Plan& plan) {
  lastWords_.forget([&](const api::ObjectKey& key) {
    const auto state = plan.objects.find(key);
    return state != plan.objects.end() && state->second.state == plan::UnikernelState::Ready;
  });
  for (const api::ObjectKey& key : plan.ended) {
    if (knowsSecretsOf(key, plan)) lastWords_.ask(desired_->name(), key);
  }
}

/// Whether what ran as that unikernel was started, or seen to be as is wanted, by this process: of what was
/// before, nobody knows which secrets it was given.
bool InstanceLoop::knowsSecretsOf(const api::ObjectKey& key, const plan::Plan& plan) const {
  const auto unikernel = desired_->unikernels.find(key);
  if (unikernel == desired_->unikernels.end()) return false;
  const auto memory = plan.memory.objects.find(key);
  const bool seen =
      memory != plan.memory.objects.end() && (memory->second.inSync || memory->second.succeeded);
  return seen || unikernel->second.spec().argumentsFrom.empty();
}

/// Of updates that failed, what they printed is read before it is lost among what is printed next.
asio::awaitable<void> InstanceLoop::tellRollbacks(plan::Plan& plan) {
  constexpr std::size_t lines = 20;
  for (const api::ObjectKey& key : plan.rolledBack) {
    std::string console;
    if (knowsSecretsOf(key, plan)) console = co_await lastWords_.tail(desired_->name(), key, lines);
    const auto entry = plan.memory.inventory.find(desired_->nameOf(key, observed_->base));
    check(entry != plan.memory.inventory.end() && entry->second.rollback && entry->second.rollback->trial,
          "what is taken back was tried");
    entry->second.rollback.edit([&](plan::Rollback& edited) { edited.trial->console = std::move(console); });
    environment_.listener.rolledBack(desired_->name(), key);
  }
}

/// What is about to be replaced, and may have to be put back, is got from the server where there is no copy
/// of it. What could not be, and why, by name: it is not replaced.
asio::awaitable<Unwritten> InstanceLoop::keepImages(const plan::Plan& plan) {
  Unwritten unkept;
  for (const plan::Step& step : plan.steps) {
    const bool needed = !step.keeps.empty() && step.notBefore <= environment_.now();
    if (!needed || environment_.keptImages == nullptr || !environment_.mayCommand(desired_->name())) continue;
    const auto kept = co_await kept_.fetch(
        step.keeps, step.object, {connection_.client(), desired_, observed_->base, observed_->policies});
    if (kept) continue;
    unkept.emplace(
        step.name,
        Error{kept.error().reason,
              sentences({fmt::format("The image that {} runs on {} cannot be kept, to be put back if "
                                     "its update fails, and so it is not updated.",
                                     step.object.toString(), desired_->name()),
                         kept.error().message})});
  }
  co_return unkept;
}

/// What runs well is copied, before its file becomes another.
asio::awaitable<void> InstanceLoop::keepFiles(const plan::Plan& plan) {
  if (environment_.keptImages == nullptr) co_return;
  for (const auto& [key, state] : plan.objects) {
    const auto unikernel = desired_->unikernels.find(key);
    if (unikernel == desired_->unikernels.end() || !unikernel->second.image) continue;
    const image::Image& image = *unikernel->second.image;
    const auto entry = plan.memory.inventory.find(desired_->nameOf(key, observed_->base));
    if (entry == plan.memory.inventory.end() || !entry->second.rollback) continue;
    const auto& good = entry->second.rollback->good;
    if (!good || good->digest != image.digest || observed_->kept.contains(good->digest)) continue;
    const auto kept = co_await kept_.copy(image);
    if (!kept) environment_.listener.warned(desired_->name(), kept.error().reason, kept.error().message);
  }
}

/// Writes down what has changed; what could not be, and why, by name.
asio::awaitable<InstanceLoop::Failures> InstanceLoop::persist(const Decision& decision) {
  std::vector<Change> changes = changesOf(decision);
  for (const Change& change : changes) {
    const auto old = decision.before.find(change.entry.name);
    const bool buried =
        change.entry.destroyedAt && (old == decision.before.end() || !old->second.destroyedAt);
    destroyed_ = destroyed_ || change.gone || buried;
  }
  const plan::Memory& memory = decision.plan.memory;
  Failures failures = co_await write(std::move(changes));
  if (memory.restartChangesMemory &&
      memory.restartChangesMemory != environment_.state.restartChangesMemory(observed_->serverKey)) {
    environment_.state.setRestartChangesMemory(observed_->serverKey, *memory.restartChangesMemory);
  }
  co_return failures;
}

/// All at once, as what is asked for together is made sure of together.
asio::awaitable<InstanceLoop::Failures> InstanceLoop::write(std::vector<Change> changes) {
  Failures failures;
  std::size_t open = changes.size();
  clock::Timer done(strand_, clock::Timer::time_point::max());
  for (Change& change : changes) {
    Unwritten& unwritten = change.entry.isVolume() ? failures.volumes : failures.unikernels;
    const auto end = [&, name = change.entry.name](const std::exception_ptr& thrown,
                                                   const Result<void>& written) {
      if (thrown) std::rethrow_exception(thrown);
      if (!written) unwritten.emplace(name, written.error());
      if (--open == 0) done.cancel();
    };
    state::State& state = environment_.state;
    asio::co_spawn(
        strand_, change.gone ? state.discard(std::move(change.entry)) : state.record(std::move(change.entry)),
        end);
  }
  while (open > 0) (void)co_await done.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return failures;
}

/// Takes them until it is time to look again. False: there was none.
asio::awaitable<bool> InstanceLoop::take(std::vector<plan::Step> steps, Round& told) {
  if (steps.empty()) {
    co_await pipeline_.withdraw();
    co_return false;
  }
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  const SystemTime::duration looking = environment_.now() - lookedAt_;
  const auto unseen = std::clamp<SystemTime::duration>(unseenPerLook * looking, leastUnseen, mostUnseen);
  const auto goOn = [&] {
    return latest_ == desired_ && environment_.now() - lookedAt_ < unseen &&
           cancellation.cancelled() == asio::cancellation_type::none;
  };
  const StepPipeline::Taken taken = co_await pipeline_.take(
      std::move(steps), {*desired_, *observed_, *connection_.client(), span_.context()}, goOn);
  told.queued -= taken.steps;
  destroyed_ = destroyed_ || taken.destroyed;
  co_return true;
}

/// When the world has to be looked at again without anybody asking.
SystemTime InstanceLoop::nextLook(const plan::Plan* plan) const {
  const SystemTime now = environment_.now();
  if (plan == nullptr) {
    return now + std::min<std::chrono::milliseconds>(environment_.resync,
                                                     plan::backoff(failures_ - 1, desired_->name()));
  }
  const SystemTime resync = now + environment_.resync;
  return plan->wakeAt ? std::min(*plan->wakeAt, resync) : resync;
}

}  // namespace rookery::reconcile
