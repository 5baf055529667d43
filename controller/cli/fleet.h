#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "file/settling.h"
#include "image/image.h"
#include "image/inspector.h"
#include "image/lookout.h"
#include "image/pull/hosts.h"
#include "image/pull/puller.h"
#include "image/store.h"
#include "probe/prober.h"
#include "reconcile/controller.h"
#include "reconcile/object_store.h"
#include "state/other_states.h"
#include "state/state_dir.h"

namespace rookery::cli {

/// What the verbs run, apply and plan have in common: a controller with its state, and threads to run it on.
class Fleet {
 public:
  struct Options {
    std::filesystem::path stateDir = state::StateDir::defaultPath();
    std::chrono::milliseconds resync{30'000};
    std::vector<std::filesystem::path> imageRoots = {};  // absolute
    std::uint64_t imageStoreBytes = std::uint64_t{20} << 30;
    std::uint64_t largestImage = image::defaultLargestImage;
    std::filesystem::path apiStore = {};          // absolute; empty: the API does not write
    std::optional<image::Hosts> imageHosts = {};  // see Puller::Options::hosts
    reconcile::GuardOptions guard = {};
    /// For who only looks: nothing in the state directory is changed, and nothing is kept from who has it.
    bool readOnly = false;
    std::function<bool(const std::string& instance, const plan::Step&)> permit =
        {};                                                       // see Environment::permit
    std::function<bool(const std::string& instance)> holds = {};  // see Environment::holds
    reconcile::UsageStore* usages = nullptr;                      // see Environment::usages
    reconcile::InstancePlans* plans = nullptr;                    // see Environment::plans
    const trace::Tracer* tracer = nullptr;                        // see Environment::tracer
    /// The state that the controller uses, made of that in stateDir; empty: just that.
    std::function<state::State&(state::State& files)> keepState = {};
  };

  /// Errors: as StateDir::open, or StateDir::read, and ImageStore::open. `objects` and `listener` must
  /// outlive the fleet.
  static Result<std::unique_ptr<Fleet>> open(const Options& options, reconcile::ObjectStore& objects,
                                             reconcile::Listener& listener);

  /// Runs `work` on the controller's strand until it ends; SIGTERM and SIGINT cancel it. Returns true when a
  /// signal did. With SIGHUP, who runs it wants everything looked at now: `hungUp` is called on the strand;
  /// empty: the signal does what it does by default.
  bool run(const std::function<boost::asio::awaitable<void>(reconcile::Controller&)>& work,
           const std::function<void()>& hungUp = {});

  /// Why run() ended by itself, if it did: StateDirLost.
  const std::optional<Error>& failure() const { return failure_; }

  /// As Controller::cannotRun.
  std::optional<Error> cannotRun(const std::string& instance, const api::ObjectPtr& unikernel);

  state::StateDir& stateDir() { return *stateDir_; }
  /// What the controller remembers, wherever that is kept.
  const state::State& state() const { return state_; }
  /// What unikernels print.
  reconcile::Consoles& consoles() { return controller_.consoles(); }
  reconcile::VolumeDumps& dumps() { return controller_.dumps(); }
  reconcile::VolumeLoads& loads() { return controller_.loads(); }
  boost::asio::any_io_executor executor() { return context_.get_executor(); }
  /// Tells which files are still being written; who sees one being closed tells it.
  const std::shared_ptr<file::Settling>& settling() const { return settling_; }
  /// Images that came through the API, where manifests may name them, and those that were pulled.
  image::ImageStore& images() { return *images_; }

 private:
  Fleet(std::unique_ptr<state::StateDir> stateDir, state::State& state,
        std::unique_ptr<image::ImageStore> images, const Options& options, reconcile::ObjectStore& objects,
        reconcile::Listener& listener);

  void loseState(const Error& error);

  std::unique_ptr<state::StateDir> stateDir_;
  const state::OtherStates others_;
  state::State& state_;
  std::shared_ptr<file::Settling> settling_ = std::make_shared<file::Settling>();
  std::shared_ptr<image::Inspector> inspector_;
  std::unique_ptr<image::ImageStore> images_;
  image::Puller puller_;
  image::Lookout lookout_;
  probe::Prober prober_;
  boost::asio::io_context context_;
  reconcile::Controller controller_;
  std::function<void()> stop_;  // ends what run() runs; both on the controller's strand
  std::optional<Error> failure_;
};

/// The roots as they are remembered: absolute, symlinks kept. Standard input ("-") stays what it is.
std::vector<std::filesystem::path> absoluteRoots(const std::vector<std::filesystem::path>& roots);

}  // namespace rookery::cli
