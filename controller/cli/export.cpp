#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "albatross/client/client.h"
#include "cli/export_folder.h"
#include "cli/exported_manifests.h"
#include "cli/failure.h"
#include "cli/fleet_options.h"
#include "cli/manifests.h"
#include "cli/verbs.h"
#include "image/inspector.h"
#include "reconcile/observe.h"
#include "reconcile/resolve.h"
#include "reconcile/servers.h"
#include "sentence.h"

namespace rookery::cli {

namespace fs = std::filesystem;
namespace asio = boost::asio;

namespace {

struct ExportOptions {
  std::vector<fs::path> roots;
  std::string instance;   // empty: the only one
  std::string nameSpace;  // empty: all
  fs::path out;
  std::int64_t maxImageSize = defaultMaxImageSize;  // Mi
  bool force = false;
};

/// The manifests that are there, and the instance of them that is to be exported from.
struct Given {
  source::SnapshotPtr snapshot;
  std::map<api::ObjectKey, api::ObjectPtr> objects;
  plan::DesiredPtr instance;

  /// Whether manifests say already what an object is to be; of a policy, whatever they call it.
  bool declares(const api::ObjectKey& key) const {
    if (snapshot->declared.contains(key)) return true;
    if (key.kind != api::Kind::UnikernelPolicy) return false;
    return std::ranges::any_of(snapshot->declared, [&](const api::ObjectKey& other) {
      const bool broken = !objects.contains(other);
      return broken && other.kind == key.kind && other.nameSpace == key.nameSpace;
    });
  }
};

Result<std::string> instanceNamed(const std::string& name, const source::Snapshot& snapshot) {
  const std::set<std::string> declared = source::instancesDeclared(snapshot);
  if (name.empty() && declared.size() == 1) return *declared.begin();
  if (declared.contains(name)) return name;
  const std::string there =
      declared.empty() ? "none is declared" : fmt::format("declared: {}", fmt::join(declared, ", "));
  return fail(Reason::InstanceNotFound,
              name.empty()
                  ? fmt::format("Say with --instance which AlbatrossInstance to export from; {}.", there)
                  : fmt::format("There is no AlbatrossInstance {} in the manifests; {}.", name, there));
}

/// Errors: UsageError, InstanceNotFound.
Result<Given> readGiven(const ExportOptions& options, const Console& console) {
  Given given;
  given.snapshot = readManifests(absoluteRoots(options.roots), console.in);
  for (const api::Problem& problem : given.snapshot->problems)
    say(console.err, "warning: ", problem.toString());
  const auto name = instanceNamed(options.instance, *given.snapshot);
  if (!name) return std::unexpected(name.error());
  // Nobody asks what unikernels refer to: their images need not be looked at.
  auto others = std::make_shared<source::Snapshot>(*given.snapshot);
  std::erase_if(others->objects, [](const auto& object) { return object->kind() == api::Kind::Unikernel; });
  for (const api::ObjectPtr& object : given.snapshot->objects) given.objects[object->key()] = object;

  file::Settling settling;
  reconcile::CredentialFiles credentials(settling);
  image::Inspector inspector;
  const auto resolution =
      reconcile::Resolver(credentials)
          .resolve({.snapshot = others,
                    .inventories = {},
                    .images = {.inspector = inspector},
                    .identify = [](const api::ObjectKey&, const std::string&) { return api::Identity{}; }});
  const auto found = resolution.instances.find(*name);
  if (found == resolution.instances.end())
    return fail(Reason::InstanceNotFound,
                fmt::format("The manifest of AlbatrossInstance {} has an error. Correct that first.", *name));
  given.instance = found->second;
  return given;
}

/// Errors: as Desired::credentials, Credential::load and Endpoint::parse.
Result<std::unique_ptr<albatross::Client>> clientFor(const plan::Desired& instance) {
  if (!instance.credentials) return std::unexpected(instance.credentials.error());
  const api::AlbatrossInstance& spec = instance.spec();
  std::shared_ptr<const albatross::Credential> credential;
  if (!spec.isLocal()) {
    auto loaded = albatross::Credential::load(*instance.credentials);
    if (!loaded) return std::unexpected(loaded.error());
    credential = *std::move(loaded);
  }
  auto endpoint = albatross::Endpoint::parse(spec.endpoint);
  if (!endpoint) return std::unexpected(endpoint.error());
  return albatross::makeClient({.endpoint = *std::move(endpoint),
                                .credential = std::move(credential),
                                .serverName = spec.serverName,
                                .timeouts = {spec.connectTimeout, spec.commandTimeout, spec.streamTimeout}});
}

/// Whether what failed concerns one object only, rather than all that follow.
bool concernsOne(Reason reason) {
  return reason == Reason::Refused || reason == Reason::NoPolicy || reason == Reason::DigestMismatch ||
         reason == Reason::ImageTooLarge || reason == Reason::ProtocolError || reason == Reason::Conflict;
}

/// One run of the verb.
class Export {
 public:
  Export(const ExportOptions& options, const Console& console, const Given& given, albatross::Client& client)
      : options_(options),
        console_(console),
        given_(given),
        client_(client),
        folder_(options.out, options.force) {}

  /// Error: what keeps the rest from being exported, too.
  asio::awaitable<Result<void>> run() {
    const auto observed = co_await reconcile::observe(client_, true, given_.instance->name(), listener_);
    if (!observed) co_return std::unexpected(observed.error());
    const auto manifests =
        exportManifests(*given_.instance, *observed, [&](const api::ObjectKey& key) { return wants(key); });
    for (const std::string& note : manifests.leftOut) leaveOut(note);
    for (const ExportedPolicy& policy : manifests.policies) {
      const auto written =
          writeOrLeaveOut(fs::path(policy.nameSpace) / "policy.yaml", policy.manifest, policies_);
      if (!written) co_return written;
    }
    for (const ExportedVolume& volume : manifests.volumes) {
      const auto written = writeOrLeaveOut(
          fs::path(volume.key.nameSpace) / (volume.key.name + "-volume.yaml"), volume.manifest, volumes_);
      if (!written) co_return written;
    }
    for (const ExportedUnikernel& unikernel : manifests.unikernels) {
      const auto exported = co_await add(unikernel);
      if (!exported && !concernsOne(exported.error().reason)) co_return exported;
      if (exported) ++unikernels_;
      if (!exported)
        leaveOut(fmt::format("{}: {}", unikernel.key.toString(), sentence(exported.error().message)));
    }
    co_return Result<void>{};
  }

  /// Returns the program's exit status.
  int conclude() const {
    const auto counted = [](std::size_t count, std::string_view one, std::string_view many) {
      return fmt::format("{} {}", count, count == 1 ? one : many);
    };
    const std::string& instance = given_.instance->name();
    console_.out << fmt::format(
        "From {}: {}, {}, {} and {}", instance, counted(unikernels_, "unikernel", "unikernels"),
        counted(policies_, "policy", "policies"), counted(volumes_, "volume", "volumes"),
        counted(images_.size(), "image", "images"));
    if (wasThere_ > 0)
      console_.out << "; " << counted(wasThere_, "file was there", "files were there") << " already";
    if (declared_ > 0)
      console_.out << "; " << counted(declared_, "object is declared", "objects are declared") << " already";
    if (leftOut_ > 0) console_.out << fmt::format("; {} left out", leftOut_);
    console_.out << ".\nNext: rookery plan" << asOptions(rootsOfPlan()) << '\n';
    return leftOut_ == 0 ? 0 : 1;
  }

 private:
  /// What somebody else has written there stays, and is told. Error: nothing can be written.
  Result<void> writeOrLeaveOut(const fs::path& file, const std::string& manifest, std::size_t& count) {
    const auto written = write(file, manifest);
    if (!written && written.error().reason != Reason::Conflict) return written;
    if (written) {
      ++count;
    } else {
      leaveOut(written.error().message);
    }
    return {};
  }

  bool wants(const api::ObjectKey& key) {
    if (!options_.nameSpace.empty() && key.nameSpace != options_.nameSpace) return false;
    if (!given_.declares(key)) return true;
    ++declared_;
    const auto known = given_.objects.find(key);
    if (known == given_.objects.end() || key.kind != api::Kind::Unikernel) return false;
    const auto& named = known->second->as<api::Unikernel>().instance;
    if (named && *named != given_.instance->name())
      leaveOut(fmt::format("{} is declared already, for AlbatrossInstance {}.", key.toString(), *named));
    return false;
  }

  /// Its image and Secret before itself: what a kill leaves is whole, manifest by manifest.
  asio::awaitable<Result<void>> add(const ExportedUnikernel& unikernel) {
    if (!images_.contains(unikernel.digest)) {
      const auto fetched = co_await addImage(unikernel);
      if (!fetched) co_return fetched;
      images_.insert(unikernel.digest);
    }
    if (unikernel.secret) {
      const auto written = addSecret(unikernel);
      if (!written) co_return written;
    }
    co_return write(fileOf(unikernel.key), unikernel.manifest);
  }

  Result<void> addSecret(const ExportedUnikernel& unikernel) {
    const api::ObjectKey key = argumentsKey(unikernel.key);
    const fs::path file = fs::path(key.nameSpace) / fmt::format("{}-secret.yaml", unikernel.key.name);
    const auto known = given_.objects.find(key);
    if (known != given_.objects.end() &&
        known->second->origin.file != fs::absolute(folder_.path(file)).lexically_normal())
      return fail(Reason::Conflict, fmt::format("it needs {}, which is declared already in {}",
                                                key.toString(), known->second->origin.toString()));
    const auto written = write(file, *unikernel.secret, ExportFolder::Access::Owner);
    if (!written) return written;
    say(console_.err, "warning: ",
        fmt::format("{}: what looks like a secret went into {}: {}.", unikernel.key.toString(),
                    folder_.path(file).string(), fmt::join(unikernel.hidden, ", ")));
    return {};
  }

  asio::awaitable<Result<void>> addImage(const ExportedUnikernel& unikernel) {
    const fs::path file = fs::path("images") / imageFile(unikernel.digest);
    const auto present = folder_.holdsImage(file, unikernel.digest);
    if (!present) co_return std::unexpected(present.error());
    if (*present) {
      ++wasThere_;
      co_return Result<void>{};
    }
    const auto image = co_await fetch(unikernel);
    if (!image) co_return std::unexpected(image.error());
    co_return write(file, *image);
  }

  asio::awaitable<Result<std::string>> fetch(const ExportedUnikernel& unikernel) {
    // Uncompressed: a level that is none crashes a server.
    constexpr std::int64_t level = 0;
    const std::uint64_t largest = static_cast<std::uint64_t>(options_.maxImageSize) << 20;
    auto about = co_await ask(unikernel.key);
    if (!about) co_return std::unexpected(about.error());
    about->command = albatross::UnikernelCommand(albatross::unikernel::Get{level});
    about->largestImage = largest;
    auto reply =
        co_await reconcile::send(client_, *std::move(about), "get", given_.instance->name(), listener_);
    if (reply) co_return imageIn(*std::move(reply), unikernel.digest, largest);
    Error error = std::move(reply.error().error);
    if (error.reason == Reason::ProtocolError)  // of its length, perhaps
      error.message =
          sentences({error.message, fmt::format("--max-image-size allows an image of {} bytes.", largest)});
    co_return std::unexpected(std::move(error));
  }

  /// A request about it. The server applies the policies of a request's chain, so that they are asked for
  /// anew: another's change of one must not be undone.
  asio::awaitable<Result<albatross::Request>> ask(api::ObjectKey unikernel) {
    auto observed = co_await reconcile::observe(client_, false, given_.instance->name(), listener_);
    if (!observed) co_return std::unexpected(observed.error());
    const reconcile::Server server{.client = nullptr,
                                   .desired = given_.instance,
                                   .base = std::move(observed->base),
                                   .policies = std::move(observed->policies)};
    co_return server.about(unikernel);
  }

  Result<void> write(const fs::path& file, std::string_view content,
                     ExportFolder::Access access = ExportFolder::Access::Everybody) {
    const auto outcome = folder_.write(file, content, access);
    if (!outcome) return std::unexpected(outcome.error());
    if (*outcome == ExportFolder::Outcome::WasThere) {
      ++wasThere_;
    } else {
      say(console_.out, "wrote ", folder_.path(file).string());
      console_.out.flush();
    }
    return {};
  }

  void leaveOut(const std::string& note) {
    ++leftOut_;
    say(console_.err, "left out: ", note);
  }

  /// No other unikernel's, nor that of a policy, a Secret or a volume.
  static fs::path fileOf(const api::ObjectKey& unikernel) {
    const std::string& name = unikernel.name;
    const bool taken = name == "policy" || name.ends_with("-secret") || name.ends_with("-volume") ||
                       name.ends_with(".unikernel");
    return fs::path(unikernel.nameSpace) / (name + (taken ? ".unikernel.yaml" : ".yaml"));
  }

  /// Those that were given, and the folder, unless it lies in one of them.
  std::vector<fs::path> rootsOfPlan() const {
    std::vector<fs::path> roots = options_.roots;
    const fs::path out = absoluteRoots({options_.out}).front();
    const bool within = std::ranges::any_of(absoluteRoots(roots), [&](const fs::path& root) {
      return std::ranges::mismatch(root, out).in1 == root.end();
    });
    if (!within) roots.push_back(options_.out);
    return roots;
  }

  const ExportOptions& options_;
  const Console& console_;
  const Given& given_;
  albatross::Client& client_;
  ExportFolder folder_;
  reconcile::Listener listener_;
  std::set<std::string> images_;  // digests of those that are in the folder
  std::size_t unikernels_ = 0, policies_ = 0, volumes_ = 0, wasThere_ = 0, declared_ = 0, leftOut_ = 0;
};

int exportInstance(ExportOptions options, const Console& console) {
  if (auto named = orCurrentFolder(options.roots, console.err); !named) return failed(console, named.error());
  const auto given = readGiven(options, console);
  if (!given) return failed(console, given.error());
  const auto client = clientFor(*given->instance);
  if (!client) return failed(console, client.error());
  Export run(options, console, *given, **client);
  asio::io_context context(1);
  Result<void> done;
  asio::co_spawn(context, run.run(), [&](const std::exception_ptr& failure, Result<void> result) {
    if (failure) std::rethrow_exception(failure);
    done = std::move(result);
  });
  context.run();
  if (done) return run.conclude();
  failed(console, done.error());
  say(console.err, "", "The same command goes on from here.");
  return 1;
}

}  // namespace

void addExport(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand(
      "export", "Write manifests and images of what runs on a server; changes nothing there");
  verb->footer(
      "Writes what the manifests do not declare yet, such that `plan` with DIR finds nothing to do but "
      "adoptions: DIR/NAMESPACE/NAME.yaml for each Solo5 unikernel, DIR/NAMESPACE/policy.yaml, "
      "DIR/NAMESPACE/NAME-volume.yaml for each block device (not what is on it: `rookery volume dump` saves "
      "that), and DIR/images. The manifests need to declare no more than the AlbatrossInstance. Arguments "
      "that look "
      "like "
      "secrets go into DIR/NAMESPACE/NAME-secret.yaml, which only its owner can read. Whether a server puts "
      "--name= before the arguments (addName) it does not say; the default is assumed.\n\n"
      "What was exported stays when the command is broken off, and is not fetched again. Give each instance "
      "a "
      "DIR of its own. Exit status: 0 all is exported or declared, 1 something is left out or wrong.\n\n"
      "Examples:\n"
      "  rookery export --instance eu-1 -f manifests/ --out eu-1/\n"
      "  rookery plan -f manifests/ -f eu-1/");
  const auto options = std::make_shared<ExportOptions>();
  addManifestPaths(*verb, options->roots);
  verb->add_option("--instance", options->instance,
                   "The AlbatrossInstance whose server is asked; may be left out where only one is declared");
  verb->add_option("-n,--namespace", options->nameSpace, "Only what is in this namespace");
  verb->add_option("--out", options->out, "The folder to write to; it is made where it is missing")
      ->required()
      ->type_name("DIR");
  verb->add_flag("--force", options->force, "Replace files that are there with another content");
  addMaxImageSize(*verb, options->maxImageSize);
  verb->callback([options, console, &status] { status = exportInstance(*options, console); });
}

}  // namespace rookery::cli
