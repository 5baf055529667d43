#include "cli/kubernetes_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>

#include "api/uid.h"
#include "cli/fleet.h"

namespace rookery::cli {

namespace {

/// Of this process, and of no later one on the same machine.
std::string identity() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  // In a container the PID is the same each time.
  return fmt::format("{}-{}-{}", host.data(), ::getpid(), api::newUid().substr(0, 8));
}

}  // namespace

void addKubernetesOptions(CLI::App& verb, KubernetesOptions& options) {
  auto* follow = verb.add_flag(
      "--kubernetes", options.follow,
      "Follow the custom resources of a Kubernetes cluster, beside the manifests if there are any. Replicas "
      "elect a leader");
  verb.add_option("--kubeconfig", options.kubeconfig,
                  "The cluster and the credentials; by default the pod's own, else as kubectl finds them")
      ->type_name("FILE")
      ->needs(follow);
  verb.add_option("--namespace", options.namespaces,
                  "Follow Unikernels and UnikernelPolicies of this namespace only; repeatable")
      ->type_name("NAMESPACE")
      ->needs(follow);
  verb.add_flag("--shard", options.shard,
                "Share the instances among the replicas, each through its own Lease")
      ->needs(follow);
  verb.add_option("--lease-namespace", options.leaseNamespace,
                  "Where the Leases are; by default the pod's own namespace, or the context's")
      ->type_name("NAMESPACE")
      ->needs(follow);
}

Result<std::unique_ptr<kubernetes::Cluster>> openCluster(
    const KubernetesOptions& options, const std::vector<std::filesystem::path>& imageRoots,
    const reconcile::ObjectStore& objects, const reconcile::EventCache& events,
    std::function<void(const std::string& message)> warn,
    std::function<void(const std::string& message)> inform) {
  if (!options.follow) return nullptr;
  auto config =
      options.kubeconfig.empty() ? kubernetes::defaultConfig() : kubernetes::kubeconfig(options.kubeconfig);
  if (!config) return std::unexpected(config.error());
  kubernetes::Cluster::Options cluster;
  cluster.leases.nameSpace = options.leaseNamespace.empty() ? config->nameSpace : options.leaseNamespace;
  cluster.leases.identity = identity();
  cluster.leases.shard = options.shard;
  cluster.config = *std::move(config);
  cluster.namespaces = options.namespaces;
  if (!imageRoots.empty()) cluster.imageFolder = absoluteRoots({imageRoots.front()}).front();
  cluster.warn = std::move(warn);
  cluster.inform = std::move(inform);
  return std::make_unique<kubernetes::Cluster>(std::move(cluster), objects, events);
}

}  // namespace rookery::cli
