#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace rookery::serve {

/// What Prometheus' client libraries say of every process (process_cpu_seconds_total,
/// process_resident_memory_bytes, …), read from /proc/self now. What cannot be read is left out.
std::vector<prometheus::MetricFamily> processMetrics();

}  // namespace rookery::serve
