#include "cli/controller_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdlib>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "api/path.h"
#include "cli/running_controller.h"
#include "cli/version.h"
#include "reconcile/key_file.h"
#include "serve/deploy.h"
#include "serve/object_writer.h"
#include "source/manifest_store.h"
#include "source/merged.h"
#include "source/names.h"

namespace rookery::cli {

namespace asio = boost::asio;

namespace {

/// The roots, and the store where it lies in none of them.
std::vector<std::filesystem::path> rootsWith(const std::filesystem::path& store,
                                             std::vector<std::filesystem::path> roots) {
  if (store.empty()) return roots;
  const auto leads = [&](const std::filesystem::path& root) { return source::leadsTo(root, store); };
  if (std::none_of(roots.begin(), roots.end(), leads)) roots.push_back(store);
  return roots;
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

serve::Server::Options serverOptions(serve::Server::Options options, serve::Deployer* deployer, Log& log) {
  options.deployer = deployer;
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
  fleet.keepState = [cluster](state::State& files) -> state::State& { return cluster->keepState(files); };
  return fleet;
}

/// One that is mistyped would be waited for for ever; one that goes away later is waited for.
Result<void> checkRoot(const std::filesystem::path& root) {
  std::error_code error;
  if (std::filesystem::exists(root, error) || (error && error != std::errc::no_such_file_or_directory))
    return {};
  return fail(Reason::UsageError,
              fmt::format("--manifests: {} is not there. Make it, empty as well, or correct its name.",
                          root.string()));
}

}  // namespace

/// What lets the API write.
struct ControllerManager::Writing {
  Writing(source::ManifestStore opened, Fleet& fleet, reconcile::ObjectStore& objects,
          serve::ObjectWriter::Wake wake)
      : store(std::move(opened)),
        writer(objects, fleet.stateDir(), store, std::move(wake)),
        deployer(objects, writer, fleet.images(),
                 [&fleet](const std::string& instance, const api::ObjectPtr& unikernel) {
                   return fleet.cannotRun(instance, unikernel);
                 }) {}

  source::ManifestStore store;
  serve::ObjectWriter writer;
  serve::Deployer deployer;
};

ControllerManager::ControllerManager(const RunOptions& options, std::chrono::milliseconds resync)
    : options_(options),
      resync_(resync),
      log_(options.logFormat),
      metrics_(buildInfo()),
      events_(objects_),
      confirmations_(options.fleet.stateDir) {
  metrics_.setResync(resync_);
  metrics_.setUsages(usages_);
  metrics_.setObjects(objects_);
}

ControllerManager::~ControllerManager() {
  if (notifier_) notifier_->stop();  // it writes down what it does, into the fleet's state
}

Result<void> ControllerManager::open() {
  tellStart();
  if (auto opened = openCluster(); !opened) return opened;
  if (auto opened = openNotifier(); !opened) return opened;
  openTracing();
  if (auto opened = openFleet(); !opened) return opened;
  if (auto opened = openFolders(); !opened) return opened;
  return startServer();
}

/// What one who reads the log has to know of the one who started it: also what is off.
void ControllerManager::tellStart() {
  const serve::BuildInfo build = buildInfo();
  Log::Fields fields = {
      {"version", build.version},
      {"revision", build.revision},
      {"stateDir", options_.fleet.stateDir.string()},
      {"resync", options_.resync},
      {"prune", options_.noPrune ? "off" : "on"},
      {"tls", options_.server.tls.certificate.empty() ? "off" : "on"},
      {"writers", options_.server.tokenFile.empty() ? "nobody" : options_.server.tokenFile.string()},
      {"apiStore", options_.apiStore.empty() ? "none: the API is read-only" : apiStoreOf(options_).string()}};
  std::vector<std::string> roots;
  for (const auto& root : absoluteRoots(options_.fleet.roots)) roots.push_back(root.string());
  if (!options_.notifications.empty()) fields["notifications"] = options_.notifications.string();
  if (!roots.empty()) fields["manifests"] = fmt::format("{}", fmt::join(roots, " "));
  if (options_.kubernetes.follow) fields["kubernetes"] = "followed";
  log_.info("Rookery starts.", fields);
}

Result<void> ControllerManager::openCluster() {
  auto cluster = cli::openCluster(
      options_.kubernetes, options_.fleet.imageRoots, objects_, events_.events(),
      [this](const std::string& message) { log_.warn(message); },
      [this](const std::string& message) { log_.info(message); });
  if (!cluster) return std::unexpected(cluster.error());
  cluster_ = *std::move(cluster);
  if (cluster_) metrics_.setLeases([this] { return cluster_->leases(); });
  return {};
}

Result<void> ControllerManager::openNotifier() {
  const std::filesystem::path& file = options_.notifications;
  if (file.empty()) return {};
  auto settings = notify::readSettings(file);
  if (!settings) return std::unexpected(settings.error());
  for (const std::filesystem::path& secret : settings->files | std::views::drop(1)) {
    if (const auto exposed = reconcile::exposureOf(secret, "secret of notifications")) log_.warn(*exposed);
  }
  notifier_.emplace(objects_, notify::Notifier::Options{
                                  .file = file,
                                  .settings = *std::move(settings),
                                  .send =
                                      [this](const notify::Receiver& receiver, notify::Request request,
                                             notify::Transfers::Done done) {
                                        transfers_.send(receiver, std::move(request), std::move(done));
                                      },
                                  .warn = [this](const std::string& message) { log_.warn(message); },
                                  .inform = [this](const std::string& message) { log_.info(message); }});
  metrics_.setNotifications([this] {
    std::map<std::string, serve::NotificationCount> counts;
    for (const auto& [receiver, count] : notifier_->counts())
      counts[receiver] = {count.sent, count.failed, count.dropped, count.waiting};
    return counts;
  });
  return {};
}

/// Off, unless OpenTelemetry's variables say otherwise; no mistake in them keeps from the work.
void ControllerManager::openTracing() {
  const trace::Environment read = trace::readEnvironment([](const char* name) { return std::getenv(name); });
  for (const std::string& warning : read.warnings) log_.warn(warning);
  if (!read.settings) return;
  traces_.emplace(
      trace::Exporter::Options{.settings = *read.settings,
                               .version = buildInfo().version,
                               .warn = [this](const std::string& message) { log_.warn(message); },
                               .inform = [this](const std::string& message) { log_.info(message); }});
  tracer_.emplace(read.settings->sampler, [this](trace::SpanData span) { traces_->add(std::move(span)); });
  metrics_.setTraces([this] {
    const trace::Exporter::Counts counts = traces_->counts();
    return serve::TraceCount{counts.exported, counts.dropped, counts.failures, counts.waiting};
  });
  log_.info("Traces are sent to a collector.", {{"url", read.settings->shownUrl()}});
}

Result<void> ControllerManager::openFleet() {
  std::vector<reconcile::Listener*> listening = {&metrics_, &log_, &events_};
  if (cluster_) listening.push_back(cluster_.get());
  if (notifier_) listening.push_back(&*notifier_);
  listeners_.emplace(std::move(listening));
  Fleet::Options fleetOptions = cli::fleetOptions(options_, resync_, cluster_.get());
  fleetOptions.usages = &usages_;
  fleetOptions.plans = &plans_;
  if (tracer_) fleetOptions.tracer = &*tracer_;
  auto fleet = Fleet::open(fleetOptions, objects_, *listeners_);
  if (!fleet) return std::unexpected(fleet.error());
  fleet_ = *std::move(fleet);
  metrics_.setImageStore([this] { return fleet_->images().usage(); });
  if (notifier_) {
    notifier_->start(
        fleet_->stateDir().notes(),
        [this](const std::string& key, const std::optional<std::string>& value,
               std::function<void()> written) { fleet_->stateDir().note(key, value, std::move(written)); });
  }
  // They are gone from their files, and something of them may still run.
  for (const auto& [object, identity] : fleet_->stateDir().deletions())
    objects_.declare(object, identity, std::chrono::system_clock::now());
  return {};
}

Result<void> ControllerManager::openFolders() {
  for (const auto& root : absoluteRoots(options_.fleet.roots)) {
    if (auto there = checkRoot(root); !there) return there;
  }
  const auto store = apiStoreOf(options_);
  auto roots = rootsWith(store, absoluteRoots(options_.fleet.roots));
  if (roots.empty()) return {};
  const auto documents = std::make_shared<api::DocumentCache>();
  folders_.emplace(source::DirectoryOptions{.roots = std::move(roots),
                                            .unwatched = resync_,
                                            .alone = cluster_ == nullptr,
                                            .settling = fleet_->settling(),
                                            .documents = documents});
  if (store.empty()) return {};
  auto opened = source::ManifestStore::open(store, documents);
  if (!opened) return std::unexpected(opened.error());
  writing_ = std::make_unique<Writing>(*std::move(opened), *fleet_, objects_, wakerOf(*folders_));
  return {};
}

Result<void> ControllerManager::startServer() {
  resourceApi_.emplace(objects_, events_.events(), writing_ ? &writing_->writer : nullptr,
                       serve::Streams{.consoles = &fleet_->consoles(),
                                      .usages = &usages_,
                                      .dumps = &fleet_->dumps(),
                                      .loads = &fleet_->loads(),
                                      .images = &fleet_->images(),
                                      .plans = &plans_,
                                      .holderElsewhere = [this](const std::string& instance) {
                                        return cluster_ ? cluster_->holderElsewhere(instance) : std::nullopt;
                                      }});
  auto server =
      serve::Server::start(serverOptions(options_.server, writing_ ? &writing_->deployer : nullptr, log_),
                           objects_, *resourceApi_, metrics_);
  if (!server) return std::unexpected(server.error());
  server_ = *std::move(server);
  log_.info("Listening for HTTP.", {{"address", options_.server.listen}, {"port", std::to_string(port())}});
  announceSelf();
  return {};
}

/// For an `apply` beside it, which then leaves the work to this process.
void ControllerManager::announceSelf() {
  const std::string& listen = options_.server.listen;
  const std::string host = listen.substr(0, listen.rfind(':'));
  const bool anywhere = host.empty() || host == "0.0.0.0" || host == "[::]";
  const RunningController self{
      .pid = ::getpid(),
      .url = fmt::format("{}://{}:{}", options_.server.tls.certificate.empty() ? "http" : "https",
                         anywhere ? "localhost" : host, port()),
      .manifests = absoluteRoots(options_.fleet.roots),
      .prunes = !options_.noPrune};
  if (auto said = announce(options_.fleet.stateDir, self); !said) log_.warn(said.error().message);
}

Result<void> ControllerManager::run() {
  fleet_->run([this](reconcile::Controller& controller) { return follow(controller); },
              [this] {
                log_.info("SIGHUP: the manifests are read again, and all instances are looked at.");
                if (folders_) folders_->wake();
              });
  log_.info("Stopped.");
  server_->stop();
  if (notifier_) notifier_->stop();
  if (traces_) traces_->stop();
  withdraw(options_.fleet.stateDir);
  expectNoMoreUse();
  if (const auto& failure = fleet_->failure()) return std::unexpected(*failure);
  return {};
}

/// Follows the folders, the cluster, or both, until the coroutine is cancelled.
asio::awaitable<void> ControllerManager::follow(reconcile::Controller& controller) {
  if (cluster_ == nullptr) co_return co_await follow(controller, *folders_);
  source::Source& objects = cluster_->start(controller.strand(), asio::make_strand(fleet_->executor()),
                                            [&controller] { controller.redistribute(); });
  if (folders_) {
    source::MergedSource both(*folders_, objects);
    co_await follow(controller, both);
  } else {
    co_await follow(controller, objects);
  }
  co_await cluster_->stop();
}

/// Lets the controller work, and be told meanwhile what may be pruned, until the coroutine is cancelled.
asio::awaitable<void> ControllerManager::follow(reconcile::Controller& controller, source::Source& source) {
  using asio::experimental::awaitable_operators::operator||;
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await (controller.run(source) || confirmations_.serve(controller));
}

}  // namespace rookery::cli
