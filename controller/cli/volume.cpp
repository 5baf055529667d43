#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>

#include "api/expand.h"
#include "api/json_path.h"
#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/progress.h"
#include "cli/resource_arguments.h"
#include "cli/verbs.h"
#include "image/file.h"

namespace rookery::cli {

namespace {

namespace fs = std::filesystem;

struct DumpOptions {
  std::string name;
  std::string nameSpace = "default";
  std::string output;
  ClientOptions client;
};

/// A file that is there as a whole or not at all.
class WholeFile {
 public:
  explicit WholeFile(const fs::path& path)
      : path_(path), part_(path.string() + ".part"), out_(part_, std::ios::binary | std::ios::trunc) {}
  ~WholeFile() {
    std::error_code ignored;
    if (!done_) fs::remove(part_, ignored);
  }
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  bool write(std::string_view bytes) {
    return static_cast<bool>(out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size())));
  }
  /// False: it is not there.
  bool finish() {
    out_.close();
    std::error_code error;
    if (out_) fs::rename(part_, path_, error);
    done_ = out_ && !error;
    return done_;
  }

 private:
  const fs::path path_, part_;
  std::ofstream out_;
  bool done_ = false;
};

/// How much has come, on a terminal.
class Meter {
 public:
  explicit Meter(const Console& console) : console_(console) {}
  ~Meter() {
    if (shown_) console_.err << '\n';
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void add(std::size_t bytes) {
    constexpr std::uint64_t step = std::uint64_t{1} << 20;
    const bool tell = console_.errTerminal && (bytes_ + bytes) / step > bytes_ / step;
    bytes_ += bytes;
    if (!tell) return;
    shown_ = true;
    console_.err << '\r' << humanBytes(bytes_) << " read";
    console_.err.flush();
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  const Console& console_;
  std::uint64_t bytes_ = 0;
  bool shown_ = false;
};

int dump(const DumpOptions& options, const Console& console) {
  const auto resource = ApiResource::named("unikernelvolumes");
  check(resource.has_value(), "unikernelvolumes are a kind");
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  WholeFile file(options.output);
  bool written = true;
  std::uint64_t bytes = 0;
  {
    Meter meter(console);
    const auto ended = client->read(resource->path(options.nameSpace, options.name) + "/content",
                                    [&](std::string_view piece) {
                                      written = file.write(piece);
                                      meter.add(piece.size());
                                      return written;
                                    });
    if (!ended) return failed(console, ended.error());
    bytes = meter.bytes();
  }
  if (!written || !file.finish()) {
    return failed(console,
                  {Reason::SystemError, fmt::format("{} cannot be written: is there room, and may it be "
                                                    "written there?",
                                                    options.output)});
  }
  console.out << fmt::format("UnikernelVolume {}/{}: {} written to {}.\n", options.nameSpace, options.name,
                             humanBytes(bytes), options.output);
  return 0;
}

struct LoadOptions {
  std::string name;
  std::string nameSpace = "default";
  std::string file;
  bool force = false;
  ClientOptions client;

  api::ObjectKey object() const { return {api::Kind::UnikernelVolume, nameSpace, name}; }
};

/// A file on its way, shown as it goes.
class FileUpload : public BodySource {
 public:
  FileUpload(const image::File& file, const LoadOptions& options, Progress& progress)
      : file_(file), options_(options), progress_(progress) {}

  std::string contentType() const override { return "application/octet-stream"; }
  std::uint64_t size() const override { return file_.size(); }
  std::uint64_t headSize() const override { return 0; }  // what has one is written

  Result<std::string_view> read(std::uint64_t offset) override {
    piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(pieceSize, size() - offset)));
    if (auto filled = file_.readInto(offset, piece_); !filled) return std::unexpected(filled.error());
    const std::uint64_t sent = offset + piece_.size();
    // What was sent is one state of the file, or it never ends.
    if (sent == size() && !file_.unchanged()) return file_.changed();
    progress_.imageSent(options_.client.server, options_.object(), sent, size());
    if (sent == size())
      progress_.imageSentWhole(options_.client.server, options_.object(), sent,
                               std::chrono::steady_clock::now() - start_);
    return std::string_view(piece_);
  }

 private:
  static constexpr std::uint64_t pieceSize = std::uint64_t{1} << 18;

  const image::File& file_;
  const LoadOptions& options_;
  Progress& progress_;
  std::string piece_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Why the controller would refuse it, which it could not say to who is still sending. What cannot be known,
/// it says itself.
std::optional<Error> loadTrouble(const ApiClient& client, const ApiResource& resource,
                                 const LoadOptions& options, std::uint64_t bytes) {
  const auto volume = client.get(resource.path(options.nameSpace, options.name));
  if (!volume || !volume->is_object() || !volume->contains("spec")) return std::nullopt;
  const nlohmann::json& spec = volume->at("spec");
  const std::string object = options.object().toString();
  if (spec.contains("source")) {
    return Error{Reason::UsageError,
                 fmt::format("What is on {} is declared in spec.source: change it there.", object)};
  }
  const std::string written = api::textByPath(*volume, ".spec.size");
  const auto size = api::parseMi(written);
  if (!size || bytes <= static_cast<std::uint64_t>(*size) << 20U) return std::nullopt;
  return Error{Reason::UsageError,
               fmt::format("{} has {}, and {} bytes are more than that.", object, written, bytes)};
}

int load(const LoadOptions& options, const Console& console) {
  constexpr std::chrono::hours patience{1};  // for the controller to write it
  const auto resource = ApiResource::named("unikernelvolumes");
  check(resource.has_value(), "unikernelvolumes are a kind");
  const auto client = ApiClient::to(options.client);
  if (!client) return failed(console, client.error());
  const auto file = image::File::open(options.file);
  if (!file) return failed(console, file.error());
  if (file->size() == 0)
    return failed(console,
                  {Reason::UsageError, fmt::format("{} is empty: there is nothing to write.", options.file)});
  if (const auto trouble = loadTrouble(*client, *resource, options, file->size()))
    return failed(console, *trouble);
  Progress progress(console.err, console.errTerminal);
  FileUpload upload(*file, options, progress);
  const auto answer = client->put(
      resource->path(options.nameSpace, options.name) + "/content" + (options.force ? "?force=true" : ""),
      upload, patience);
  progress.finish();
  if (!answer) return failed(console, answer.error());
  console.out << fmt::format("{}: {} written from {}.\n", options.object().toString(),
                             humanBytes(file->size()), options.file);
  return 0;
}

void addDump(CLI::App& verb, const Console& console, int& status) {
  auto* saving = verb.add_subcommand("dump", "Write what is on a volume to a file");
  saving->footer(
      "All of the block device, as the server gives it: only while no unikernel uses it. A file that is "
      "there "
      "is replaced once all has come. A token needs the resource unikernelvolumes/content for it.\n\n"
      "Examples:\n"
      "  rookery volume dump ledger -n db -o ledger.img");
  const auto options = std::make_shared<DumpOptions>();
  saving->add_option("NAME", options->name, "The volume")
      ->required()
      ->transform(nameOfA(api::Kind::UnikernelVolume));
  addNamespaceOption(*saving, options->nameSpace);
  saving->add_option("-o,--output", options->output, "The file")->required()->type_name("FILE");
  addClientOptions(*saving, options->client);
  saving->callback([options, console, &status] { status = dump(*options, console); });
}

void addLoad(CLI::App& verb, const Console& console, int& status) {
  auto* loading = verb.add_subcommand("load", "Write a file to a volume");
  loading->footer(
      "From the beginning of the block device; what is behind the end of the file stays as it was. Of a "
      "volume "
      "whose content is declared (spec.source), change that instead. The controller needs --api-store, and "
      "room "
      "for the file in its image store; a token needs to update the resource unikernelvolumes/content.\n\n"
      "Examples:\n"
      "  rookery volume load ledger ledger.img -n db\n"
      "  rookery volume load ledger ledger.img -n db --force");
  const auto options = std::make_shared<LoadOptions>();
  loading->add_option("NAME", options->name, "The volume")
      ->required()
      ->transform(nameOfA(api::Kind::UnikernelVolume));
  loading->add_option("FILE", options->file, "The file")->required()->type_name("FILE");
  addNamespaceOption(*loading, options->nameSpace);
  loading->add_flag("--force", options->force,
                    "Stop a unikernel that uses the volume for it, and start that again");
  addClientOptions(*loading, options->client);
  loading->callback([options, console, &status] { status = load(*options, console); });
}

}  // namespace

void addVolume(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("volume", "Save or replace what is on a volume");
  verb->require_subcommand(1)->footer(
      "Examples:\n"
      "  rookery volume dump ledger -n db -o ledger.img     # save it\n"
      "  rookery volume load ledger ledger.img -n db        # write it back");
  addDump(*verb, console, status);
  addLoad(*verb, console, status);
}

}  // namespace rookery::cli
