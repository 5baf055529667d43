#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "api/expand.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/log.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "serve/metrics.h"
#include "serve/server.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

struct RunOptions {
  FleetOptions fleet;
  std::string listen = "127.0.0.1:8080";
  std::string resync = "30s";
  bool noPrune = false;
  LogFormat logFormat = LogFormat::Text;
};

asio::awaitable<void> follow(reconcile::Controller& controller, source::DirectorySource& source) {
  co_await controller.run(source);
}

int run(const RunOptions& options, const Console& console) {
  const auto failed = [&](const Error& error) {
    console.err << "error: " << error.message << '\n';
    return 1;
  };
  const auto resync = api::parseDuration(options.resync);
  if (!resync) return failed({Reason::UsageError, "--resync: " + resync.error().message});
  Log log(options.logFormat);
  serve::Metrics metrics(buildInfo());
  reconcile::Listeners listeners({&metrics, &log});
  Fleet::Options fleetOptions{
      options.fleet.stateDir, *resync, {!options.noPrune, true, options.fleet.confirmedSet()}};
  auto fleet = Fleet::open(fleetOptions, listeners);
  if (!fleet) return failed(fleet.error());
  auto server = serve::Server::start(options.listen, (*fleet)->statuses(), metrics);
  if (!server) return failed(server.error());
  const std::string port = std::to_string((*server)->port());
  log.info("Listening for HTTP.", {{"address", options.listen}, {"port", port}});
  source::DirectorySource source({.roots = absoluteRoots(options.fleet.roots)});
  (*fleet)->run([&](reconcile::Controller& controller) { return follow(controller, source); });
  log.info("Stopped.");
  (*server)->stop();
  return 0;
}

}  // namespace

void addRun(CLI::App& app, Console console, int& status) {
  auto* verb =
      app.add_subcommand("run", "Keep the instances in the state that the manifests declare, until SIGTERM");
  const auto options = std::make_shared<RunOptions>();
  addFleetOptions(*verb, options->fleet, "--manifests,-f");
  verb->get_option("--manifests")->required();
  addConfirmPrune(*verb, options->fleet);
  verb->add_option("--listen", options->listen,
                   "Address of the HTTP listener: metrics, health, API, status page; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--resync", options->resync, "How often every instance is looked at when nothing changes")
      ->capture_default_str();
  verb->add_flag("--no-prune", options->noPrune, "Never destroy what the manifests do not declare any more");
  verb->add_option("--log-format", options->logFormat, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogFormat>{{"text", LogFormat::Text}, {"json", LogFormat::Json}}));
  verb->callback([options, console, &status] { status = run(*options, console); });
}

}  // namespace rookery::cli
