#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <vector>

#include "api/object.h"
#include "reconcile/object_store.h"
#include "reconcile/usage.h"

namespace rookery::serve {

/// The labels of what is told of one unikernel: the same for all its lives.
std::vector<prometheus::ClientMetric::Label> labelsOf(const std::string& instance,
                                                      const api::ObjectKey& unikernel);

/// Takes one family after the other: those of all unikernels at once would need many times the room of what
/// they become.
using TakeFamily = std::function<void(prometheus::MetricFamily family)>;

/// What unikernels use now (rookery_unikernel_cpu_seconds_total, …): of those that run and whose servers say
/// so.
void tellUsages(const reconcile::UsageStore& usages, const TakeFamily& take);

/// The lives of unikernels now (rookery_unikernel_start_time_seconds, rookery_unikernel_info): of those that
/// run.
void tellLives(const reconcile::ObjectStore& objects, const TakeFamily& take);

}  // namespace rookery::serve
