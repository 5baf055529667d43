#include "serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <sstream>

#include "plan/unikernel_state.h"
#include "serve/process_metrics.h"
#include "serve/root_gauges.h"
#include "serve/unikernel_metrics.h"

namespace rookery::serve {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

/// Upper bounds in seconds: from an observation on the same machine to an image that is streamed up to its
/// deadline.
const Histogram::BucketBoundaries durationBuckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                     2.5,   5,    10,    30,   60,  300,  600};

constexpr plan::UnikernelState unikernelStates[] = {
    plan::UnikernelState::Ready, plan::UnikernelState::Progressing, plan::UnikernelState::Failed,
    plan::UnikernelState::Suspended, plan::UnikernelState::Unmanaged};

/// A family of metrics with the label `instance`, so that what belongs to an instance can be removed again.
/// Not thread-safe: an update must not meet a removal.
template <class Metric>
class PerInstance {
 public:
  explicit PerInstance(prometheus::Family<Metric>& family) : family_(family) {}

  /// The metric with these labels besides `instance`; made with `arguments` when there is none.
  template <class... Arguments>
  Metric& at(const std::string& instance, const Labels& labels = {}, const Arguments&... arguments) {
    Metric*& metric = metrics_[instance][labels];
    if (metric == nullptr) {
      Labels all = labels;
      all.emplace("instance", instance);
      metric = &family_.Add(all, arguments...);
    }
    return *metric;
  }

  template <class Predicate>
  void removeIf(const std::string& instance, const Predicate& predicate) {
    const auto found = metrics_.find(instance);
    if (found == metrics_.end()) return;
    std::erase_if(found->second, [&](const auto& entry) {
      const bool remove = predicate(entry.first);
      if (remove) family_.Remove(entry.second);
      return remove;
    });
    if (found->second.empty()) metrics_.erase(found);
  }

  void remove(const std::string& instance) {
    removeIf(instance, [](const Labels&) { return true; });
  }

 private:
  prometheus::Family<Metric>& family_;
  std::map<std::string, std::map<Labels, Metric*>> metrics_;
};

prometheus::Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<Gauge>& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Family<Histogram>& histograms(prometheus::Registry& registry, const char* name,
                                          const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

double toSeconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

double toTimestamp(reconcile::SystemTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::string resultLabel(const std::optional<Error>& error) {
  return error ? std::string(toString(error->reason)) : "success";
}

/// What a problem counts as: its object once, however many mistakes it has; the file where no object is
/// known.
std::string concernedBy(const api::Problem& problem) {
  return problem.object ? problem.object->toString() : problem.origin.file.string();
}

prometheus::MetricFamily gaugeFamily(const char* name, const char* help) {
  return {name, help, prometheus::MetricType::Gauge, {}};
}

prometheus::MetricFamily gaugeFamily(const char* name, const char* help, double value) {
  prometheus::MetricFamily family = gaugeFamily(name, help);
  family.metric.emplace_back().gauge.value = value;
  return family;
}

/// As client-go's leader_election_master_status is.
prometheus::MetricFamily leaseFamily(const std::map<std::string, bool>& leases) {
  prometheus::MetricFamily family =
      gaugeFamily("rookery_leader_election_master_status",
                  "1 while this process holds the Lease of that name, 0 while it does not.");
  for (const auto& [name, held] : leases) {
    prometheus::ClientMetric metric;
    metric.label = {{"name", name}};
    metric.gauge.value = held ? 1 : 0;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

std::vector<prometheus::MetricFamily> traceFamilies(const TraceCount& count) {
  const auto counter = [](const char* name, const char* help, std::uint64_t value) {
    prometheus::ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    return prometheus::MetricFamily{name, help, prometheus::MetricType::Counter, {std::move(metric)}};
  };
  return {
      counter("rookery_trace_spans_exported_total", "Spans that the collector of traces has taken.",
              count.exported),
      counter(
          "rookery_trace_spans_dropped_total",
          "Spans that the collector of traces will never get: the queue was full, it could not be reached "
          "for too long, or it refused them.",
          count.dropped),
      counter("rookery_trace_export_failures_total", "Requests to the collector of traces that failed.",
              count.failures),
      gaugeFamily("rookery_trace_spans_waiting",
                  "Spans that are still to be sent to the collector of traces.",
                  static_cast<double>(count.waiting))};
}

std::vector<prometheus::MetricFamily> notificationFamilies(
    const std::map<std::string, NotificationCount>& counts) {
  using prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families = {
      {"rookery_notifications_sent_total",
       "Notifications that a receiver has taken.",
       MetricType::Counter,
       {}},
      {"rookery_notification_failures_total",
       "Attempts to tell a receiver that failed.",
       MetricType::Counter,
       {}},
      {"rookery_notifications_dropped_total",
       "Notifications for a receiver that were given up.",
       MetricType::Counter,
       {}},
      gaugeFamily("rookery_notifications_waiting", "Notifications that are still to be sent to a receiver.")};
  for (const auto& [receiver, count] : counts) {
    const std::uint64_t values[] = {count.sent, count.failures, count.dropped, count.waiting};
    for (std::size_t i = 0; i < families.size(); ++i) {
      prometheus::ClientMetric metric;
      metric.label = {{"receiver", receiver}};
      metric.counter.value = metric.gauge.value = static_cast<double>(values[i]);
      families[i].metric.push_back(std::move(metric));
    }
  }
  return families;
}

}  // namespace

struct Metrics::State {
  std::mutex mutex;  // over each whole update; a scrape needs only the registry's own locks
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Throw};

  PerInstance<Counter> reconciles{
      counters(registry, "rookery_reconcile_total",
               "Rounds of looking, planning and taking all steps that are due, by how "
               "the observation ended: success or the reason why not.")};
  PerInstance<Histogram> reconcileDurations{histograms(registry, "rookery_reconcile_duration_seconds",
                                                       "Time that a round took, its steps included.")};
  PerInstance<Counter> commands{
      counters(registry, "rookery_commands_total",
               "Commands sent to Albatross servers, by how they ended: success or the reason why not.")};
  PerInstance<Histogram> commandDurations{
      histograms(registry, "rookery_command_duration_seconds",
                 "Time from connecting to the server's answer, the image's transfer included.")};
  PerInstance<Counter> imageBytes{
      counters(registry, "rookery_image_bytes_sent_total", "Bytes of unikernel images sent to servers.")};
  PerInstance<Gauge> unikernels{
      gauges(registry, "rookery_unikernels",
             "Unikernels on the instance when it was last observed, by namespace and state.")};
  PerInstance<Gauge> up{gauges(registry, "rookery_instance_up",
                               "1 when the latest observation of the instance succeeded, 0 when it failed.")};
  PerInstance<Gauge> lastObservations{gauges(registry, "rookery_instance_last_observation_timestamp_seconds",
                                             "When the instance was last observed, since the Unix epoch.")};
  PerInstance<Counter> drift{
      counters(registry, "rookery_drift_detected_total",
               "Running unikernels of ours that were found to differ from their manifests.")};
  /// By instance. There are as many as unikernels, and a prometheus::Family looks at all that it has for each
  /// that it is to remove.
  std::map<std::string, std::map<api::ObjectKey, std::int64_t>> restarts;
  std::map<std::string, std::map<api::ObjectKey, bool>> ready;
  PerInstance<Gauge> policyMemory{gauges(
      registry, "rookery_policy_memory_bytes",
      "Memory that the policy of a namespace allows (limit), and that its unikernels have (used); of the "
      "namespace \"\" the credential's own domain.")};
  PerInstance<Gauge> policyUnikernels{
      gauges(registry, "rookery_policy_unikernels",
             "Unikernels that the policy of a namespace allows (limit), and that run (used).")};
  PerInstance<Gauge> policyBlocks{gauges(
      registry, "rookery_policy_block_storage_bytes",
      "Block storage that the policy of a namespace allows (limit), and that its devices have (used).")};
  PerInstance<Gauge> withheld{
      gauges(registry, "rookery_prune_withheld_unikernels",
             "Unikernels that are not declared any more, and that the prune guard withholds from being "
             "destroyed until somebody confirms it.")};
  PerInstance<Gauge> queued{gauges(registry, "rookery_queue_depth", "Steps that are due and not taken yet.")};
  PerInstance<Gauge> certificateExpiry{
      gauges(registry, "rookery_certificate_expiry_timestamp_seconds",
             "When the instance's credential expires, since the Unix epoch.")};
  PerInstance<Gauge> serverExpiry{
      gauges(registry, "rookery_server_certificate_expiry_timestamp_seconds",
             "When the certificate expires that the instance's server has shown, since the Unix epoch.")};
  PerInstance<Counter> rollbacks{
      counters(registry, "rookery_unikernel_rollbacks_total",
               "Updates of a unikernel that failed, so that what was healthy before was put back.")};
  PerInstance<Counter> healthChecks{
      counters(registry, "rookery_health_checks_total",
               "Health checks of unikernels that have ended, by their result: success or failure.")};
  PerInstance<Counter> warnings{counters(registry, "rookery_warnings_total", "Warnings, by reason.")};

  prometheus::Family<Counter>& imagePulls =
      counters(registry, "rookery_image_pulls_total",
               "Attempts to pull an image by its URL, by how they ended: success or the reason why not.");
  Counter& pulledBytes =
      counters(registry, "rookery_image_bytes_pulled_total", "Bytes of unikernel images that came from URLs.")
          .Add({});
  Histogram& pullDuration = histograms(registry, "rookery_image_pull_duration_seconds",
                                       "Time that an attempt to pull an image by its URL took.")
                                .Add({}, durationBuckets);

  prometheus::Family<Counter>& readyChanges =
      counters(registry, "rookery_ready_changes_total",
               "Changes of objects' condition Ready, by the status and the reason that it took.");
  prometheus::Family<Gauge>& manifests =
      gauges(registry, "rookery_manifests",
             "Declared objects without a mistake (valid), and objects or whole files with one (invalid).");
  prometheus::Family<Gauge>& problems =
      gauges(registry, "rookery_manifest_problems", "Mistakes in manifests, by reason.");
  std::map<Reason, Gauge*> problemsByReason;
  Gauge& manifestFiles =
      gauges(registry, "rookery_manifest_files", "Manifest files seen by the last scan.").Add({});
  Gauge& foreignFiles =
      gauges(registry, "rookery_manifest_passed_over",
             "Files of other programs and what is ignored, below the roots, as the last scan saw them.")
          .Add({});
  Gauge& lastScan = gauges(registry, "rookery_manifest_scan_timestamp_seconds",
                           "When the manifests were last scanned, since the Unix epoch.")
                        .Add({});

  RootGauges roots{registry};

  std::function<std::map<std::string, bool>()> leases;                      // empty: there are none
  std::function<image::ImageStore::Usage()> imageStore;                     // empty: there is none
  std::function<std::map<std::string, NotificationCount>()> notifications;  // empty: nobody is told
  std::function<TraceCount()> traces;                                       // empty: nothing is traced
  const reconcile::UsageStore* usages = nullptr;                            // null: nobody tells any
  const reconcile::ObjectStore* objects = nullptr;                          // null: nobody knows them

  prometheus::Family<Counter>& requests =
      counters(registry, "rookery_http_requests_total", "HTTP requests answered, by method and status code.");
  prometheus::Family<Histogram>& requestDurations = histograms(
      registry, "rookery_http_request_duration_seconds",
      "Time until an HTTP request was answered, by method; what a watch waits for is not counted.");
  prometheus::Family<Gauge>& listenerExpiry =
      gauges(registry, "rookery_http_certificate_expiry_timestamp_seconds",
             "When the HTTP listener's own certificate expires, since the Unix epoch.");
  Gauge& requestsInFlight =
      gauges(registry, "rookery_http_requests_in_flight", "HTTP requests that are being answered.").Add({});
  Gauge& longRunningRequests = gauges(registry, "rookery_http_long_running_requests",
                                      "Watches and other HTTP requests that last, among those in flight.")
                                   .Add({});

  void countUnikernels(const std::string& instance, const reconcile::Round& round);
  void tellPolicies(const std::string& instance, const reconcile::Round& round);
  prometheus::MetricFamily restartFamily();
  prometheus::MetricFamily readyFamily();
};

prometheus::MetricFamily Metrics::State::restartFamily() {
  prometheus::MetricFamily family{
      "rookery_unikernel_restarts_total",
      "Lives that a declared unikernel began without being told to: after it had ended, say.",
      prometheus::MetricType::Counter,
      {}};
  const std::lock_guard lock(mutex);
  for (const auto& [instance, counts] : restarts) {
    for (const auto& [key, count] : counts) {
      prometheus::ClientMetric metric;
      metric.label = labelsOf(instance, key);
      metric.counter.value = static_cast<double>(count);
      family.metric.push_back(std::move(metric));
    }
  }
  return family;
}

prometheus::MetricFamily Metrics::State::readyFamily() {
  prometheus::MetricFamily family = gaugeFamily(
      "rookery_unikernel_ready",
      "1 where a declared unikernel was Ready when its instance was last observed, 0 where it was not; none "
      "for those that are suspended.");
  const std::lock_guard lock(mutex);
  for (const auto& [instance, those] : ready) {
    for (const auto& [key, isReady] : those) {
      prometheus::ClientMetric metric;
      metric.label = labelsOf(instance, key);
      metric.gauge.value = isReady ? 1 : 0;
      family.metric.push_back(std::move(metric));
    }
  }
  return family;
}

/// Every namespace shows all states, zeros included, so that an alert on one of them ends; one that holds
/// nothing any more disappears.
void Metrics::State::countUnikernels(const std::string& instance, const reconcile::Round& round) {
  std::set<std::string> namespaces;
  for (const auto& [key, count] : round.unikernels) namespaces.insert(key.first);
  unikernels.removeIf(instance,
                      [&](const Labels& labels) { return !namespaces.contains(labels.at("namespace")); });
  for (const std::string& nameSpace : namespaces) {
    for (const plan::UnikernelState state : unikernelStates) {
      const auto counted = round.unikernels.find({nameSpace, state});
      unikernels.at(instance, {{"namespace", nameSpace}, {"state", std::string(toString(state))}})
          .Set(counted == round.unikernels.end() ? 0 : static_cast<double>(counted->second));
    }
  }
}

void Metrics::State::tellPolicies(const std::string& instance, const reconcile::Round& round) {
  constexpr double mebi = 1 << 20;
  const auto gone = [&](const Labels& labels) { return !round.policies.contains(labels.at("namespace")); };
  for (PerInstance<Gauge>* family : {&policyMemory, &policyUnikernels, &policyBlocks})
    family->removeIf(instance, gone);
  for (const auto& [nameSpace, policy] : round.policies) {
    const auto set = [&](PerInstance<Gauge>& family, double limit, double used) {
      family.at(instance, {{"namespace", nameSpace}, {"kind", "limit"}}).Set(limit);
      family.at(instance, {{"namespace", nameSpace}, {"kind", "used"}}).Set(used);
    };
    const api::Use& used = policy.used;
    set(policyMemory, static_cast<double>(policy.limit.memory) * mebi,
        static_cast<double>(used.memory) * mebi);
    if (policy.limit.unikernels < api::Use::unlimited)
      set(policyUnikernels, static_cast<double>(policy.limit.unikernels),
          static_cast<double>(used.unikernels));
    if (policy.limit.block && used.blockStorage)
      set(policyBlocks, static_cast<double>(*policy.limit.block) * mebi,
          static_cast<double>(*used.blockStorage) * mebi);
  }
}

Metrics::Metrics(const BuildInfo& build) : state_(std::make_unique<State>()) {
  gauges(state_->registry, "rookery_build_info", "Always 1; the labels say what was built.")
      .Add({{"version", build.version}, {"revision", build.revision}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::setLeases(std::function<std::map<std::string, bool>()> leases) {
  state_->leases = std::move(leases);
}

std::string Metrics::text() const {
  std::ostringstream out;
  const auto tell = [&out](const std::vector<prometheus::MetricFamily>& families) {
    prometheus::TextSerializer().Serialize(out, families);
  };
  const TakeFamily tellOne = [&tell](prometheus::MetricFamily family) {
    std::vector<prometheus::MetricFamily> one;
    one.push_back(std::move(family));
    tell(one);
  };
  tell(state_->registry.Collect());
  tell(processMetrics());
  tellOne(state_->restartFamily());
  tellOne(state_->readyFamily());
  if (state_->objects != nullptr) tellLives(*state_->objects, tellOne);
  if (state_->usages != nullptr) tellUsages(*state_->usages, tellOne);
  if (state_->notifications) tell(notificationFamilies(state_->notifications()));
  if (state_->traces) tell(traceFamilies(state_->traces()));
  if (state_->leases) tellOne(leaseFamily(state_->leases()));
  if (state_->imageStore) {
    const image::ImageStore::Usage usage = state_->imageStore();
    tell({gaugeFamily("rookery_image_store_used_bytes",
                      "Bytes of all images in the state directory, those on their way included.",
                      static_cast<double>(usage.used)),
          gaugeFamily("rookery_image_store_removable_bytes",
                      "Bytes of images among them that are in nobody's use: they go where others "
                      "need room.",
                      static_cast<double>(usage.removable)),
          gaugeFamily("rookery_image_store_capacity_bytes",
                      "The most bytes that these may have (--image-store-size).",
                      static_cast<double>(usage.capacity))});
  }
  return std::move(out).str();
}

void Metrics::setNotifications(std::function<std::map<std::string, NotificationCount>()> notifications) {
  state_->notifications = std::move(notifications);
}

void Metrics::setTraces(std::function<TraceCount()> traces) { state_->traces = std::move(traces); }

void Metrics::setUsages(const reconcile::UsageStore& usages) { state_->usages = &usages; }

void Metrics::setObjects(const reconcile::ObjectStore& objects) { state_->objects = &objects; }

void Metrics::setResync(std::chrono::milliseconds resync) {
  gauges(state_->registry, "rookery_resync_seconds",
         "How often every instance is looked at when nothing changes (--resync).")
      .Add({})
      .Set(toSeconds(resync));
}

void Metrics::setImageStore(std::function<image::ImageStore::Usage()> usage) {
  state_->imageStore = std::move(usage);
}

void Metrics::requestAnswered(std::string_view method, int code, std::chrono::nanoseconds duration) {
  static constexpr std::string_view known[] = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                               "DELETE", "OPTIONS", "CONNECT", "TRACE"};
  const bool own = std::ranges::find(known, method) != std::end(known);
  const std::string label(own ? method : "other");
  state_->requests.Add({{"method", label}, {"code", std::to_string(code)}}).Increment();
  state_->requestDurations.Add({{"method", label}}, durationBuckets).Observe(toSeconds(duration));
}

void Metrics::certificateLoaded(std::chrono::system_clock::time_point notAfter) {
  state_->listenerExpiry.Add({}).Set(toTimestamp(notAfter));
}

void Metrics::requestsInFlightChanged(int by) { state_->requestsInFlight.Increment(by); }

void Metrics::longRunningRequestsChanged(int by) { state_->longRunningRequests.Increment(by); }

void Metrics::scanned(const source::Snapshot& snapshot) {
  std::set<std::string> invalid;
  std::map<Reason, std::size_t> problems;
  for (const api::Problem& problem : snapshot.problems) {
    invalid.insert(concernedBy(problem));
    ++problems[problem.reason];
  }
  const auto valid = std::ranges::count_if(snapshot.objects, [&](const api::ObjectPtr& object) {
    return invalid.empty() || !invalid.contains(object->key().toString());
  });

  const std::lock_guard lock(state_->mutex);
  state_->manifests.Add({{"state", "valid"}}).Set(static_cast<double>(valid));
  state_->manifests.Add({{"state", "invalid"}}).Set(static_cast<double>(invalid.size()));
  state_->manifestFiles.Set(static_cast<double>(snapshot.files));
  state_->lastScan.Set(toTimestamp(snapshot.scannedAt));
  state_->foreignFiles.Set(static_cast<double>(snapshot.passedOver.size()));
  state_->roots.update(snapshot);
  for (const auto& [reason, gauge] : state_->problemsByReason) gauge->Set(0);
  for (const auto& [reason, count] : problems) {
    Gauge& gauge = state_->problems.Add({{"reason", std::string(toString(reason))}});
    gauge.Set(static_cast<double>(count));
    state_->problemsByReason[reason] = &gauge;
  }
}

void Metrics::roundEnded(const std::string& instance, const reconcile::Round& round) {
  const std::lock_guard lock(state_->mutex);
  state_->reconciles.at(instance, {{"result", resultLabel(round.error)}}).Increment();
  state_->reconcileDurations.at(instance, {}, durationBuckets).Observe(toSeconds(round.duration));
  if (round.unchanged) return state_->lastObservations.at(instance).SetToCurrentTime();
  state_->drift.at(instance).Increment(static_cast<double>(round.drift));
  state_->queued.at(instance).Set(static_cast<double>(round.queued));
  state_->withheld.at(instance).Set(static_cast<double>(round.withheld));
  state_->up.at(instance).Set(round.error ? 0 : 1);
  if (round.error) return;
  state_->lastObservations.at(instance).SetToCurrentTime();
  state_->countUnikernels(instance, round);
  state_->tellPolicies(instance, round);
  if (!round.partly) {
    state_->restarts[instance] = round.restarts;
    state_->ready[instance] = round.ready;
    return;
  }
  for (const auto& [key, count] : round.restarts) {
    state_->restarts[instance][key] = count;
    state_->ready[instance].erase(key);
  }
  for (const auto& [key, ready] : round.ready) state_->ready[instance][key] = ready;
}

void Metrics::commandEnded(const std::string& instance, const reconcile::CommandResult& result) {
  const std::string verb(result.verb);
  const std::lock_guard lock(state_->mutex);
  state_->commands.at(instance, {{"verb", verb}, {"result", resultLabel(result.error)}}).Increment();
  state_->commandDurations.at(instance, {{"verb", verb}}, durationBuckets)
      .Observe(toSeconds(result.duration));
  state_->imageBytes.at(instance).Increment(static_cast<double>(result.bytes));
}

void Metrics::healthChecked(const std::string& instance, const api::ObjectKey& object, bool healthy) {
  const std::lock_guard lock(state_->mutex);
  state_->healthChecks
      .at(instance, {{"namespace", object.nameSpace}, {"result", healthy ? "success" : "failure"}})
      .Increment();
}

void Metrics::rolledBack(const std::string& instance, const api::ObjectKey& object) {
  const std::lock_guard lock(state_->mutex);
  state_->rollbacks.at(instance, {{"namespace", object.nameSpace}, {"name", object.name}}).Increment();
}

void Metrics::imagePulled(const image::Puller::Attempt& attempt) {
  const std::lock_guard lock(state_->mutex);
  state_->imagePulls.Add({{"result", resultLabel(attempt.error)}}).Increment();
  state_->pulledBytes.Increment(static_cast<double>(attempt.bytes));
  state_->pullDuration.Observe(toSeconds(attempt.duration));
}

void Metrics::credentialLoaded(const std::string& instance, reconcile::SystemTime notAfter) {
  const std::lock_guard lock(state_->mutex);
  state_->certificateExpiry.at(instance).Set(toTimestamp(notAfter));
}

void Metrics::serverCertificateSeen(const std::string& instance, reconcile::SystemTime notAfter) {
  const std::lock_guard lock(state_->mutex);
  state_->serverExpiry.at(instance).Set(toTimestamp(notAfter));
}

void Metrics::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                           const std::string& /*message*/) {
  const std::lock_guard lock(state_->mutex);
  state_->readyChanges
      .Add({{"kind", std::string(toString(object.kind))},
            {"ready", ready ? "true" : "false"},
            {"reason", std::string(toString(reason))}})
      .Increment();
}

void Metrics::warned(const std::string& instance, Reason reason, const std::string& /*message*/) {
  const std::lock_guard lock(state_->mutex);
  state_->warnings.at(instance, {{"reason", std::string(toString(reason))}}).Increment();
}

void Metrics::instanceForgotten(const std::string& instance) {
  const std::lock_guard lock(state_->mutex);
  state_->reconciles.remove(instance);
  state_->reconcileDurations.remove(instance);
  state_->commands.remove(instance);
  state_->commandDurations.remove(instance);
  state_->imageBytes.remove(instance);
  state_->unikernels.remove(instance);
  state_->up.remove(instance);
  state_->lastObservations.remove(instance);
  state_->drift.remove(instance);
  state_->restarts.erase(instance);
  state_->ready.erase(instance);
  state_->withheld.remove(instance);
  state_->policyMemory.remove(instance);
  state_->policyUnikernels.remove(instance);
  state_->policyBlocks.remove(instance);
  state_->queued.remove(instance);
  state_->certificateExpiry.remove(instance);
  state_->serverExpiry.remove(instance);
  state_->warnings.remove(instance);
  state_->healthChecks.remove(instance);
  state_->rollbacks.remove(instance);
}

}  // namespace rookery::serve
