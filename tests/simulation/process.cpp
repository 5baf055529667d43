#include "simulation/process.h"

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "clock/clock.h"
#include "reconcile/image_use.h"

namespace rookery::simulation {

namespace asio = boost::asio;

namespace {

/// Files on the real disk have the times of the real clock, and are whole as they are.
file::Settling::Clocks clocksFarAhead() {
  return {.wall = [] { return std::chrono::system_clock::now() + std::chrono::hours(24); },
          .steady = clock::Steady::now};
}

}  // namespace

Process::Process(const World& world)
    : world_(world),
      work_(asio::make_work_guard(context_)),
      events_(objects_, world_.now),
      notifier_(objects_, world_.notifications),
      listeners_({&world_.listener, &events_, &notifier_}),
      settling_(clocksFarAhead()),
      source_(world_.folder, world_.now) {}

Result<std::unique_ptr<Process>> Process::start(const World& world) {
  std::unique_ptr<Process> process(new Process(world));
  auto state = state::StateDir::open(world.stateDir, process->context_.get_executor());
  if (!state) return std::unexpected(state.error());
  process->state_ = *std::move(state);
  process->notifier_.start(
      process->state_->notes(),
      [&state = *process->state_](const std::string& key, const std::optional<std::string>& value,
                                  std::function<void()> written) {
        state.note(key, value, std::move(written));
      },
      process->context_.get_executor());
  const auto inUse = [&process = *process] {
    return reconcile::imagesInUse(process.objects_, *process.state_);
  };
  auto images = image::ImageStore::open(world.stateDir / "images", {.inUse = inUse});
  if (!images) return std::unexpected(images.error());
  process->images_ = *std::move(images);
  process->run();
  return process;
}

void Process::run() {
  reconcile::Environment environment{.state = *state_, .objects = objects_, .listener = listeners_};
  environment.now = world_.now;
  environment.wallTime = world_.wallTime;
  environment.connect = world_.connect;
  environment.settling = &settling_;
  environment.imageRoots = {images_->folder()};
  environment.keptImages = images_.get();
  environment.usages = &usages_;
  environment.probe = world_.probe;
  controller_ = std::make_unique<reconcile::Controller>(context_.get_executor(), std::move(environment),
                                                        inspector_, reconcile::GuardOptions{});
  asio::co_spawn(controller_->strand(), controller_->run(source_), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

Process::~Process() {
  context_.kill();
  controller_.reset();
  notifier_.stop();
  state_.reset();
}

}  // namespace rookery::simulation
