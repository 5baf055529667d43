#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubernetes/cluster.h"

namespace CLI {
class App;
}

namespace rookery::cli {

/// Options of `run` about a Kubernetes cluster, as they stand on the command line.
struct KubernetesOptions {
  bool follow = false;
  std::filesystem::path kubeconfig;  // empty: the pod's own, or kubectl's
  std::vector<std::string> namespaces;
  bool shard = false;
  std::string leaseNamespace;  // empty: the pod's own, or the context's
};

void addKubernetesOptions(CLI::App& verb, KubernetesOptions& options);

/// The cluster that the options name; null where none is to be followed. Errors: as kubernetes::kubeconfig.
/// `objects` and `events` must outlive it.
Result<std::unique_ptr<kubernetes::Cluster>> openCluster(
    const KubernetesOptions& options, const std::vector<std::filesystem::path>& imageRoots,
    const reconcile::ObjectStore& objects, const reconcile::EventCache& events,
    std::function<void(const std::string& message)> warn,
    std::function<void(const std::string& message)> inform);

}  // namespace rookery::cli
