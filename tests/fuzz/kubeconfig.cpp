// Kubeconfig files.

#include "fixtures/temp_dir.h"
#include "fuzz/target.h"
#include "kubernetes/config.h"

namespace rookery::fuzz {
namespace {

const Target kubeconfig("kubeconfig", [](std::string_view input) {
  static const fixtures::TempDir folder;
  const auto config = kubernetes::kubeconfig(folder.write("config", input));
  if (!config) return check(!config.error().message.empty(), "an error says what is wrong");
  check(!config->host.empty() && !config->port.empty() && !config->nameSpace.empty(),
        "a server has an address");
  check(config->certificate.given() == config->privateKey.given(), "a certificate has a key");
  check(config->url().starts_with(config->tls ? "https://" : "http://"), "TLS is what the URL says");
});

}  // namespace
}  // namespace rookery::fuzz
