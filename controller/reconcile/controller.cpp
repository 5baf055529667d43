#include "reconcile/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/conditions.h"
#include "reconcile/guard.h"
#include "sentence.h"

namespace rookery::reconcile {

namespace {

constexpr auto quiet = asio::as_tuple(asio::use_awaitable);

/// Of an object that nothing can become of until somebody mends it.
api::Status stalled(const Error& error, std::int64_t generation, SystemTime now) {
  api::Status status;
  status.observedGeneration = generation;
  status.conditions = api::stalledConditions(error, now);
  return status;
}

}  // namespace

Controller::Controller(asio::any_io_executor executor, Environment environment, image::Inspector& inspector,
                       GuardOptions guard)
    : executor_(std::move(executor)),
      strand_(asio::make_strand(executor_)),
      environment_(std::move(environment)),
      resolver_(environment_, inspector),
      pruner_(environment_, std::move(guard)),
      lookAgain_(strand_),
      event_(strand_, asio::steady_timer::time_point::max()) {
  environment_.rivals = &rivals_;
}

asio::awaitable<void> Controller::run(source::Source& source) {
  co_await asio::this_coro::throw_if_cancelled(false);
  snapshot_ = source.scan();
  for (;;) {
    environment_.listener.scanned(*snapshot_);
    distribute();
    source::SnapshotPtr next = co_await nextSnapshot(source);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (next == nullptr || state.cancelled() != asio::cancellation_type::none) break;
    snapshot_ = std::move(next);
  }
  co_await stopAll();
}

/// The next scan: when something changed, or when the prune guard waits for a second look.
asio::awaitable<source::SnapshotPtr> Controller::nextSnapshot(source::Source& source) {
  using asio::experimental::awaitable_operators::operator||;
  const auto rescan = pruner_.rescanAt();
  if (!rescan) co_return co_await source.next();
  asio::steady_timer timer(strand_);
  timer.expires_at(*rescan);
  auto either = co_await (source.next() || timer.async_wait(quiet));
  if (either.index() == 0) co_return std::get<0>(std::move(either));
  co_return source.scan();
}

asio::awaitable<Controller::Outcome> Controller::apply(source::SnapshotPtr snapshot,
                                                       std::chrono::milliseconds timeout) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  previewing_ = false;
  snapshot_ = std::move(snapshot);
  environment_.listener.scanned(*snapshot_);
  distribute();
  Outcome outcome;
  while (!(outcome.finished = finished()) && std::chrono::steady_clock::now() < deadline) {
    co_await waitForEvent(deadline);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
  }
  for (const auto& [name, held] : held_) {
    if (!held.last) continue;
    if (held.last->failure) outcome.errors.push_back(*held.last->failure);
    for (const Error& error : held.last->errors) outcome.errors.push_back(error);
  }
  co_await stopAll();
  co_return outcome;
}

/// The looks of a preview that are under way, told from the controller's strand.
struct Controller::Previewing {
  Preview seen;
  std::map<std::string, Held> open;
};

asio::awaitable<Controller::Preview> Controller::preview(source::SnapshotPtr snapshot) {
  co_await asio::this_coro::throw_if_cancelled(false);
  snapshot_ = std::move(snapshot);
  previewing_ = true;
  const Resolution resolution = co_await resolveSettled();
  const auto previewing = std::make_shared<Previewing>();
  previewing->seen.unplaced = resolution.unplaced;
  const Instances instances(resolution.instances.begin(), resolution.instances.end());
  rivals_.declare(instances);
  Instances all = instances;
  const bool complete = co_await previewAll(previewing, std::move(all));
  Instances again =
      complete ? contested(instances) : Instances{};  // the first did not know of the others yet
  (void)co_await previewAll(previewing, std::move(again));
  co_return std::move(previewing->seen);
}

/// False: it was broken off.
asio::awaitable<bool> Controller::previewAll(PreviewingPtr previewing, Instances instances) {
  for (const auto& [name, desired] : instances) {
    Held& held = previewing->open[name];
    held.strand = asio::make_strand(executor_);
    held.cancel = std::make_shared<asio::cancellation_signal>();
    held.loop = std::make_shared<InstanceLoop>(held.strand, environment_, desired, [](const RoundEnd&) {});
  }
  for (const auto& [name, held] : previewing->open) {
    // The loop lives until its coroutine has ended; it may begin long after this.
    const auto done = [this, previewing, instance = name, loop = held.loop, cancel = held.cancel](
                          const std::exception_ptr& failure, InstanceLoop::Preview seen) {
      check(!failure, "a preview does not throw");
      asio::post(strand_, [this, previewing, instance, seen = std::move(seen)]() mutable {
        previewing->seen.instances.insert_or_assign(instance, std::move(seen));
        previewing->open.erase(instance);
        event_.cancel();
      });
    };
    asio::co_spawn(held.strand, held.loop->preview(),
                   asio::bind_cancellation_slot(held.cancel->slot(), done));
  }
  bool complete = true;
  while (!previewing->open.empty()) {
    co_await waitForEvent(asio::steady_timer::time_point::max());
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none) continue;
    complete = false;
    for (const auto& [name, held] : previewing->open) breakOff(held);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  }
  co_return complete;
}

/// Those that have something which another has as well.
Controller::Instances Controller::contested(const Instances& instances) const {
  Instances found;
  for (const auto& [name, desired] : instances) {
    if (!rivals_.clashesOf(*desired).empty()) found.emplace(name, desired);
  }
  return found;
}

/// What others have as well as `name` was judged before that was known: they look again, and what they say of
/// earlier looks does not count.
void Controller::wakeRivalsOf(const std::string& name) {
  for (const auto& [other, desired] : contested(desired_)) {
    const auto held = held_.find(other);
    if (other == name || held == held_.end()) continue;
    desired_[other] = std::make_shared<Desired>(*desired);
    held->second.last.reset();
    held->second.loop->update(desired_[other]);
  }
  rivals_.declare(desired_);
}

// -- From a snapshot to the loops
// ------------------------------------------------------------------------------------

Resolution Controller::resolveSnapshot() {
  const std::vector<Entry> entries = environment_.state.entries();
  Resolution resolution = resolver_.resolve(*snapshot_, entries);
  absences_ = pruner_.judge(resolution, *snapshot_, entries);
  noteLeft(entries);
  return resolution;
}

/// Once all images have been read. Those that are still being written are waited for as long as a file has to
/// be left alone.
asio::awaitable<Resolution> Controller::resolveSettled() {
  const auto deadline = std::chrono::steady_clock::now() + file::longestQuiet;
  for (;;) {
    Resolution resolution = resolveSnapshot();
    const bool late = std::chrono::steady_clock::now() >= deadline;
    const auto awaited = [late](const auto& item) {
      const DesiredUnikernel& unikernel = item.second;
      return unikernel.imageUnsettled() && (!late || unikernel.missing->error.reason != Reason::BeingWritten);
    };
    const bool done = std::ranges::none_of(resolution.instances, [&](const auto& item) {
      return std::ranges::any_of(item.second->unikernels, awaited);
    });
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (done || state.cancelled() != asio::cancellation_type::none) co_return resolution;
    co_await waitForEvent(late ? asio::steady_timer::time_point::max() : deadline);
  }
}

void Controller::distribute() {
  Resolution resolution = resolveSnapshot();
  if (auto saved = environment_.state.saveIdentities(); !saved) {
    environment_.listener.warned("", saved.error().reason, saved.error().message);
  }
  resolver_.warnOfExposedKeys(resolution);
  std::vector<std::string> gone;
  for (const auto& [name, held] : held_) {
    if (!resolution.instances.contains(name) || !environment_.commands(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) stop(name);
  lookAgainIn(resolution.lookAgainIn);
  const std::set<std::string> changed = takeDesired(std::move(resolution.instances));
  declareObjects();
  forgetGone();
  if (snapshot_->synced) environment_.objects.setSynced();
  disownOthers(resolution.unplaced);
  wantImages();
  if (environment_.commands("")) reportUnplaced(resolution.unplaced);
  for (const auto& [name, desired] : desired_) {
    const auto held = held_.find(name);
    if (held == held_.end()) {
      if (environment_.commands(name)) start(name, desired);
    } else if (changed.contains(name)) {
      held->second.last.reset();
      held->second.loop->update(desired);
    }
  }
  reportLeft("");
  reportMistaken();
  noteReadiness();
  event_.cancel();
}

void Controller::lookAgainIn(std::optional<std::chrono::milliseconds> delay) {
  lookAgain_.cancel();
  if (!delay) return;
  lookAgain_.expires_after(*delay);
  lookAgain_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) redistribute();
  });
}

/// Returns the instances of which something else is wanted than before: the others need not be looked at.
std::set<std::string> Controller::takeDesired(std::map<std::string, std::shared_ptr<Desired>> instances) {
  std::set<std::string> changed;
  std::set<std::string> rivals;
  const auto noteRivals = [&] {
    for (const auto& [name, desired] : contested(desired_)) rivals.insert(name);
  };
  noteRivals();
  Instances taken;
  for (auto& [name, desired] : instances) {
    const auto before = desired_.find(name);
    const bool same = before != desired_.end() && *before->second == *desired;
    taken[name] = same ? before->second : std::move(desired);
    if (!same) changed.insert(name);
  }
  const bool news = !changed.empty() || taken.size() != desired_.size();
  desired_ = std::move(taken);
  rivals_.declare(desired_);
  noteRivals();
  // What others want of the same server may have changed what may be done here.
  for (const std::string& name : rivals) {
    const auto here = desired_.find(name);
    if (!news || here == desired_.end() || !changed.insert(name).second) continue;
    here->second = std::make_shared<Desired>(*here->second);
  }
  rivals_.declare(desired_);
  return changed;
}

/// Other controllers tell how the objects stand that are not ours.
void Controller::disownOthers(const std::map<api::ObjectKey, Error>& unplaced) {
  for (const auto& [name, desired] : desired_) {
    if (environment_.commands(name)) continue;
    environment_.objects.disown(desired->instance->key());
    for (const auto& [key, unikernel] : desired->unikernels) environment_.objects.disown(key);
    for (const auto& [nameSpace, policy] : desired->policies)
      environment_.objects.disown(policy.object->key());
  }
  if (environment_.commands("")) return;
  for (const auto& [key, error] : unplaced) environment_.objects.disown(key);
}

/// Those of what runs already, too: when it has to be created again, the server that has its image may be
/// down.
void Controller::wantImages() {
  if (environment_.puller == nullptr) return;
  std::set<image::Remote> remotes;
  for (const auto& [name, desired] : desired_) {
    if (!environment_.commands(name)) continue;
    for (const auto& [key, unikernel] : desired->unikernels) {
      const api::Unikernel::Image& image = unikernel.spec().image;
      if (image.url && !unikernel.error)
        remotes.insert(remoteOf(image, authorOf(unikernel.object->origin, environment_.apiStore)));
    }
  }
  environment_.puller->want(remotes);
}

void Controller::redistribute() {
  if (redistributing_.exchange(true)) return;
  asio::post(strand_, [this] {
    redistributing_ = false;
    if (previewing_) return void(event_.cancel());
    if (snapshot_ != nullptr) distribute();
  });
}

Result<std::string> Controller::confirmPrune(const std::string& id) {
  auto answer = pruner_.confirm(id);
  if (answer) redistribute();
  return answer;
}

/// Starts the loop of an instance; where the one before it has not ended yet, ended() will.
void Controller::start(const std::string& name, DesiredPtr desired) {
  if (ending_.contains(name)) return;
  Held held;
  held.strand = asio::make_strand(executor_);
  held.cancel = std::make_shared<asio::cancellation_signal>();
  held.loop = std::make_shared<InstanceLoop>(
      held.strand, environment_, std::move(desired), [this, name](const RoundEnd& end) {
        asio::post(strand_, [this, name, end] { roundEnded(name, end); });
      });
  // Loop and signal live until the coroutine has ended; it may begin after stop().
  const auto done = [this, name, loop = held.loop, cancel = held.cancel](const std::exception_ptr& failure) {
    check(!failure, "an instance's loop does not throw");
    asio::post(strand_, [this, name] { ended(name); });
  };
  asio::co_spawn(held.strand, held.loop->run(), asio::bind_cancellation_slot(held.cancel->slot(), done));
  held_[name] = std::move(held);
}

void Controller::breakOff(const Held& held) {
  asio::post(held.strand, [cancel = held.cancel] { cancel->emit(asio::cancellation_type::terminal); });
}

void Controller::stop(std::string name) {
  const auto it = held_.find(name);
  breakOff(it->second);
  held_.erase(it);
  ending_.insert(std::move(name));
}

void Controller::ended(const std::string& name) {
  ending_.erase(name);
  if (const auto wanted = desired_.find(name); wanted != desired_.end() && environment_.commands(name)) {
    start(name, wanted->second);
  } else {
    environment_.listener.instanceForgotten(name);
  }
  reportLeft(name);
  event_.cancel();
}

asio::awaitable<void> Controller::stopAll() {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  lookAgain_.cancel();
  desired_.clear();
  left_.clear();
  while (!held_.empty()) stop(held_.begin()->first);
  while (!ending_.empty()) co_await waitForEvent(asio::steady_timer::time_point::max());
  snapshot_ = nullptr;  // there is nothing to distribute any more
}

asio::awaitable<void> Controller::waitForEvent(std::chrono::steady_clock::time_point deadline) {
  event_.expires_at(deadline);
  (void)co_await event_.async_wait(quiet);
}

// -- What the loops tell
// ---------------------------------------------------------------------------------------------

void Controller::roundEnded(const std::string& name, const RoundEnd& end) {
  if (end.located) wakeRivalsOf(name);
  const auto held = held_.find(name);
  if (held == held_.end() || desired_.at(name) != end.desired) return;
  const bool changed = !held->second.last || held->second.last->failure != end.failure ||
                       held->second.last->removals != end.removals;
  held->second.last = end;
  if (changed) reportLeft(name);
  noteReadiness();
  if (end.destroyed) forgetGone();
  if (pruner_.moveArrived()) distribute();
  event_.cancel();
}

/// Every instance was looked at, or failed to answer, once.
void Controller::noteReadiness() {
  const bool seen = snapshot_->synced && std::all_of(held_.begin(), held_.end(), [](const auto& item) {
                      return item.second.last.has_value();
                    });
  if (seen && !environment_.objects.ready()) environment_.objects.setReady();
}

bool Controller::finished() const {
  return std::all_of(desired_.begin(), desired_.end(), [&](const auto& item) {
    const auto held = held_.find(item.first);
    return held != held_.end() && held->second.last && held->second.last->finished;
  });
}

/// The objects as they are declared now, before anybody has worked on them; and those that are deleted while
/// something of them is left.
void Controller::declareObjects() {
  const SystemTime now = environment_.now();
  for (const api::ObjectPtr& object : snapshot_->objects) {
    const auto identity = environment_.state.identify(object->key(), object->specDigest, now);
    environment_.objects.declare(object, identity, now);
  }
  for (const api::ObjectPtr& object : snapshot_->deleted) {
    if (!left_.contains(object->key())) continue;
    const auto identity = environment_.state.identify(object->key(), object->specDigest, now);
    environment_.objects.declare(object, identity, now);
  }
  declareLeft();
  for (const auto& [key, status] : snapshot_->statuses) environment_.objects.mirror(key, status);
}

void Controller::reportUnplaced(const std::map<api::ObjectKey, Error>& unplaced) {
  for (const auto& [key, error] : unplaced) {
    const ObjectViewPtr view = environment_.objects.find(key);
    if (view == nullptr) continue;
    environment_.objects.report(key, stalled(error, view->identity.generation, environment_.now()),
                                environment_.listener);
  }
}

// -- What is left of objects that are deleted
// ---------------------------------------------------------------------------------------------------------

void Controller::noteLeft(const std::vector<Entry>& entries) {
  left_.clear();
  mistaken_.clear();
  std::set<api::ObjectKey> usable;
  for (const api::ObjectPtr& object : snapshot_->objects) usable.insert(object->key());
  for (const Entry& entry : entries) {
    if (entry.destroyedAt || usable.contains(entry.object)) continue;
    const auto root = std::ranges::find(snapshot_->roots, entry.root, &source::Root::path);
    const bool byName = root != snapshot_->roots.end() && root->deletesByName;
    Left left{entry.instance, entry.root, entry.file, byName};
    if (!snapshot_->declared.contains(entry.object)) {
      left_[entry.object].push_back(std::move(left));
    } else if (root != snapshot_->roots.end() && !byName) {
      mistaken_.emplace(entry.object, std::move(left));
    }
  }
}

/// Says of what is left on an instance (empty: of all) why it is still there.
void Controller::reportLeft(const std::string& instance) {
  for (const auto& [key, places] : left_) {
    if (instance.empty() || std::ranges::find(places, instance, &Left::instance) != places.end())
      reportLeft(key, places);
  }
}

void Controller::reportLeft(const api::ObjectKey& key, const std::vector<Left>& places) {
  const ObjectViewPtr view = environment_.objects.find(key);
  const auto absence = absences_.find(key);
  if (view == nullptr || absence == absences_.end()) return;
  bool ours = false;
  std::optional<Obstacle> obstacle;
  for (const Left& place : places) {
    if (!speaksFor(place.instance)) continue;
    if (!toldAll(place.instance)) return;
    ours = true;
    if (!obstacle) obstacle = obstacleOf(key, absence->second, place);
  }
  if (!ours) return environment_.objects.disown(key);
  if (!obstacle) {
    if (!view->ours || view->status.ready()) return;
    obstacle = {{Reason::Pruning, absence->second.message}, false};
  }
  api::Status status = view->status;
  status.observedGeneration = view->identity.generation;
  if (!status.instance) status.instance = places.front().instance;
  status.conditions = api::stalledConditions(obstacle->error, environment_.now());
  if (!obstacle->stalled) status.conditions.back().type = api::Condition::Type::Reconciling;
  environment_.objects.report(key, std::move(status), environment_.listener);
}

/// Why nothing becomes of what is left there; nothing: it goes, or waits its turn.
std::optional<Controller::Obstacle> Controller::obstacleOf(const api::ObjectKey& key, const Absence& absence,
                                                           const Left& place) const {
  const auto desired = desired_.find(place.instance);
  if (desired == desired_.end()) return Obstacle{instanceMissing(key, place)};
  const auto held = held_.find(place.instance);
  if (held != held_.end()) {
    const auto& removals = held->second.last->removals;
    if (const auto removal = removals.find(key); removal != removals.end()) {
      const Error& error = removal->second;
      const bool waits = error.reason == Reason::Pruning || error.reason == Reason::InDoubt;
      return Obstacle{{error.reason, sentences({error.message, howToRelease(place.byName)})}, !waits};
    }
  }
  const bool waitsForALook = absence.reason == Reason::Pruning && desired->second->prunes;
  if (absence.verdict == Absence::Verdict::Keep && !waitsForALook)
    return Obstacle{{absence.reason, absence.message}};
  if (held == held_.end()) return std::nullopt;
  const RoundEnd& last = *held->second.last;
  if (last.failure) {
    return Obstacle{
        {Reason::InstanceUnavailable,
         sentences({fmt::format("{} cannot be destroyed, as AlbatrossInstance {} cannot be asked: {}",
                                key.toString(), place.instance, last.failure->message),
                    howToRelease(place.byName)})},
        last.finished};
  }
  if (absence.verdict == Absence::Verdict::Destroy && desired->second->spec().suspend) {
    return Obstacle{{Reason::InstanceSuspended,
                     fmt::format("{} is not destroyed, as AlbatrossInstance {} is suspended. Set its "
                                 "spec.suspend to false.{}",
                                 key.toString(), place.instance, howToRelease(place.byName))}};
  }
  return std::nullopt;
}

Error Controller::instanceMissing(const api::ObjectKey& key, const Left& place) const {
  const bool invalid = snapshot_->declared.contains({api::Kind::AlbatrossInstance, "", place.instance});
  return {Reason::InstanceNotFound,
          fmt::format("{} cannot be destroyed: AlbatrossInstance {}, where it runs, {}{}", key.toString(),
                      place.instance,
                      invalid ? "has an error in its manifest. Correct that first."
                              : "is not declared any more. Declare it again.",
                      howToRelease(place.byName))};
}

/// Whether it is for this process to say how things stand there.
bool Controller::speaksFor(const std::string& instance) const {
  const bool declared = snapshot_->declared.contains({api::Kind::AlbatrossInstance, "", instance});
  return environment_.commands(declared ? instance : "");
}

/// Whether no loop is about to say how things stood there before the present snapshot.
bool Controller::toldAll(const std::string& instance) const {
  const auto held = held_.find(instance);
  return !ending_.contains(instance) && (held == held_.end() || held->second.last);
}

/// Removes the views of objects that nobody declares and of which nothing runs any more.
void Controller::forgetGone() {
  std::set<api::ObjectKey> left;
  for (const Entry& entry : environment_.state.entries()) {
    if (!entry.destroyedAt) left.insert(entry.object);
  }
  for (const ObjectViewPtr& view : environment_.objects.list()) {
    const api::ObjectKey key = view->object->key();
    if (snapshot_->declared.contains(key)) continue;
    if (left.contains(key)) {
      if (!isUncertain(key)) environment_.objects.markDeleted(key, environment_.now());
    } else {
      environment_.objects.remove(key);
      environment_.state.forgetIdentity(key);
    }
  }
  // Of those that were deleted before this process began, there is no view.
  for (const api::ObjectKey& key : environment_.state.deletionRequests()) {
    if (!snapshot_->declared.contains(key) && !left.contains(key)) environment_.state.forgetIdentity(key);
  }
}

}  // namespace rookery::reconcile
