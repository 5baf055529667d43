#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "error.h"
#include "file/settling.h"

namespace rookery::kubernetes {

/// Where a cluster's API server is, and who we are to it: what client-go calls rest.Config. Files are read
/// again when they change, as tokens and certificates in a pod rotate.
struct Config {
  std::string host;  // a name or an address, without brackets
  std::string port = "443";
  bool tls = true;
  std::string path;        // before /api and /apis; without a slash at its end
  std::string serverName;  // what the server's certificate must be for; empty: host

  /// Either text or a file that holds it; both empty: none.
  struct Material {
    std::string text;
    std::filesystem::path file;
    bool given() const { return !text.empty() || !file.empty(); }
    /// `settling` tells whether the file is still being written; null: it is read for the first time, when
    /// no other content is in use (see file::read). Errors, which name the file: CredentialInvalid (it cannot
    /// be read), BeingWritten.
    Result<std::string> read(file::Settling* settling = nullptr) const;
  };
  Material ca;  // PEM; none: the machine's own
  Material token;
  Material certificate, privateKey;   // of a client, PEM
  std::string nameSpace = "default";  // the pod's own, or the context's

  /// "https://10.96.0.1:443", for messages.
  std::string url() const;
};

/// Of the pod that this process runs in (KUBERNETES_SERVICE_HOST and the service account's files below
/// `folder`). Error (UsageError): this is no pod.
Result<Config> inClusterConfig(
    const std::filesystem::path& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

/// Of the current context of a kubeconfig file. Errors: BeingWritten; CredentialInvalid (cannot be read, is
/// malformed, or asks for what is not supported: exec and auth provider plug-ins, basic authentication, a
/// proxy, a server whose certificate is not verified); names the file and the field.
Result<Config> kubeconfig(const std::filesystem::path& file);

/// What a program without options uses: the pod, or else $KUBECONFIG, or else ~/.kube/config.
Result<Config> defaultConfig();

}  // namespace rookery::kubernetes
