#include <CLI/CLI.hpp>
#include <memory>

#include "api/expand.h"
#include "cli/choice.h"
#include "cli/controller_manager.h"
#include "cli/failure.h"
#include "cli/manifests.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

void addServerOptions(CLI::App& verb, serve::Server::Options& options) {
  verb.add_option("--listen", options.listen,
                  "Address of the HTTP listener: metrics, health, API, the page; port 0 takes a free one. "
                  "Without TLS a loopback address")
      ->capture_default_str();
  verb.add_option("--tls-cert", options.tls.certificate,
                  "Serve HTTPS with this certificate: PEM, with its chain; read again when it changes")
      ->type_name("FILE");
  verb.add_option("--tls-key", options.tls.key, "Its private key: PEM")->type_name("FILE");
  verb.add_option(
          "--tls-client-ca", options.tls.clientCA,
          "Accept certificates of clients that this CA signed: PEM. They may read; more is granted in "
          "--api-token-file")
      ->type_name("FILE");
  verb.add_option(
          "--api-token-file", options.tokenFile,
          "YAML that says which bearer tokens and client certificates may do what with which resources, "
          "where and until when; without it nobody may write")
      ->type_name("FILE");
}

int run(const RunOptions& options, const Console& console) {
  const auto resync = api::parseDuration(options.resync);
  if (!resync) return failed(console, {Reason::UsageError, "--resync: " + resync.error().message});
  ControllerManager manager(options, *resync);
  if (auto opened = manager.open(); !opened) return failed(console, opened.error());
  if (auto ended = manager.run(); !ended) return failed(console, ended.error());
  return 0;
}

}  // namespace

void addRun(CLI::App& app, Console console, int& status) {
  auto* verb =
      app.add_subcommand("run", "Keep the instances in the state that the manifests declare, until SIGTERM");
  verb->footer(
      "What it does is told on standard error, and at --listen: /metrics, /healthz, /readyz and the API.\n\n"
      "Examples:\n"
      "  rookery run --manifests /etc/rookery/manifests\n"
      "  rookery run --manifests manifests/ --api-store manifests/api --listen 0.0.0.0:8443 --tls-cert "
      "cert.pem "
      "--tls-key key.pem --api-token-file tokens.yaml\n"
      "  rookery run --kubernetes");
  const auto options = std::make_shared<RunOptions>();
  verb->add_option("--manifests,-f,--filename,PATH", options->fleet.roots,
                   "A folder of manifests, or one manifest file; repeatable")
      ->type_name("PATH");
  addFleetOptions(*verb, options->fleet);
  addKubernetesOptions(*verb, options->kubernetes);
  addConfirmOption(*verb, options->fleet);
  addServerOptions(*verb, options->server);
  verb->add_option(
          "--api-store", options->apiStore,
          "Let the API write: each change becomes a manifest in this folder, inside or beside the manifest "
          "roots. Without it the API is read-only")
      ->type_name("DIR");
  verb->add_option("--notifications", options->notifications,
                   "YAML that says whom to tell of what goes wrong, and how: webhooks, chats, e-mail, commit "
                   "statuses; "
                   "read again when it changes")
      ->type_name("FILE");
  verb->add_option(
          "--resync", options->resync,
          "How often every instance is looked at when nothing changes; also the manifests, where the "
          "kernel cannot watch their folders")
      ->capture_default_str();
  verb->add_flag("--no-prune", options->noPrune, "Never destroy what the manifests do not declare any more");
  verb->add_option_function<std::string>(
          "--log-format",
          [options](const std::string& format) {
            options->logFormat = format == "json" ? LogFormat::Json : LogFormat::Text;
          },
          "text or json")
      ->check(oneOf({"text", "json"}))
      ->envname("ROOKERY_LOG_FORMAT")
      ->default_str("text");
  verb->callback([options, console, &status] {
    if (options->fleet.roots.empty() && !options->kubernetes.follow)
      throw CLI::ValidationError("run",
                                 "name what is to be followed: a folder of manifests, or --kubernetes");
    if (namesStandardInput(options->fleet.roots))
      throw CLI::ValidationError("--manifests", "run follows folders and files, not standard input (-)");
    status = run(*options, console);
  });
}

}  // namespace rookery::cli
