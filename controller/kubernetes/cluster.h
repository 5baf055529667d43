#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubernetes/client.h"
#include "kubernetes/config.h"
#include "kubernetes/leases.h"
#include "reconcile/events.h"
#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "source/source.h"
#include "state/state.h"

namespace rookery::kubernetes {

/// The room's door: a cluster whose custom resources are followed, with all that the controller needs of it:
/// a source, a place for its state, the word which instances are its to command; and what is told to the
/// cluster.
class Cluster : public reconcile::Listener {
 public:
  struct Options {
    Config config;
    std::vector<std::string> namespaces;  // of Unikernels and UnikernelPolicies; empty: all
    std::filesystem::path imageFolder;    // where relative paths of images start; empty: nowhere
    Leases::Options leases;
    std::function<void(const std::string& message)> warn = [](const std::string&) {};
    std::function<void(const std::string& message)> inform = [](const std::string&) {};
  };

  /// `objects` and `events` must outlive the cluster.
  Cluster(Options options, const reconcile::ObjectStore& objects, const reconcile::EventCache& events);
  ~Cluster() override;

  /// Keeps what is of this cluster on its objects, and passes the rest on to `others`. Once; `others` must
  /// outlive the cluster.
  state::State& keepState(state::State& others);
  /// See reconcile::Environment::holds.
  bool holds(const std::string& instance) const;
  /// As Leases::holderElsewhere.
  std::optional<std::string> holderElsewhere(const std::string& instance) const {
    return leases_.holderElsewhere(instance);
  }
  /// Which Leases this process holds, by name.
  std::map<std::string, bool> leases() const { return leases_.held(); }

  /// Begins to follow the cluster, on the controller's strand; Leases are renewed on another, which nothing
  /// holds up. `redistribute` is called when what holds() says has changed.
  source::Source& start(const asio::any_io_executor& strand, const asio::any_io_executor& leaseStrand,
                        std::function<void()> redistribute);
  /// Ends that and gives the Leases back. The controller has ended all its commands before.
  asio::awaitable<void> stop();

  void scanned(const source::Snapshot& snapshot) override;
  void roundEnded(const std::string& instance, const reconcile::Round& round) override;
  void instanceForgotten(const std::string& instance) override;

 private:
  struct Tasks;

  Leases::Options leaseOptions();

  const Options options_;
  Client client_;
  Client leaseClient_;  // with a shorter timeout, and connections of its own
  std::function<void()> redistribute_;
  std::unique_ptr<Tasks> tasks_;
  Leases leases_;
};

}  // namespace rookery::kubernetes
