#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"
#include "image/store.h"
#include "reconcile/listener.h"
#include "reconcile/object_store.h"
#include "reconcile/usage.h"

namespace rookery::serve {

/// What the metric rookery_build_info says of the running program.
struct BuildInfo {
  std::string version;
  std::string revision;
};

/// How the notifications for one receiver stand.
struct NotificationCount {
  std::uint64_t sent = 0, failures = 0, dropped = 0;
  std::size_t waiting = 0;
};

/// How the spans for the collector of traces stand.
struct TraceCount {
  std::uint64_t exported = 0, dropped = 0, failures = 0;
  std::size_t waiting = 0;
};

/// The metrics of /metrics, kept up to date by what happens in the reconciler and on the listener.
/// Thread-safe.
class Metrics : public reconcile::Listener, public http::Observer {
 public:
  explicit Metrics(const BuildInfo& build);
  ~Metrics() override;

  /// All metrics in Prometheus' text format (version 0.0.4), the process's own (process_…) included.
  std::string text() const;

  /// Tells, at each text(), which Leases are held, by name. Before the first text().
  void setLeases(std::function<std::map<std::string, bool>()> leases);
  /// How often every instance is looked at when nothing changes.
  void setResync(std::chrono::milliseconds resync);
  /// Tells, at each text(), how full the image store is. Before the first text().
  void setImageStore(std::function<image::ImageStore::Usage()> usage);

  /// Tells, at each text(), how the notifications stand, by receiver. Before the first text().
  void setNotifications(std::function<std::map<std::string, NotificationCount>()> notifications);

  /// Tells, at each text(), how the traces stand. Before the first text().
  void setTraces(std::function<TraceCount()> traces);

  /// What unikernels use, as it is known at each text(). Before the first text().
  void setUsages(const reconcile::UsageStore& usages);
  /// The objects, as they stand at each text(). Before the first text().
  void setObjects(const reconcile::ObjectStore& objects);

  /// Methods that are not HTTP's own (RFC 9110, section 9; PATCH) count as "other", so that clients cannot
  /// make up labels.
  void requestAnswered(std::string_view method, int status, std::chrono::nanoseconds duration) override;
  void requestsInFlightChanged(int by) override;
  void longRunningRequestsChanged(int by) override;
  void certificateLoaded(std::chrono::system_clock::time_point notAfter) override;

  void scanned(const source::Snapshot& snapshot) override;
  void roundEnded(const std::string& instance, const reconcile::Round& round) override;
  void commandEnded(const std::string& instance, const reconcile::CommandResult& result) override;
  void healthChecked(const std::string& instance, const api::ObjectKey& object, bool healthy) override;
  void rolledBack(const std::string& instance, const api::ObjectKey& object) override;
  void imagePulled(const image::Puller::Attempt& attempt) override;
  void credentialLoaded(const std::string& instance, reconcile::SystemTime notAfter) override;
  void serverCertificateSeen(const std::string& instance, reconcile::SystemTime notAfter) override;
  void readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                    const std::string& message) override;
  void warned(const std::string& instance, Reason reason, const std::string& message) override;
  void instanceForgotten(const std::string& instance) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rookery::serve
