#pragma once

#include <memory>

#include "reconcile/object_store.h"
#include "reconcile/usage.h"
#include "serve/resource.h"

namespace rookery::serve {

/// What unikernels use, by their namespaces and names: the kind UnikernelUsage, to be got and listed, shaped
/// as metrics.k8s.io's PodMetrics where it can be. Both must outlive it.
std::unique_ptr<Resource> usageResource(const reconcile::UsageStore& usages,
                                        const reconcile::ObjectStore& objects);

/// What one UnikernelUsage shows.
nlohmann::json toJson(const api::ObjectKey& unikernel, const reconcile::UsageStore::Known& known);

}  // namespace rookery::serve
