#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "api/object.h"
#include "reconcile/object_store.h"
#include "reconcile/usage.h"

namespace rookery::serve {

/// The labels of what is told of one unikernel: the same for all its lives.
std::vector<prometheus::ClientMetric::Label> labelsOf(const std::string& instance,
                                                      const api::ObjectKey& unikernel);

/// What unikernels use now (rookery_unikernel_cpu_seconds_total, …): of those that run and whose servers say
/// so.
std::vector<prometheus::MetricFamily> usageFamilies(const reconcile::UsageStore& usages);

/// The lives of unikernels now (rookery_unikernel_start_time_seconds, rookery_unikernel_info): of those that
/// run.
std::vector<prometheus::MetricFamily> lifeFamilies(const reconcile::ObjectStore& objects);

}  // namespace rookery::serve
