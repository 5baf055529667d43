#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/free_memory.h"
#include "cli/kubernetes_options.h"
#include "cli/log.h"
#include "notify/notifier.h"
#include "notify/transfers.h"
#include "reconcile/confirmations.h"
#include "reconcile/events.h"
#include "serve/metrics.h"
#include "serve/resource_api.h"
#include "serve/server.h"
#include "source/directory.h"
#include "trace/exporter.h"
#include "trace/tracer.h"

namespace rookery::cli {

/// Options of `run`, as they stand on the command line.
struct RunOptions {
  FleetOptions fleet;
  serve::Server::Options server;
  std::filesystem::path apiStore;       // empty: the API is read-only
  std::filesystem::path notifications;  // empty: nobody is told
  std::string resync = "30s";
  bool noPrune = false;
  LogFormat logFormat = LogFormat::Text;
  KubernetesOptions kubernetes;
};

/// All that `run` consists of, and who knows whom: the members stand in the order in which they are made, and
/// each knows only such as stand above it.
class ControllerManager {
 public:
  /// `options` must outlive it.
  ControllerManager(const RunOptions& options, std::chrono::milliseconds resync);
  ~ControllerManager();
  ControllerManager(const ControllerManager&) = delete;
  ControllerManager& operator=(const ControllerManager&) = delete;

  /// Makes what may fail; from then on HTTP is answered. Once. Errors: as cli::openCluster, Fleet::open,
  /// ManifestStore::open and serve::Server::start; UsageError, where a manifest root is not there.
  Result<void> open();
  /// Where HTTP is answered, once open() has succeeded.
  std::uint16_t port() const { return server_->port(); }

  /// Keeps the instances in the state that is declared, until SIGTERM or SIGINT; once open() has succeeded.
  /// Errors: as Fleet::failure.
  Result<void> run();

 private:
  struct Writing;

  Result<void> openCluster();
  Result<void> openNotifier();
  void openTracing();
  Result<void> openFleet();
  Result<void> openFolders();
  Result<void> startServer();
  void tellStart();
  void announceSelf();
  boost::asio::awaitable<void> follow(reconcile::Controller& controller);
  boost::asio::awaitable<void> follow(reconcile::Controller& controller, source::Source& source);

  const RunOptions& options_;
  const std::chrono::milliseconds resync_;
  Log log_;
  serve::Metrics metrics_;
  reconcile::ObjectStore objects_;
  reconcile::UsageStore usages_;
  reconcile::InstancePlans plans_;
  reconcile::EventRecorder events_;                 // knows the objects
  std::unique_ptr<kubernetes::Cluster> cluster_;    // objects, events, log; null: none is followed
  std::optional<notify::Notifier> notifier_;        // objects, log, transfers; none: nobody is told
  notify::Transfers transfers_;                     // notifier
  std::optional<reconcile::Listeners> listeners_;   // metrics, log, events, cluster, notifier
  std::optional<trace::Exporter> traces_;           // log; none: nothing is traced
  std::optional<trace::Tracer> tracer_;             // traces
  std::unique_ptr<Fleet> fleet_;                    // the controller; objects, listeners, cluster
  std::optional<source::DirectorySource> folders_;  // what else it follows; none: only the cluster
  std::unique_ptr<Writing> writing_;                // fleet, objects, folders; null: the API is read-only
  std::optional<serve::ResourceApi> resourceApi_;   // objects, events, writing
  std::unique_ptr<serve::Server> server_;           // objects, API, metrics, log
  const reconcile::Confirmations confirmations_;
  const std::jthread trimmer_{trimFreeMemory};
};

}  // namespace rookery::cli
