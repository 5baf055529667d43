#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/fleet_options.h"
#include "cli/manifests.h"
#include "cli/offline_check.h"
#include "cli/verbs.h"
#include "image/image.h"
#include "image/inspector.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

struct ValidateOptions {
  std::vector<std::filesystem::path> paths;
  std::vector<std::filesystem::path> imageRoots;
  std::int64_t maxImageSize = defaultMaxImageSize;  // Mi
  std::string output = "text";
  bool strict = false;
  bool verbose = false;
};

std::string count(std::size_t number, const char* singular) {
  return fmt::format("{} {}{}", number, singular, number == 1 ? "" : "s");
}

nlohmann::json toJson(const std::vector<api::Problem>& problems) {
  nlohmann::json list = nlohmann::json::array();
  for (const api::Problem& problem : problems) {
    nlohmann::json item = {{"file", problem.origin.file.string()}, {"line", problem.origin.line},
                           {"column", problem.origin.column},      {"field", problem.field},
                           {"reason", toString(problem.reason)},   {"message", problem.message}};
    if (problem.object) item["object"] = problem.object->toString();
    list.push_back(std::move(item));
  }
  return list;
}

nlohmann::json toJson(const std::vector<source::PassedOver>& passedOver) {
  nlohmann::json list = nlohmann::json::array();
  for (const source::PassedOver& each : passedOver)
    list.push_back({{"path", each.path.string()}, {"why", each.why}});
  return list;
}

void printJson(const source::Snapshot& snapshot, const Findings& findings, std::ostream& out) {
  const nlohmann::json document = {{"objects", snapshot.objects.size()},
                                   {"files", snapshot.files},
                                   {"passedOver", toJson(snapshot.passedOver)},
                                   {"errors", toJson(findings.errors)},
                                   {"warnings", toJson(findings.warnings)}};
  out << yaml::dump(document, 2) << '\n';
}

void printText(const source::Snapshot& snapshot, const Findings& findings, const Console& console) {
  for (const api::Problem& warning : findings.warnings) say(console.err, "warning: ", warning.toString());
  for (const api::Problem& error : findings.errors) say(console.err, "", error.toString());
  if (findings.errors.empty()) {
    console.out << fmt::format("{} in {} {} valid\n", count(snapshot.objects.size(), "object"),
                               count(snapshot.files, "file"), snapshot.objects.size() == 1 ? "is" : "are");
  } else {
    console.err << fmt::format("{} in {}\n", count(findings.errors.size(), "error"),
                               count(snapshot.files, "file"));
  }
}

int validate(ValidateOptions options, const Console& console) {
  if (auto named = orCurrentFolder(options.paths, console.err); !named) return failed(console, named.error());
  const source::SnapshotPtr snapshot = readManifests(absoluteRoots(options.paths), console.in);
  image::Inspector inspector({.largest = static_cast<std::uint64_t>(options.maxImageSize) << 20});
  Findings findings =
      checkOffline(*snapshot, inspector, absoluteRoots(options.imageRoots), std::chrono::system_clock::now());
  if (options.strict) makeErrors(findings);
  if (options.output == "json") {
    printJson(*snapshot, findings, console.out);
  } else {
    if (options.verbose) {
      for (const source::PassedOver& each : snapshot->passedOver)
        say(console.err, "", fmt::format("{}: passed over: {}", each.path.string(), each.why));
    }
    printText(*snapshot, findings, console);
  }
  return findings.errors.empty() ? 0 : 1;
}

}  // namespace

void addValidate(CLI::App& app, Console console, int& status) {
  auto* verb =
      app.add_subcommand("validate", "Check manifests, and the images and credentials that they name");
  verb->footer(
      "Checks the schema, the references between objects, and that each image is there, is the one that is "
      "pinned and\n"
      "was built for the devices that its Unikernel gives it; also that credentials are usable. Needs no "
      "server. Every\n"
      "mistake is told as file:line:column: field: message on standard error. Of what -f - reads, relative "
      "paths "
      "start at\n"
      "the current folder.\n\n"
      "Examples:\n"
      "  rookery validate -f manifests/\n"
      "  rookery validate -f shop.yaml -f db.yaml -o json\n"
      "  rookery validate -f manifests/ --strict\n"
      "  kustomize build overlays/eu | rookery validate -f -\n"
      "  rookery validate -f api/ --image-root /var/lib/rookery/images");
  const auto options = std::make_shared<ValidateOptions>();
  addManifestPaths(*verb, options->paths);
  addImageRoots(*verb, options->imageRoots);
  addMaxImageSize(*verb, options->maxImageSize);
  verb->add_option("-o,--output", options->output, "text or json")
      ->check(oneOf({"text", "json"}))
      ->capture_default_str();
  verb->add_flag("--strict", options->strict, "Take warnings for errors");
  verb->add_flag("-v,--verbose", options->verbose,
                 "Also list what is passed over: files of other programs, what a .rookeryignore names");
  verb->callback([options, console, &status] { status = validate(*options, console); });
}

}  // namespace rookery::cli
