#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fixtures/temp_dir.h"
#include "integration/cluster.h"

namespace rookery::integration {

/// What the HTTP listener needs to let somebody write: a certificate for "localhost", and tokens.
class SecureApi {
 public:
  static constexpr auto token = "correct-horse-battery-staple";  // of ops, who may do everything
  static constexpr auto viewerToken = "viewer-token";            // of viewer, who may read in shop

  SecureApi();

  /// The options of `run` that make the API write: the folder api/ below the cluster's manifests is its
  /// store.
  std::vector<std::string> options(const Cluster& cluster) const;
  std::filesystem::path caFile() const { return files_.path() / "ca.pem"; }
  /// A kubeconfig file with this token.
  std::filesystem::path kubeconfig(const Cluster& cluster, const std::string& with = token) const;

 private:
  fixtures::TempDir files_;
};

}  // namespace rookery::integration
