#include "cli/fleet.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>

#include "cli/manifests.h"
#include "reconcile/image_use.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

/// Where images may lie: in the store, too, as former versions named the images there by their paths.
std::vector<std::filesystem::path> withFolder(std::vector<std::filesystem::path> roots,
                                              const std::filesystem::path& folder) {
  roots.push_back(folder);
  return roots;
}

/// Enough that a slow disk under one instance's image does not hold up another's.
unsigned threadCount() { return std::clamp(std::thread::hardware_concurrency(), 2u, 8u); }

/// That an image was pulled, or not: an attempt is told when it has ended.
void tracePull(const trace::Tracer* tracer, const image::Puller::Attempt& attempt) {
  trace::Span span = trace::begin(tracer, {}, "pull", trace::SpanKind::Client);
  if (!span) return;
  span.beganBefore(attempt.duration);
  span.set("rookery.image.name", attempt.remote.name());
  span.set("rookery.image.sha256", attempt.remote.sha256);
  span.set("rookery.image.bytes", static_cast<std::int64_t>(attempt.bytes));
  if (attempt.error) span.fail(toString(attempt.error->reason), attempt.error->message);
}

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::open(const Options& options, reconcile::ObjectStore& objects,
                                           reconcile::Listener& listener) {
  auto state =
      options.readOnly ? state::StateDir::read(options.stateDir) : state::StateDir::open(options.stateDir);
  if (!state) return std::unexpected(state.error());
  for (const std::string& warning : (*state)->warnings())
    listener.warned("", Reason::StateUnwritable, warning);
  state::State& kept = options.keepState ? options.keepState(**state) : **state;
  auto images =
      image::ImageStore::open(std::filesystem::absolute(options.stateDir) / "images",
                              {.capacity = options.imageStoreBytes,
                               .largestImage = options.largestImage,
                               .inUse = [&objects, &kept] { return reconcile::imagesInUse(objects, kept); },
                               .readOnly = options.readOnly});
  if (!images) return std::unexpected(images.error());
  return std::unique_ptr<Fleet>(
      new Fleet(*std::move(state), kept, *std::move(images), options, objects, listener));
}

Fleet::Fleet(std::unique_ptr<state::StateDir> stateDir, state::State& state,
             std::unique_ptr<image::ImageStore> images, const Options& options,
             reconcile::ObjectStore& objects, reconcile::Listener& listener)
    : stateDir_(std::move(stateDir)),
      others_(options.stateDir),
      state_(state),
      inspector_(
          std::make_shared<image::Inspector>(image::Inspector::Options{.largest = options.largestImage})),
      images_(std::move(images)),
      puller_(*images_, *inspector_,
              {.changed = [this] { controller_.redistribute(); },
               .ended =
                   [&listener, tracer = options.tracer](const image::Puller::Attempt& attempt) {
                     tracePull(tracer, attempt);
                     listener.imagePulled(attempt);
                   },
               .hosts = options.imageHosts}),
      lookout_(inspector_, settling_, {.changed = [this] { controller_.redistribute(); }}),
      controller_(
          context_.get_executor(),
          reconcile::Environment{
              .state = state_,
              .objects = objects,
              .listener = listener,
              .resync = options.resync,
              .permit = options.permit,
              .imageRoots = withFolder(options.imageRoots, images_->folder()),
              .imageStore = images_.get(),
              .keptImages = options.readOnly ? nullptr : images_.get(),
              .lookout = &lookout_,
              .settling = settling_.get(),
              .apiStore = options.apiStore,
              .puller = &puller_,
              .holds = options.holds,
              .usages = options.usages,
              .plans = options.plans,
              .probe =
                  [this](probe::Target target, std::chrono::milliseconds patience, probe::Prober::Done done) {
                    prober_.probe(std::move(target), patience, std::move(done));
                  },
              .ownedElsewhere = [this](const std::string& serverKey) { return others_.ownedOn(serverKey); },
              .stateLost = [this](const Error& error) { loseState(error); },
              .tracer = options.tracer},
          *inspector_, options.guard) {}

std::optional<Error> Fleet::cannotRun(const std::string& instance, const api::ObjectPtr& unikernel) {
  constexpr std::chrono::seconds patience{2};  // beside a large snapshot that is being resolved
  return controller_.cannotRun(instance, unikernel, patience);
}

void Fleet::loseState(const Error& error) {
  asio::post(controller_.strand(), [this, error] {
    failure_ = error;
    if (stop_) stop_();
  });
}

bool Fleet::run(const std::function<asio::awaitable<void>(reconcile::Controller&)>& work,
                const std::function<void()>& hungUp) {
  asio::cancellation_signal cancel;
  const auto strand = controller_.strand();
  asio::signal_set signals(strand, SIGTERM, SIGINT);
  bool signalled = false;
  signals.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    signalled = true;
    cancel.emit(asio::cancellation_type::terminal);
  });
  asio::signal_set hangUps(strand);
  if (hungUp) hangUps.add(SIGHUP);
  const std::function<void()> awaitHangUp = [&] {
    hangUps.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      controller_.lookNow();
      hungUp();
      awaitHangUp();
    });
  };
  if (hungUp) awaitHangUp();
  stop_ = [&cancel] { cancel.emit(asio::cancellation_type::terminal); };
  asio::co_spawn(strand, work(controller_),
                 asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& failure) {
                   signals.cancel();
                   hangUps.cancel();
                   stop_ = nullptr;
                   if (failure) std::rethrow_exception(failure);
                 }));
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < threadCount(); ++i) threads.emplace_back([&] { context_.run(); });
  context_.run();
  threads.clear();
  puller_.stop();
  lookout_.stop();
  prober_.stop();
  context_.restart();
  return signalled;
}

std::vector<std::filesystem::path> absoluteRoots(const std::vector<std::filesystem::path>& roots) {
  std::vector<std::filesystem::path> absolute;
  for (const auto& root : roots) {
    if (root == standardInput) {
      absolute.push_back(root);
      continue;
    }
    auto path = std::filesystem::absolute(root).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();  // "manifests/" and "manifests" are one root
    absolute.push_back(std::move(path));
  }
  return absolute;
}

}  // namespace rookery::cli
