#include "cli/fleet.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

/// Where images may lie: those that came through the API, too.
std::vector<std::filesystem::path> imageRoots(const Fleet::Options& options,
                                              const std::filesystem::path& imageFolder) {
  std::vector<std::filesystem::path> roots = options.imageRoots;
  roots.push_back(imageFolder);
  return roots;
}

/// Enough that a slow disk under one instance's image does not hold up another's.
unsigned threadCount() { return std::clamp(std::thread::hardware_concurrency(), 2u, 8u); }

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::open(const Options& options, reconcile::ObjectStore& objects,
                                           reconcile::Listener& listener) {
  auto state = reconcile::StateDir::open(options.stateDir);
  if (!state) return std::unexpected(state.error());
  for (const std::string& warning : (*state)->warnings())
    listener.warned("", Reason::StateUnwritable, warning);
  return std::unique_ptr<Fleet>(new Fleet(std::move(*state), options, objects, listener));
}

Fleet::Fleet(std::unique_ptr<reconcile::StateDir> state, const Options& options,
             reconcile::ObjectStore& objects, reconcile::Listener& listener)
    : stateDir_(std::move(state)),
      state_(options.keepState ? options.keepState(*stateDir_) : *stateDir_),
      imageFolder_(std::filesystem::absolute(options.stateDir) / "images"),
      controller_(context_.get_executor(),
                  reconcile::Environment{.state = state_,
                                         .objects = objects,
                                         .listener = listener,
                                         .resync = options.resync,
                                         .permit = options.permit,
                                         .imageRoots = imageRoots(options, imageFolder_),
                                         .holds = options.holds},
                  inspector_, options.guard) {}

bool Fleet::run(const std::function<asio::awaitable<void>(reconcile::Controller&)>& work) {
  asio::cancellation_signal cancel;
  const auto strand = controller_.strand();
  asio::signal_set signals(strand, SIGTERM, SIGINT);
  bool signalled = false;
  signals.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    signalled = true;
    cancel.emit(asio::cancellation_type::terminal);
  });
  asio::co_spawn(strand, work(controller_),
                 asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& failure) {
                   signals.cancel();
                   if (failure) std::rethrow_exception(failure);
                 }));
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < threadCount(); ++i) threads.emplace_back([&] { context_.run(); });
  context_.run();
  threads.clear();
  context_.restart();
  return signalled;
}

std::vector<std::filesystem::path> absoluteRoots(const std::vector<std::filesystem::path>& roots) {
  std::vector<std::filesystem::path> absolute;
  for (const auto& root : roots) {
    auto path = std::filesystem::absolute(root).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();  // "manifests/" and "manifests" are one root
    absolute.push_back(std::move(path));
  }
  return absolute;
}

}  // namespace rookery::cli
