#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include "cli/api_client.h"
#include "cli/api_resource.h"
#include "cli/failure.h"
#include "cli/progress.h"
#include "cli/verbs.h"

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

}  // namespace

void addVolume(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("volume", "Save what is on a volume");
  verb->require_subcommand(1);
  auto* saving = verb->add_subcommand("dump", "Write what is on a volume to a file");
  saving->footer(
      "All of the block device, as the server gives it: only while no unikernel uses it. A file that is "
      "there "
      "is replaced once all has come. A token needs the resource unikernelvolumes/content for it.\n\n"
      "Examples:\n"
      "  rookery volume dump ledger -n db -o ledger.img");
  const auto options = std::make_shared<DumpOptions>();
  saving->add_option("NAME", options->name, "The volume")->required();
  addNamespaceOption(*saving, options->nameSpace);
  saving->add_option("-o,--output", options->output, "The file")->required()->type_name("FILE");
  addClientOptions(*saving, options->client);
  saving->callback([options, console, &status] { status = dump(*options, console); });
}

}  // namespace rookery::cli
