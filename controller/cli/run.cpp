#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>

#include "api/expand.h"
#include "api/path.h"
#include "cli/failure.h"
#include "cli/fleet.h"
#include "cli/fleet_options.h"
#include "cli/kubernetes_options.h"
#include "cli/log.h"
#include "cli/standard_input.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "reconcile/confirmations.h"
#include "reconcile/events.h"
#include "serve/deploy.h"
#include "serve/metrics.h"
#include "serve/object_writer.h"
#include "serve/resource_api.h"
#include "serve/server.h"
#include "source/directory.h"
#include "source/manifest_store.h"
#include "source/merged.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

struct RunOptions {
  FleetOptions fleet;
  serve::Server::Options server;
  std::filesystem::path apiStore;  // empty: the API is read-only
  std::string resync = "30s";
  bool noPrune = false;
  LogFormat logFormat = LogFormat::Text;
  KubernetesOptions kubernetes;
};

/// Lets the controller work, and be told meanwhile what may be pruned, until the coroutine is cancelled.
asio::awaitable<void> follow(reconcile::Controller& controller, source::Source& source,
                             const reconcile::Confirmations& confirmations) {
  using asio::experimental::awaitable_operators::operator||;
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await (controller.run(source) || confirmations.serve(controller));
}

/// Follows the folders, the cluster, or both, until the coroutine is cancelled. Null: there is none.
asio::awaitable<void> follow(reconcile::Controller& controller, source::Source* folders,
                             kubernetes::Cluster* cluster, asio::any_io_executor executor,
                             const reconcile::Confirmations& confirmations) {
  if (cluster == nullptr) co_return co_await follow(controller, *folders, confirmations);
  source::Source& objects = cluster->start(controller.strand(), asio::make_strand(executor),
                                           [&controller] { controller.redistribute(); });
  if (folders == nullptr) {
    co_await follow(controller, objects, confirmations);
  } else {
    source::MergedSource both(*folders, objects);
    co_await follow(controller, both, confirmations);
  }
  co_await cluster->stop();
}

void addServerOptions(CLI::App& verb, serve::Server::Options& options) {
  verb.add_option("--listen", options.listen,
                  "Address of the HTTP listener: metrics, health, API, status page; port 0 takes a free one. "
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

/// What lets the API write.
struct Writing {
  Writing(source::ManifestStore opened, Fleet& fleet, reconcile::ObjectStore& objects,
          serve::ObjectWriter::Wake wake)
      : store(std::move(opened)),
        writer(objects, fleet.stateDir(), store, std::move(wake)),
        deployer(objects, writer, fleet.images()) {}

  source::ManifestStore store;
  serve::ObjectWriter writer;
  serve::Deployer deployer;
};

/// Whether a walk through the root comes by the store: it does not enter folders with a dot.
bool leadsTo(const std::filesystem::path& root, const std::filesystem::path& store) {
  if (!api::liesBelow(store, root)) return false;
  const std::filesystem::path below = store.lexically_relative(root);
  return below == "." || std::none_of(below.begin(), below.end(),
                                      [](const auto& part) { return part.string().starts_with('.'); });
}

/// The roots, and the store where it lies in none of them.
std::vector<std::filesystem::path> rootsWith(const std::filesystem::path& store,
                                             std::vector<std::filesystem::path> roots) {
  if (store.empty()) return roots;
  const auto leads = [&](const std::filesystem::path& root) { return leadsTo(root, store); };
  if (std::none_of(roots.begin(), roots.end(), leads)) roots.push_back(store);
  return roots;
}

/// Null where the API shall only read.
Result<std::unique_ptr<Writing>> openWriting(const std::filesystem::path& folder, Fleet& fleet,
                                             reconcile::ObjectStore& objects,
                                             serve::ObjectWriter::Wake wake) {
  if (folder.empty()) return nullptr;
  auto store = source::ManifestStore::open(folder);
  if (!store) return std::unexpected(store.error());
  return std::make_unique<Writing>(*std::move(store), fleet, objects, std::move(wake));
}

serve::ObjectWriter::Wake wakerOf(source::DirectorySource& source) {
  return [&source](const std::optional<api::ObjectKey>& removed) {
    if (removed) {
      source.removed(*removed);
    } else {
      source.wake();
    }
  };
}

serve::Server::Options serverOptions(serve::Server::Options options, Writing* writing, Log& log) {
  options.deployer = writing != nullptr ? &writing->deployer : nullptr;
  options.warn = [&log](const std::string& message) { log.warn(message); };
  options.audit = [&log](const serve::AuditRecord& record) {
    log.info("API request.", {{"user", record.user},
                              {"address", record.address},
                              {"method", record.method},
                              {"path", record.path},
                              {"code", std::to_string(record.code)}});
  };
  return options;
}

std::filesystem::path apiStoreOf(const RunOptions& options) {
  return options.apiStore.empty() ? options.apiStore : absoluteRoots({options.apiStore}).front();
}

Fleet::Options fleetOptions(const RunOptions& options, std::chrono::milliseconds resync,
                            kubernetes::Cluster* cluster) {
  Fleet::Options fleet{.stateDir = options.fleet.stateDir,
                       .resync = resync,
                       .imageRoots = absoluteRoots(options.fleet.imageRoots),
                       .imageStoreBytes = options.fleet.imageStoreBytes(),
                       .largestImage = options.fleet.largestImage(),
                       .apiStore = apiStoreOf(options),
                       .imageHosts = options.fleet.hosts(),
                       .guard = {.prune = !options.noPrune,
                                 .settle = true,
                                 .confirmed = options.fleet.confirmedSet(),
                                 .howToConfirm = [&options](const std::string& id) {
                                   return confirmAtController(options.fleet, id);
                                 }}};
  if (cluster == nullptr) return fleet;
  fleet.holds = [cluster](const std::string& instance) { return cluster->holds(instance); };
  fleet.keepState = [cluster](reconcile::State& files) -> reconcile::State& {
    return cluster->keepState(files);
  };
  return fleet;
}

int run(const RunOptions& options, const Console& console) {
  const auto resync = api::parseDuration(options.resync);
  if (!resync) return failed(console, {Reason::UsageError, "--resync: " + resync.error().message});
  Log log(options.logFormat);
  serve::Metrics metrics(buildInfo());
  reconcile::ObjectStore objects;
  reconcile::EventRecorder events(objects);
  std::vector<reconcile::Listener*> listening = {&metrics, &log, &events};
  auto cluster = openCluster(options.kubernetes, options.fleet.imageRoots, objects, events.events(),
                             [&log](const std::string& message) { log.warn(message); });
  if (!cluster) return failed(console, cluster.error());
  if (*cluster) {
    listening.push_back(cluster->get());
    metrics.setLeases([&following = **cluster] { return following.leases(); });
  }
  reconcile::Listeners listeners(listening);
  auto fleet = Fleet::open(fleetOptions(options, *resync, cluster->get()), objects, listeners);
  if (!fleet) return failed(console, fleet.error());
  // They are gone from their files, and something of them may still run.
  for (const auto& [object, identity] : (*fleet)->stateDir().deletions())
    objects.declare(object, identity, std::chrono::system_clock::now());
  const auto store = apiStoreOf(options);
  source::DirectorySource source({.roots = rootsWith(store, absoluteRoots(options.fleet.roots)),
                                  .unwatched = *resync,
                                  .alone = *cluster == nullptr,
                                  .settling = (*fleet)->settling()});
  auto writing = openWriting(store, **fleet, objects, wakerOf(source));
  if (!writing) return failed(console, writing.error());
  const serve::ResourceApi resourceApi(objects, events.events(), *writing ? &(*writing)->writer : nullptr);
  auto server =
      serve::Server::start(serverOptions(options.server, writing->get(), log), objects, resourceApi, metrics);
  if (!server) return failed(console, server.error());
  const std::string port = std::to_string((*server)->port());
  log.info("Listening for HTTP.", {{"address", options.server.listen}, {"port", port}});
  const reconcile::Confirmations confirmations(options.fleet.stateDir);
  (*fleet)->run([&](reconcile::Controller& controller) {
    const bool folders = !options.fleet.roots.empty() || !options.apiStore.empty();
    return follow(controller, folders ? &source : nullptr, cluster->get(), (*fleet)->executor(),
                  confirmations);
  });
  log.info("Stopped.");
  (*server)->stop();
  if (const auto& failure = (*fleet)->failure()) return failed(console, *failure);
  return 0;
}

}  // namespace

void addRun(CLI::App& app, Console console, int& status) {
  auto* verb =
      app.add_subcommand("run", "Keep the instances in the state that the manifests declare, until SIGTERM");
  const auto options = std::make_shared<RunOptions>();
  addFleetOptions(*verb, options->fleet, "--manifests,-f");
  addKubernetesOptions(*verb, options->kubernetes);
  addConfirmOption(*verb, options->fleet);
  addServerOptions(*verb, options->server);
  verb->add_option(
          "--api-store", options->apiStore,
          "Let the API write: each change becomes a manifest in this folder, inside or beside the manifest "
          "roots. Without it the API is read-only")
      ->type_name("DIR");
  verb->add_option(
          "--resync", options->resync,
          "How often every instance is looked at when nothing changes; also the manifests, where the "
          "kernel cannot watch their folders")
      ->capture_default_str();
  verb->add_flag("--no-prune", options->noPrune, "Never destroy what the manifests do not declare any more");
  verb->add_option("--log-format", options->logFormat, "text or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogFormat>{{"text", LogFormat::Text}, {"json", LogFormat::Json}}));
  verb->callback([options, console, &status] {
    if (options->fleet.roots.empty() && !options->kubernetes.follow)
      throw CLI::RequiredError("--manifests or --kubernetes");
    if (namesStandardInput(options->fleet.roots))
      throw CLI::ValidationError("--manifests", "run follows folders and files, not standard input (-)");
    status = run(*options, console);
  });
}

}  // namespace rookery::cli
