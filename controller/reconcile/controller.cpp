#include "reconcile/controller.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <memory>
#include <set>
#include <utility>

#include "clock/clock.h"
#include "reconcile/publish_snapshot.h"
#include "reconcile/wanted_images.h"

namespace rookery::reconcile {

namespace {

constexpr auto quiet = asio::as_tuple(asio::use_awaitable);

Environment with(Environment environment, Rivals& rivals, Servers& servers, Consoles& consoles) {
  environment.rivals = &rivals;
  environment.servers = &servers;
  environment.consoles = &consoles;
  return environment;
}

}  // namespace

Controller::Controller(asio::any_io_executor executor, Environment environment, image::Inspector& inspector,
                       GuardOptions guard)
    : executor_(std::move(executor)),
      strand_(asio::make_strand(executor_)),
      consoles_(executor_, servers_),
      dumps_(executor_, servers_),
      volumeLoads_([this] { redistribute(); }),
      environment_(with(std::move(environment), rivals_, servers_, consoles_)),
      resolver_(environment_, inspector),
      pruner_(environment_, std::move(guard),
              [this](const api::ObjectKey& unikernel) { return rollouts_.ready(unikernel); }),
      loops_(executor_, strand_, environment_,
             {.changed =
                  [this](const std::string& instance) {
                    leftovers_.report(instance);
                    event_.cancel();
                  },
              .roundEnded = [this](const RoundEnd& end) { roundEnded(end); }}),
      leftovers_(environment_, [this](const std::string& instance) { return loops_.standing(instance); }),
      revisions_(environment_, [this](const std::string& instance) { return loops_.standing(instance); }),
      lookAgain_(strand_),
      event_(strand_, clock::Timer::time_point::max()) {}

// -- What it is asked to do
// ------------------------------------------------------------------------------------------

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
  clock::Timer timer(strand_);
  timer.expires_at(*rescan);
  auto either = co_await (source.next() || timer.async_wait(quiet));
  if (either.index() == 0) co_return std::get<0>(std::move(either));
  co_return source.scan();
}

asio::awaitable<Controller::Outcome> Controller::apply(source::SnapshotPtr snapshot,
                                                       std::chrono::milliseconds timeout) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto deadline = clock::Steady::now() + timeout;
  previewing_ = false;
  snapshot_ = std::move(snapshot);
  environment_.listener.scanned(*snapshot_);
  distribute();
  Outcome outcome;
  while (!(outcome.finished = loops_.finished()) && clock::Steady::now() < deadline) {
    co_await waitForEvent(deadline);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
  }
  outcome.errors = loops_.errors();
  outcome.unpruned = loops_.unpruned();
  co_await stopAll();
  co_return outcome;
}

asio::awaitable<Controller::Preview> Controller::preview(source::SnapshotPtr snapshot) {
  co_await asio::this_coro::throw_if_cancelled(false);
  snapshot_ = std::move(snapshot);
  previewing_ = true;
  const Resolution resolution = co_await resolveSettled();
  Instances instances(resolution.instances.begin(), resolution.instances.end());
  Preview preview;
  preview.unplaced = resolution.unplaced;
  preview.instances = co_await previewInstances(executor_, environment_, std::move(instances));
  co_return preview;
}

Result<std::string> Controller::confirmPrune(const std::string& id) {
  auto answer = pruner_.confirm(id);
  if (answer) redistribute();
  return answer;
}

void Controller::redistribute() {
  if (redistributing_.exchange(true)) return;
  asio::post(strand_, [this] {
    redistributing_ = false;
    if (previewing_) return void(event_.cancel());
    if (snapshot_ != nullptr) distribute();
  });
}

void Controller::lookNow() {
  asio::post(strand_, [this] { loops_.lookNow(); });
}

std::optional<Error> Controller::cannotRun(const std::string& instance, const api::ObjectPtr& unikernel,
                                           std::chrono::milliseconds patience) {
  const auto told = std::make_shared<std::promise<std::optional<Error>>>();
  std::future<std::optional<Error>> answer = told->get_future();
  asio::post(strand_, [this, instance, unikernel, told] {
    if (const auto loop = loops_.loopOf(instance)) {
      loop->tellIfItCannotRun(unikernel,
                              [told](std::optional<Error> error) { told->set_value(std::move(error)); });
    } else {
      told->set_value(std::nullopt);
    }
  });
  return answer.wait_for(patience) == std::future_status::ready ? answer.get() : std::nullopt;
}

asio::awaitable<void> Controller::stopAll() {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  lookAgain_.cancel();
  leftovers_.clear();
  consoles_.stop();
  dumps_.stop();
  volumeLoads_.stop();
  loops_.stopAll();
  while (!loops_.ended()) co_await waitForEvent(clock::Timer::time_point::max());
  snapshot_ = nullptr;  // there is nothing to distribute any more
}

asio::awaitable<void> Controller::waitForEvent(std::chrono::steady_clock::time_point deadline) {
  event_.expires_at(deadline);
  (void)co_await event_.async_wait(quiet);
}

// -- From a snapshot to the loops
// ------------------------------------------------------------------------------------

/// `part`: what it is traced as a part of.
Resolution Controller::resolveSnapshot(const trace::Context& part) {
  const auto span = trace::begin(environment_.tracer, part, "resolve");
  const plan::Inventories inventories = environment_.state.inventories();
  told_.clear();
  const auto standing = [this](const std::string& instance, const api::ObjectKey& unikernel) {
    return told_[{instance, unikernel}] = standingOf(instance, unikernel);
  };
  Resolution resolution = resolver_.resolve(snapshot_, inventories, standing, uses_, outOfReach());
  addLoads(resolution);
  if (!previewing_) {
    rollouts_.apply(resolution.instances,
                    [this](const std::string& instance, const api::ObjectKey& unikernel) {
                      return environment_.commands(instance) ? std::nullopt : toldOf(instance, unikernel);
                    });
  }
  const SortedEntries entries =
      strays_.sort(inventories, resolution.instances, *snapshot_, environment_.state.volumes());
  leftovers_.note(snapshot_, pruner_.judge(resolution, *snapshot_, entries), entries);
  return resolution;
}

void Controller::addLoads(Resolution& resolution) const {
  if (volumeLoads_.empty()) return;
  for (auto& [name, desired] : resolution.instances) {
    for (auto& [key, volume] : desired->volumes) volume.load = volumeLoads_.of(key);
  }
}

/// Once all images have been read. Those that are still being written are waited for as long as a file has to
/// be left alone.
asio::awaitable<Resolution> Controller::resolveSettled() {
  const auto deadline = clock::Steady::now() + file::longestQuiet;
  for (;;) {
    Resolution resolution = resolveSnapshot();
    const bool late = clock::Steady::now() >= deadline;
    const auto awaited = [late](const auto& item) {
      const plan::DesiredUnikernel& unikernel = item.second;
      return unikernel.imageUnsettled() && (!late || unikernel.missing->error.reason != Reason::BeingWritten);
    };
    const auto awaitedVolume = [late](const auto& item) {
      const plan::DesiredVolume& volume = item.second;
      return volume.unsettled() && (!late || volume.missing->error.reason != Reason::BeingWritten);
    };
    const bool done = std::ranges::none_of(resolution.instances, [&](const auto& item) {
      return std::ranges::any_of(item.second->unikernels, awaited) ||
             std::ranges::any_of(item.second->volumes, awaitedVolume);
    });
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (done || state.cancelled() != asio::cancellation_type::none) co_return resolution;
    co_await waitForEvent(late ? clock::Timer::time_point::max() : deadline);
  }
}

void Controller::distribute() {
  auto span = trace::begin(environment_.tracer, {}, "snapshot");
  span.set("rookery.objects", static_cast<std::int64_t>(snapshot_->objects.size()));
  span.set("rookery.mistakes", static_cast<std::int64_t>(snapshot_->problems.size()));
  Resolution resolution = resolveSnapshot(span.context());
  if (auto saved = environment_.state.saveIdentities(); !saved) {
    environment_.listener.warned("", saved.error().reason, saved.error().message);
  }
  resolver_.warnOfExposedKeys(resolution);
  lookAgainIn(resolution.lookAgainIn);
  failsOver_ = resolution.failsOver;
  leftVolumes_.tell(environment_.state.volumes(), resolution.instances, environment_.listener);
  const std::set<std::string> changed = loops_.assign(std::move(resolution.instances));
  span.set("rookery.instances.changed", static_cast<std::int64_t>(changed.size()));
  publishSnapshot(environment_, *snapshot_, loops_.desired(), resolution, declared_, leftovers_);
  declared_ = std::move(resolution.declarations);
  if (environment_.puller != nullptr)
    environment_.puller->want(resolution.pulls ? wantedImages(environment_, loops_.desired())
                                               : std::set<image::Remote>{});
  loops_.wake(changed);
  leftovers_.reportAll();
  revisions_.distributed(*snapshot_, loops_.desired());
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

// -- What the loops tell
// ---------------------------------------------------------------------------------------------

void Controller::roundEnded(const RoundEnd& end) {
  noteReadiness();
  if (end.destroyed) leftovers_.forgetGone();
  const std::string& instance = end.desired->name();
  revisions_.roundEnded(instance);
  awaited_[instance] = end.awaited;
  for (const auto& [volume, load] : end.loads) volumeLoads_.end(volume, load);
  if (!end.failure) uses_[instance] = end.policies;
  rollouts_.seen(instance, end.replicas);
  const bool reached = noteReach(end);
  const bool moved = dependenciesMoved() || rollouts_.moved() || (reached && failsOver_);
  if (pruner_.moveArrived() || moved) distribute();
  event_.cancel();
}

/// How a unikernel stands there, as another process has told.
std::optional<api::Status> Controller::toldOf(const std::string& instance,
                                              const api::ObjectKey& unikernel) const {
  const auto told = snapshot_->statuses.find(unikernel);
  return told == snapshot_->statuses.end() ? std::nullopt : told->second.seenOn(instance);
}

/// True: an instance is out of reach that was not, or is not any more.
bool Controller::noteReach(const RoundEnd& end) {
  const std::string& instance = end.desired->name();
  if (!end.failure) return outOfReach_.erase(instance) > 0;
  return outOfReach_.try_emplace(instance, environment_.now()).second;
}

std::map<std::string, std::chrono::milliseconds> Controller::outOfReach() const {
  std::map<std::string, std::chrono::milliseconds> times;
  const SystemTime now = environment_.now();
  for (const auto& [instance, since] : outOfReach_)
    times.emplace(instance, std::chrono::floor<std::chrono::milliseconds>(now - since));
  return times;
}

/// As the instance's loop said last; where another process has it, as its status says.
plan::Dependency Controller::standingOf(const std::string& instance, const api::ObjectKey& unikernel) const {
  if (environment_.commands(instance)) {
    const auto known = awaited_.find(instance);
    if (known == awaited_.end()) return {};
    const auto standing = known->second.find(unikernel);
    return standing == known->second.end() ? plan::Dependency{} : standing->second;
  }
  const ObjectViewPtr view = environment_.objects.find(unikernel);
  if (view == nullptr || view->status.observedGeneration != view->identity.generation) return {};
  return {.ready = view->status.ready(),
          .settled = view->status.condition(api::Condition::Type::Stalled) != nullptr};
}

/// Whether others were told something else of what they wait for.
bool Controller::dependenciesMoved() const {
  return std::ranges::any_of(told_, [&](const auto& item) {
    return standingOf(item.first.first, item.first.second) != item.second;
  });
}

void Controller::noteReadiness() {
  const bool seen = snapshot_->synced && loops_.allSeen();
  if (seen && !environment_.objects.ready()) environment_.objects.setReady();
}

}  // namespace rookery::reconcile
