#include "cli/client_options.h"

#include <CLI/CLI.hpp>

namespace rookery::cli {

ClientOptions clientFromEnvironment() {
  CLI::App app;
  ClientOptions options;
  addClientOptions(app, options);
  app.parse(std::vector<std::string>{});
  return options;
}

CLI::Option* addNamespaceOption(CLI::App& verb, std::string& nameSpace) {
  return verb.add_option("-n,--namespace", nameSpace, "The namespace")
      ->envname("ROOKERY_NAMESPACE")
      ->capture_default_str();
}

CLI::Option* addClientOptions(CLI::App& verb, ClientOptions& options) {
  auto* server =
      verb.add_option("--server", options.server, "Where the controller listens: http://… or https://…")
          ->envname("ROOKERY_SERVER")
          ->capture_default_str();
  verb.add_option("--token-file", options.tokenFile,
                  "A file with the bearer token to send; sent over https only")
      ->envname("ROOKERY_TOKEN_FILE")
      ->type_name("FILE");
  verb.add_option(
          "--certificate-authority", options.certificateAuthority,
          "A PEM file with the CA certificates that the server's must chain to, instead of the system's")
      ->envname("ROOKERY_CERTIFICATE_AUTHORITY")
      ->type_name("FILE");
  return server;
}

}  // namespace rookery::cli
