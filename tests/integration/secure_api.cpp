#include "integration/secure_api.h"

#include <fmt/format.h>

#include "fixtures/pki.h"
#include "images/sha256.h"

namespace rookery::integration {

namespace fs = std::filesystem;

SecureApi::SecureApi() {
  const fixtures::Identity ca = fixtures::makeIdentity({});
  const fixtures::Identity server = fixtures::makeIdentity(
      {.commonName = "rookery", .keyType = fixtures::KeyType::P256, .ca = false, .dnsName = "localhost"},
      &ca);
  files_.write("ca.pem", ca.certificate);
  files_.write("server.pem", server.certificate);
  files_.write("server.key", server.privateKey);
  files_.write("tokens.yaml",
               fmt::format("tokens:\n- {{name: ops, sha256: {}, verbs: ['*'], namespaces: ['*']}}\n"
                           "- {{name: viewer, sha256: {}, verbs: [get, list, watch], namespaces: [shop]}}\n",
                           images::sha256Of(token), images::sha256Of(viewerToken)));
  for (const char* file : {"server.key", "tokens.yaml"})
    fs::permissions(files_.path() / file, fs::perms::owner_read | fs::perms::owner_write);
}

std::vector<std::string> SecureApi::options(const Cluster& cluster) const {
  const auto file = [&](const char* name) { return (files_.path() / name).string(); };
  return {"--resync",         "1s",
          "--api-store",      (cluster.manifests() / "api").string(),
          "--tls-cert",       file("server.pem"),
          "--tls-key",        file("server.key"),
          "--api-token-file", file("tokens.yaml")};
}

fs::path SecureApi::kubeconfig(const Cluster& cluster, const std::string& with) const {
  return files_.write("config", fmt::format(R"(apiVersion: v1
kind: Config
current-context: rookery
clusters: [{{name: rookery, cluster: {{server: "https://localhost:{}", certificate-authority: {}}}}}]
users: [{{name: ops, user: {{token: {}}}}}]
contexts: [{{name: rookery, context: {{cluster: rookery, user: ops}}}}]
)",
                                            cluster.port(), caFile().string(), with));
}

}  // namespace rookery::integration
