#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "image/inspector.h"
#include "image/store.h"
#include "notify/notifier.h"
#include "reconcile/controller.h"
#include "reconcile/environment.h"
#include "reconcile/events.h"
#include "reconcile/object_store.h"
#include "simulation/folder.h"
#include "state/state_dir.h"

namespace rookery::simulation {

using api::SystemTime;

/// A context that can end as the process of a killed controller does: nothing of what is on its way is
/// finished.
class MortalContext : public boost::asio::io_context {
 public:
  void kill() { shutdown(); }
};

/// One life of the controller: all that `rookery run` puts together, but for what shows it to others.
class Process {
 public:
  struct World {
    Folder& folder;
    std::filesystem::path stateDir;
    reconcile::Listener& listener;
    std::function<SystemTime()> now, wallTime;
    std::function<std::unique_ptr<albatross::Client>(albatross::ClientOptions)> connect;
    /// As probe::Prober::probe, on the context of the process.
    std::function<void(probe::Target, std::chrono::milliseconds, probe::Prober::Done)> probe;
    notify::Notifier::Options notifications;
  };
  /// Errors: as StateDir::open and ImageStore::open.
  static Result<std::unique_ptr<Process>> start(const World& world);
  /// Kills it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  boost::asio::io_context& context() { return context_; }
  state::StateDir& state() { return *state_; }
  reconcile::ObjectStore& objects() { return objects_; }
  const reconcile::EventRecorder& events() const { return events_; }
  reconcile::Controller& controller() { return *controller_; }
  const notify::Notifier& notifier() const { return notifier_; }

 private:
  explicit Process(const World& world);
  void run();

  const World world_;
  MortalContext context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  reconcile::ObjectStore objects_;
  reconcile::EventRecorder events_;
  reconcile::UsageStore usages_;
  notify::Notifier notifier_;
  reconcile::Listeners listeners_;
  image::Inspector inspector_;
  file::Settling settling_;
  FolderSource source_;
  std::unique_ptr<state::StateDir> state_;
  std::unique_ptr<image::ImageStore> images_;
  std::unique_ptr<reconcile::Controller> controller_;
};

}  // namespace rookery::simulation
