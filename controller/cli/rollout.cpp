#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "api/annotations.h"
#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/resource_arguments.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "sentence.h"

namespace rookery::cli {

namespace {

using api::textByPath;
using nlohmann::json;

struct RolloutOptions {
  std::string name;
  std::string nameSpace = "default";
  bool watch = false;
  ClientOptions client;
};

const ApiResource& unikernelsResource() {
  static const ApiResource resource = [] {
    auto named = ApiResource::named("unikernels");
    check(named.has_value(), "unikernels are a kind");
    return *std::move(named);
  }();
  return resource;
}

std::int64_t numberByPath(const json& object, std::string_view path) {
  const json* number = api::findByPath(object, path);
  return number != nullptr && number->is_number_integer() ? number->get<std::int64_t>() : 0;
}

/// How a unikernel's roll-out stands, as its object says.
struct Standing {
  enum class End { Open, Done, Failed };
  End end = End::Open;
  std::string summary;  // a line
};

constexpr std::array failures = {"CrashLoopBackOff", "NotConverging", "Refused", "RolledBack", "Unhealthy"};

bool isFailure(const std::string& reason) { return std::ranges::find(failures, reason) != failures.end(); }

const json* readyCondition(const json& object) {
  const json* conditions = api::findByPath(object, ".status.conditions");
  if (conditions == nullptr || !conditions->is_array()) return nullptr;
  const auto ready = std::ranges::find_if(
      *conditions, [](const json& condition) { return textByPath(condition, ".type") == "Ready"; });
  return ready == conditions->end() ? nullptr : &*ready;
}

json placementsIn(const json& object) {
  const json* placements = api::findByPath(object, ".status.placements");
  return placements != nullptr && placements->is_array() ? *placements : json::array();
}

Standing standingIn(const json& object) {
  const json* ready = readyCondition(object);
  const std::string status = ready == nullptr ? "Unknown" : textByPath(*ready, ".status");
  const std::string reason = ready == nullptr ? "" : textByPath(*ready, ".reason");
  const std::string message = ready == nullptr ? "Not looked at yet." : textByPath(*ready, ".message");
  const bool seen =
      numberByPath(object, ".status.observedGeneration") == numberByPath(object, ".metadata.generation");
  const json placements = placementsIn(object);
  const std::int64_t replicas = numberByPath(object, ".status.rollout.replicas");
  const std::int64_t updated = numberByPath(object, ".status.rollout.updated");
  Standing standing;
  const bool failed = isFailure(reason) || std::ranges::any_of(placements, [](const json& placement) {
                        return isFailure(textByPath(placement, ".reason"));
                      });
  const bool all = placements.empty() ? reason != "UpdatePending" : updated == replicas;
  if (seen && failed) standing.end = Standing::End::Failed;
  if (seen && !failed && status == "True" && all) standing.end = Standing::End::Done;
  standing.summary = placements.empty() ? message
                                        : fmt::format("{} of {} updated, {} Ready. {}", updated, replicas,
                                                      numberByPath(object, ".status.rollout.ready"), message);
  return standing;
}

std::vector<std::vector<std::string>> rowsOf(const json& object) {
  std::vector<std::vector<std::string>> rows = {{"INSTANCE", "UPDATED", "READY", "REASON", "MESSAGE"}};
  for (const json& placement : placementsIn(object)) {
    rows.push_back({textByPath(placement, ".instance"), textByPath(placement, ".updated"),
                    textByPath(placement, ".ready"), textByPath(placement, ".reason"),
                    textByPath(placement, ".message")});
  }
  return rows;
}

int exitOf(Standing::End end) { return end == Standing::End::Failed ? 1 : 0; }

Result<json> read(const ApiClient& client, const RolloutOptions& options) {
  return client.get(unikernelsResource().path(options.nameSpace, options.name));
}

/// Tells each step of it until it has ended.
int watchRollout(const ApiClient& client, const RolloutOptions& options, const Console& console) {
  std::string told;
  for (;;) {
    auto object = read(client, options);
    if (!object) return failed(console, object.error());
    std::optional<Standing::End> end;
    const auto tell = [&](const json& now) {
      const Standing standing = standingIn(now);
      if (standing.summary != told) console.out << standing.summary << '\n' << std::flush;
      told = standing.summary;
      if (standing.end != Standing::End::Open) end = standing.end;
      return !end;
    };
    if (!tell(*object)) return exitOf(*end);
    const std::string path = fmt::format("{}?watch=true&fieldSelector=metadata.name%3D{}&resourceVersion={}",
                                         unikernelsResource().path(options.nameSpace), options.name,
                                         textByPath(*object, ".metadata.resourceVersion"));
    bool gone = false;
    const auto watched = client.watch(path, [&](const json& event) {
      gone = textByPath(event, ".type") == "DELETED";
      return !gone && tell(event.value("object", json::object()));
    });
    if (!watched) return failed(console, watched.error());
    if (end) return exitOf(*end);
    if (gone) {
      return failed(console, {Reason::ReferenceNotFound,
                              fmt::format("Unikernel {}/{} was deleted.", options.nameSpace, options.name)});
    }
  }
}

/// 0: what is declared runs; 1: it does not, or it has failed.
int rolloutStatus(const RolloutOptions& options, const ApiClient& client, const Console& console) {
  if (options.watch) return watchRollout(client, options, console);
  const auto object = read(client, options);
  if (!object) return failed(console, object.error());
  const Standing standing = standingIn(*object);
  console.out << standing.summary << "\n";
  if (const std::string revision = textByPath(*object, ".status.rollout.revision"); !revision.empty()) {
    console.out << fmt::format("Revision: {}\n", revision);
    TablePrinter(console.out).print(rowsOf(*object));
  }
  return standing.end == Standing::End::Done ? 0 : 1;
}

/// Errors: as ApiClient::patch; Refused: `instead` says what can be done in its place.
Result<void> change(const ApiClient& client, const RolloutOptions& options, const json& patch,
                    const std::string& instead) {
  const std::string path = unikernelsResource().path(options.nameSpace, options.name);
  const auto patched = client.patchInSpiteOfOthers(path, patch);
  if (!patched) return std::unexpected(patched.error());
  if (patched->end == ApiClient::Changed::End::Done) return {};
  const auto source = client.getIfPresent(path + "/source");
  const std::string file = source && *source ? textByPath(**source, ".file") : "";
  const std::string line = file.empty() ? "" : textByPath(**source, ".line");
  const std::string where = file.empty()   ? "where it is declared"
                            : line.empty() ? fmt::format("in {}", file)
                                           : fmt::format("in {}:{}", file, line);
  return fail(Reason::Refused, sentences({patched->refusal, fmt::format("{}, {}.", instead, where)}));
}

json annotationPatch(std::initializer_list<std::pair<std::string_view, json>> annotations) {
  json patch;
  for (const auto& [name, value] : annotations) patch["metadata"]["annotations"][std::string(name)] = value;
  return patch;
}

int rolloutPause(const RolloutOptions& options, const ApiClient& client, const Console& console) {
  const auto done = change(client, options, annotationPatch({{api::rolloutPauseAnnotation, "true"}}),
                           fmt::format("Set the annotation {}: \"true\" on it", api::rolloutPauseAnnotation));
  if (!done) return failed(console, done.error());
  console.out << fmt::format("Unikernel {}/{} is not updated any further.\n", options.nameSpace,
                             options.name);
  return 0;
}

int rolloutResume(const RolloutOptions& options, const ApiClient& client, const Console& console) {
  const auto object = read(client, options);
  if (!object) return failed(console, object.error());
  const std::string revision = textByPath(*object, ".status.rollout.revision");
  json patch = annotationPatch({{api::rolloutPauseAnnotation, nullptr}});
  std::string instead = fmt::format("Take the annotation {} away", api::rolloutPauseAnnotation);
  if (!revision.empty()) {
    patch["metadata"]["annotations"][std::string(api::rolloutResumeAnnotation)] = revision;
    instead = fmt::format("Set the annotation {}: \"{}\" on it, without {}", api::rolloutResumeAnnotation,
                          revision, api::rolloutPauseAnnotation);
  }
  const auto done = change(client, options, patch, instead);
  if (!done) return failed(console, done.error());
  console.out << fmt::format("The roll-out of Unikernel {}/{} goes on.\n", options.nameSpace, options.name);
  return 0;
}

/// Of the image that ran before; empty: there was none, as far as is known.
std::string formerDigest(const json& object) {
  const json placements = placementsIn(object);
  for (const json& placement : placements) {  // it was put back there already
    if (textByPath(placement, ".reason") == "RolledBack") return textByPath(placement, ".digest");
  }
  for (const json& placement : placements) {  // it has not got the new one yet
    const bool waits = textByPath(placement, ".reason") == "UpdatePending";
    if (waits) return textByPath(placement, ".digest");
  }
  const json* ready = readyCondition(object);
  std::string running = textByPath(object, ".status.digest");
  if (ready != nullptr && textByPath(*ready, ".reason") == "RolledBack") return running;
  const json* history = api::findByPath(object, ".status.history");
  if (history == nullptr || !history->is_array()) return "";
  for (const json& digest : *history) {
    if (digest.is_string() && digest != running) return digest;
  }
  return "";
}

int rolloutUndo(const RolloutOptions& options, const ApiClient& client, const Console& console) {
  const auto object = read(client, options);
  if (!object) return failed(console, object.error());
  const std::string digest = formerDigest(*object);
  if (digest.empty() || digest == textByPath(*object, ".spec.image.sha256")) {
    return failed(console,
                  {Reason::UsageError,
                   fmt::format("No other image of Unikernel {}/{} is known that ran before (status.history).",
                               options.nameSpace, options.name)});
  }
  const json patch = {{"metadata", {{"annotations", {{std::string(api::rolloutPauseAnnotation), nullptr}}}}},
                      {"spec", {{"image", {{"path", nullptr}, {"url", nullptr}, {"sha256", digest}}}}}};
  const auto done = change(client, options, patch,
                           fmt::format("Set spec.image to the image of before, whose sha256 is {}", digest));
  if (!done) return failed(console, done.error());
  console.out << fmt::format("Unikernel {}/{} is to run image {} again.\n", options.nameSpace, options.name,
                             digest);
  return 0;
}

using Act = int (*)(const RolloutOptions&, const ApiClient&, const Console&);

CLI::App* addPart(CLI::App& verb, const char* name, const char* what, Act act,
                  const std::shared_ptr<RolloutOptions>& options, const Console& console, int& status) {
  auto* part = verb.add_subcommand(name, what);
  part->add_option("NAME", options->name, "The unikernel")
      ->required()
      ->transform(nameOfA(api::Kind::Unikernel));
  addNamespaceOption(*part, options->nameSpace);
  addClientOptions(*part, options->client);
  part->callback([act, options, console, &status] {
    const auto client = ApiClient::to(options->client);
    status = client ? act(*options, *client, console) : failed(console, client.error());
  });
  return part;
}

}  // namespace

void addRollout(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("rollout", "Follow, pause, resume or undo the update of a unikernel");
  verb->footer(
      "An update of a unikernel with spec.placement goes from one instance to the next, and may pause after "
      "some "
      "(spec.update). What changes an object takes an API that may write it (run --api-store); otherwise it "
      "is said "
      "what to change in which file.\n\n"
      "Examples:\n"
      "  rookery rollout status web -n shop -w     # until it has ended; exit status 1 where it failed\n"
      "  rookery rollout resume web -n shop        # after the canary\n"
      "  rookery rollout pause web -n shop\n"
      "  rookery rollout undo web -n shop          # back to the image of before");
  verb->require_subcommand(1);
  const auto part = [&](const char* name, const char* what, Act act) {
    const auto options = std::make_shared<RolloutOptions>();
    return std::pair(addPart(*verb, name, what, act, options, console, status), options);
  };
  const auto [told, options] =
      part("status", "How far it has come; exit status 0 once it is done", rolloutStatus);
  told->add_flag("-w,--watch", options->watch, "Until it is done, or has failed");
  part("pause", "Update no further instance until it is resumed", rolloutPause);
  part("resume", "Go on where it pauses", rolloutResume);
  part("undo", "Declare the image again that ran before", rolloutUndo);
}

}  // namespace rookery::cli
