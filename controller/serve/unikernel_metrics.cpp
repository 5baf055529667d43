#include "serve/unikernel_metrics.h"

#include <array>
#include <chrono>
#include <functional>
#include <utility>

namespace rookery::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using reconcile::InterfaceUsage;
using reconcile::Usage;
using Label = ClientMetric::Label;

void add(MetricFamily& family, std::vector<Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

std::vector<Label> with(std::vector<Label> labels, std::string name, std::string value) {
  labels.push_back({std::move(name), std::move(value)});
  return labels;
}

/// A family and what each unikernel adds to it.
struct UsageMetric {
  const char* name;
  const char* help;
  MetricType type;
  void (*tell)(MetricFamily& family, const std::vector<Label>& labels, const Usage& usage);
};

constexpr std::array usageMetrics = {
    UsageMetric{"rookery_unikernel_cpu_seconds_total",
                "CPU time that a unikernel has used since it was started, in its tender (user) and in the "
                "kernel (system).",
                MetricType::Counter,
                [](MetricFamily& family, const std::vector<Label>& labels, const Usage& usage) {
                  add(family, with(labels, "mode", "user"), reconcile::toSeconds(usage.userTime));
                  add(family, with(labels, "mode", "system"), reconcile::toSeconds(usage.systemTime));
                }},
    UsageMetric{"rookery_unikernel_memory_resident_bytes",
                "Memory of a unikernel's process that is resident.", MetricType::Gauge,
                [](MetricFamily& family, const std::vector<Label>& labels, const Usage& usage) {
                  add(family, labels, static_cast<double>(usage.residentBytes));
                }},
    UsageMetric{"rookery_unikernel_memory_limit_bytes", "Memory that a unikernel has.", MetricType::Gauge,
                [](MetricFamily& family, const std::vector<Label>& labels, const Usage& usage) {
                  add(family, labels, static_cast<double>(usage.limitBytes));
                }},
    UsageMetric{"rookery_unikernel_page_faults_total",
                "Page faults of a unikernel's process since it was started: minor, and major, which "
                "wait for the disk.",
                MetricType::Counter,
                [](MetricFamily& family, const std::vector<Label>& labels, const Usage& usage) {
                  add(family, with(labels, "type", "minor"), static_cast<double>(usage.minorFaults));
                  add(family, with(labels, "type", "major"), static_cast<double>(usage.majorFaults));
                }},
};

/// A counter of each network interface.
struct InterfaceCounter {
  const char* name;
  const char* help;
  std::uint64_t InterfaceUsage::* count;
};

constexpr std::array interfaceCounters = {
    InterfaceCounter{"rookery_unikernel_network_receive_bytes_total",
                     "Bytes that a unikernel has received on an interface since it was started.",
                     &InterfaceUsage::receivedBytes},
    InterfaceCounter{"rookery_unikernel_network_receive_packets_total",
                     "Packets that a unikernel has received on an interface since it was started.",
                     &InterfaceUsage::receivedPackets},
    InterfaceCounter{"rookery_unikernel_network_receive_errors_total",
                     "Packets for a unikernel that failed on their way to it since it was started.",
                     &InterfaceUsage::receiveErrors},
    InterfaceCounter{"rookery_unikernel_network_receive_dropped_total",
                     "Packets for a unikernel that were dropped on their way to it since it was started.",
                     &InterfaceUsage::receiveDrops},
    InterfaceCounter{"rookery_unikernel_network_transmit_bytes_total",
                     "Bytes that a unikernel has sent on an interface since it was started.",
                     &InterfaceUsage::sentBytes},
    InterfaceCounter{"rookery_unikernel_network_transmit_packets_total",
                     "Packets that a unikernel has sent on an interface since it was started.",
                     &InterfaceUsage::sentPackets},
    InterfaceCounter{"rookery_unikernel_network_transmit_errors_total",
                     "Packets of a unikernel that failed on their way since it was started.",
                     &InterfaceUsage::sendErrors},
    InterfaceCounter{"rookery_unikernel_network_transmit_dropped_total",
                     "Packets of a unikernel that were dropped since it was started.",
                     &InterfaceUsage::sendDrops},
};

/// One family of all unikernels that are told of.
void tellFamily(const reconcile::UsageStore::All& usages, MetricFamily family, const TakeFamily& take,
                const std::function<void(MetricFamily&, const std::vector<Label>&, const Usage&)>& tell) {
  for (const auto& [key, known] : usages) tell(family, labelsOf(known.instance, key.first), known.usage);
  take(std::move(family));
}

}  // namespace

std::vector<Label> labelsOf(const std::string& instance, const api::ObjectKey& unikernel) {
  return {{"instance", instance}, {"name", unikernel.name}, {"namespace", unikernel.nameSpace}};
}

void tellUsages(const reconcile::UsageStore& usages, const TakeFamily& take) {
  const reconcile::UsageStore::All all = usages.all();
  for (const UsageMetric& metric : usageMetrics)
    tellFamily(all, {metric.name, metric.help, metric.type, {}}, take, metric.tell);
  for (const InterfaceCounter& counter : interfaceCounters) {
    tellFamily(all, {counter.name, counter.help, MetricType::Counter, {}}, take,
               [&](MetricFamily& family, const std::vector<Label>& labels, const Usage& usage) {
                 for (const InterfaceUsage& interface : usage.interfaces)
                   add(family, with(labels, "interface", interface.name),
                       static_cast<double>(interface.*counter.count));
               });
  }
}

void tellLives(const reconcile::ObjectStore& objects, const TakeFamily& take) {
  MetricFamily start{"rookery_unikernel_start_time_seconds",
                     "When a unikernel was started last, since the Unix epoch.",
                     MetricType::Gauge,
                     {}};
  MetricFamily info{"rookery_unikernel_info",
                    "Always 1; the label digest is the SHA-256 of the image that runs.",
                    MetricType::Gauge,
                    {}};
  for (const auto& view : objects.list(api::Kind::Unikernel, std::nullopt).views) {
    const api::Status& status = view->status;
    const auto tell = [&](const std::string& instance, const auto& seen) {
      if (!seen.startedAt) return;
      const auto labels = labelsOf(instance, view->object->key());
      add(start, labels, std::chrono::duration<double>(seen.startedAt->time_since_epoch()).count());
      add(info, with(labels, "digest", seen.digest.value_or("")), 1);
    };
    if (!view->ours || !status.instance) continue;
    if (status.placements.empty()) tell(*status.instance, status);
    for (const api::PlacementStatus& placement : status.placements) {
      if (view->oursOn.contains(placement.instance)) tell(placement.instance, placement);
    }
  }
  take(std::move(start));
  take(std::move(info));
}

}  // namespace rookery::serve
