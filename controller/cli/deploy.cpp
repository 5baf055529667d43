#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "api/expand.h"
#include "api/json_path.h"
#include "api/manifest.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/multipart.h"
#include "cli/progress.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"
#include "image/inspector.h"
#include "plan/image_check.h"
#include "text.h"
#include "yaml/writer.h"
#include "yaml/yaml.h"

namespace rookery::cli {

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct DeployOptions {
  std::string name;
  std::filesystem::path image;
  std::string instance;
  std::string nameSpace = "default";
  std::filesystem::path config;
  bool force = false;
  std::string wait;  // a duration; empty: not at all
  ClientOptions client;

  api::ObjectKey object() const { return {api::Kind::Unikernel, nameSpace, name}; }
  /// What the upload is to, for people.
  const std::string& whereTo() const { return instance.empty() ? client.server : instance; }
};

/// The spec in a YAML or JSON file.
Result<json> readSpec(const std::filesystem::path& file) {
  const auto invalid = [&](const std::string& what) {
    return fail(Reason::InvalidManifest, fmt::format("{}: {}", file.string(), what));
  };
  const auto text = api::readText(file);
  if (!text) return fail(text.error().reason, fmt::format("{}: {}", file.string(), text.error().message));
  auto documents = yaml::parse(*text, yaml::notationOf(file));
  if (!documents) {
    const yaml::Problem& problem = documents.error();
    return invalid(fmt::format("{}:{}: {}", problem.place.line, problem.place.column, problem.message));
  }
  if (documents->size() != 1 || !documents->front().value.is_object()) {
    return invalid("this is to be one mapping: the spec of a Unikernel, without the image");
  }
  if (!documents->front().duplicates.empty()) {
    const yaml::Problem& problem = documents->front().duplicates.front();
    return invalid(fmt::format("{}:{}: {}: {}", problem.place.line, problem.place.column, problem.field,
                               problem.message));
  }
  return std::move(documents->front().value);
}

/// All that a form says of the deployment; which image is meant, too.
MultipartForm::Fields fieldsOf(const DeployOptions& options, const std::optional<json>& config,
                               const image::Image& image) {
  MultipartForm::Fields fields;
  if (!options.instance.empty()) fields.emplace_back("instance", options.instance);
  fields.emplace_back("namespace", options.nameSpace);
  fields.emplace_back("name", options.name);
  if (config) fields.emplace_back("config", config->dump());
  if (options.force) fields.emplace_back("force_create", "true");
  fields.emplace_back("sha256", image::toHex(image.digest));
  fields.emplace_back("size", std::to_string(image.size));
  return fields;
}

/// Shows how much of a form has been sent.
class ShownUpload : public BodySource {
 public:
  ShownUpload(MultipartForm& form, const DeployOptions& options, Progress& progress)
      : form_(form), options_(options), progress_(progress) {}

  std::string contentType() const override { return form_.contentType(); }
  std::uint64_t size() const override { return form_.size(); }
  std::uint64_t headSize() const override { return form_.headSize(); }

  Result<std::string_view> read(std::uint64_t offset) override {
    auto piece = form_.read(offset);
    if (!piece) return piece;
    // What is handed over now is as good as sent.
    const std::uint64_t sent = offset + piece->size();
    progress_.imageSent(options_.whereTo(), options_.object(), sent, size());
    if (sent == size()) {
      progress_.imageSentWhole(options_.whereTo(), options_.object(), sent, Clock::now() - start_);
    }
    return piece;
  }

 private:
  MultipartForm& form_;
  const DeployOptions& options_;
  Progress& progress_;
  const Clock::time_point start_ = Clock::now();
};

/// What a spec has in a field; null: nothing.
const json* fieldOf(const json& spec, const std::string& field) {
  return spec.contains(field) ? &spec.at(field) : nullptr;
}

/// The same, short enough for a line.
std::string shown(const json* value) {
  constexpr std::size_t longest = 200;
  if (value == nullptr) return "unset";
  return shorten(yaml::dump(*value), longest);
}

/// Says what becomes of the spec of a unikernel that exists.
void tellChanges(const json& before, const json& after, const DeployOptions& options, std::ostream& out) {
  say(out, "", fmt::format("{} is there already. What changes:", options.object().toString()));
  say(out, "  ", fmt::format("image: {} → {}", shown(fieldOf(before, "image")), options.image.string()));
  json fields = before;
  fields.update(after);
  fields.erase("image");
  for (const auto& [field, value] : fields.items()) {
    const json *was = fieldOf(before, field), *is = fieldOf(after, field);
    const bool same = was != nullptr && is != nullptr && *was == *is;
    if (!same) say(out, "  ", fmt::format("{}: {} → {}", field, shown(was), shown(is)));
  }
}

/// Shows what is about to be replaced, if anything is. `after`: the spec that it will have.
Result<void> showChanges(const ApiClient& client, const json& after, const DeployOptions& options,
                         std::ostream& out) {
  const auto unikernels = ApiResource::named("unikernels");
  check(unikernels.has_value(), "unikernels are a kind");
  const auto object = client.getIfPresent(unikernels->path(options.nameSpace, options.name));
  if (!object && object.error().reason == Reason::Refused) {  // who may deploy need not be allowed to read
    say(out, "What changes cannot be shown beforehand: ", object.error().message);
    return {};
  }
  if (!object) return std::unexpected(object.error());
  const json* before = *object ? api::findByPath(**object, ".spec") : nullptr;
  if (before != nullptr && before->is_object()) tellChanges(*before, after, options, out);
  return {};
}

/// The image is one that a server can run with the devices that the spec gives.
Result<void> checkFits(const json& spec, const image::Image& image, const DeployOptions& options) {
  const api::Manifest parsed = api::readDocument({{"apiVersion", api::groupVersion},
                                                  {"kind", "Unikernel"},
                                                  {"metadata", {{"name", options.name}}},
                                                  {"spec", spec}},
                                                 {});
  if (parsed.objects.size() != 1) return {};  // another version's: the controller looks at the image, too
  auto unikernel = parsed.objects.front()->as<api::Unikernel>();
  unikernel.image.path = options.image;
  return plan::checkFit(unikernel, image);
}

/// Everything but the image goes first: what speaks against it is known before that is sent.
Result<void> rehearse(const ApiClient& client, const MultipartForm::Fields& fields, const image::Image& image,
                      const DeployOptions& options, std::ostream& out) {
  MultipartForm form(fields);
  const auto answer = client.post("/deploy?dryRun=All", form, std::chrono::seconds(0));
  if (!answer) return std::unexpected(answer.error());
  const json* spec = api::findByPath(*answer, ".spec");
  if (spec == nullptr || !spec->is_object()) {
    return fail(Reason::ProtocolError,
                fmt::format("What answers at {} does not say what the deployment would come to.",
                            options.client.server));
  }
  if (auto fits = checkFits(*spec, image, options); !fits) return fits;
  return options.force ? showChanges(client, *spec, options, out) : Result<void>();
}

/// What is deployed: open, whole, and looked at.
struct LocalImage {
  image::File file;
  image::Image image;
};

Result<LocalImage> openImage(const std::filesystem::path& path) {
  auto file = image::File::open(path);
  if (!file) return std::unexpected(file.error());
  file::Settling settling;
  if (const auto writing = file->beingWritten(settling); writing && writing->open) {
    return fail(Reason::BeingWritten, fmt::format("{} is being written: {}. Deploy it once it is whole.",
                                                  file->name(), writing->why()));
  }
  image::Inspector inspector;
  auto image = inspector.inspect(path);
  if (!image) return std::unexpected(image.error());
  return LocalImage{*std::move(file), *std::move(image)};
}

Result<json> upload(const DeployOptions& options, const Console& console) {
  std::string path = "/deploy";
  std::chrono::seconds patience{0};
  if (!options.wait.empty()) {
    const auto wait = api::parseDuration(options.wait);
    if (!wait) return fail(Reason::UsageError, "--wait: " + wait.error().message);
    patience = std::chrono::ceil<std::chrono::seconds>(*wait);
    path += "?wait=" + percentEncode(options.wait);
  }
  const auto client = ApiClient::to(options.client);
  if (!client) return std::unexpected(client.error());
  std::optional<json> config;
  if (!options.config.empty()) {
    auto spec = readSpec(options.config);
    if (!spec) return std::unexpected(spec.error());
    config = *std::move(spec);
  }
  const auto local = openImage(options.image);
  if (!local) return std::unexpected(local.error());
  const auto fields = fieldsOf(options, config, local->image);
  if (auto may = rehearse(*client, fields, local->image, options, console.err); !may)
    return std::unexpected(may.error());
  MultipartForm form(fields, "binary", options.image.filename().string(), local->file);
  Progress progress(console.err, console.errTerminal);
  ShownUpload shown(form, options, progress);
  auto answer = client->post(path, shown, patience);
  progress.finish();
  return answer;
}

/// The controller answers with the object once it is Ready, else with what it has taken.
int report(const DeployOptions& options, const Console& console, const json& answer) {
  const std::string object = options.object().toString();
  if (api::textByPath(answer, ".kind") == "Unikernel") {
    console.out << object << ": Ready\n";
    return 0;
  }
  const std::string follow =
      fmt::format("`rookery get uk {} -n {} -w` shows how it gets on", options.name, options.nameSpace);
  if (options.wait.empty()) {
    console.out << fmt::format("{} is accepted with the image {}; {}.\n", object,
                               api::textByPath(answer, ".sha256"), follow);
    return 0;
  }
  console.err << fmt::format("error: {} is accepted, but not Ready after {}; {}.\n", object, options.wait,
                             follow);
  return 1;
}

int deploy(const DeployOptions& options, const Console& console) {
  const auto answer = upload(options, console);
  return answer ? report(options, console, *answer) : failed(console, answer.error());
}

}  // namespace

void addDeploy(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("deploy", "Send an image to a running controller, and have it run");
  verb->footer(
      "The controller keeps the image and a Unikernel NAME that uses it. What the image needs besides "
      "(memory, network interfaces, arguments) stands in CONFIG, the spec of that Unikernel without its "
      "image. Of a Unikernel that exists, --force changes what is given here and nothing else: without -f "
      "its image, and with -f the whole spec.\n\n"
      "Before the image is sent, the rest is judged (who may deploy there, the spec, the devices of the "
      "image, "
      "the policy on the server), and it is shown what changes.\n\n"
      "Examples:\n"
      "  rookery deploy web dist/web.hvt --instance eu-1 -n shop -f web-spec.yaml\n"
      "  rookery deploy web dist/web.hvt -n shop --force --wait 60s   # another image for what runs; until "
      "it is Ready\n"
      "  rookery deploy web dist/web.hvt --server https://rookery.example:8443 --token-file token");
  const auto options = std::make_shared<DeployOptions>();
  verb->add_option("NAME", options->name, "The name of the unikernel")
      ->required()
      ->transform(nameOfA(api::Kind::Unikernel));
  verb->add_option("IMAGE", options->image, "The image file")->required()->type_name("PATH");
  verb->add_option("--instance", options->instance, "Where it is to run; not needed where there is only one");
  addNamespaceOption(*verb, options->nameSpace);
  verb->add_option("-f,--config,--spec", options->config,
                   "A YAML file with the whole spec of the Unikernel, but its image")
      ->type_name("CONFIG");
  verb->add_flag("--force", options->force,
                 "Also when it is there already: replaces its image, and with -f its spec");
  verb->add_option("--wait", options->wait, "Wait until it is Ready, this long at most, for example 60s");
  addClientOptions(*verb, options->client);
  verb->callback([options, console, &status] { status = deploy(*options, console); });
}

}  // namespace rookery::cli
