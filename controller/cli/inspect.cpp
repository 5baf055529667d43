#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "cli/choice.h"
#include "cli/failure.h"
#include "cli/verbs.h"
#include "image/image.h"
#include "image/inspector.h"
#include "text.h"
#include "yaml/writer.h"

namespace rookery::cli {

namespace {

struct InspectOptions {
  std::vector<std::filesystem::path> images;
  std::string output = "text";
};

std::string list(const std::set<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string toText(const image::Image& image) {
  return fmt::format(
      "{}\n"
      "  target               {}\n"
      "  ABI version          {}\n"
      "  network interfaces   {}\n"
      "  block devices        {}\n"
      "  size                 {} bytes\n"
      "  SHA-256              {}\n",
      visible(image.path.string()), image::toString(image.manifest.target), image.manifest.abiVersion,
      list(image.manifest.networkDevices), list(image.manifest.blockDevices), image.size,
      image::toHex(image.digest));
}

nlohmann::json toJson(const image::Image& image) {
  return {{"path", image.path.string()},
          {"target", image::toString(image.manifest.target)},
          {"abiVersion", image.manifest.abiVersion},
          {"networkInterfaces", image.manifest.networkDevices},
          {"blockDevices", image.manifest.blockDevices},
          {"size", image.size},
          {"sha256", image::toHex(image.digest)}};
}

int inspect(const InspectOptions& options, const Console& console) {
  image::Inspector inspector;
  nlohmann::json documents = nlohmann::json::array();
  int status = 0;
  for (const std::filesystem::path& path : options.images) {
    const Result<image::Image> found = inspector.inspect(path);
    if (!found) {
      say(console.err, "error: ", found.error().message);
      status = 1;
    } else if (options.output == "json") {
      documents.push_back(toJson(*found));
    } else {
      console.out << toText(*found);
    }
  }
  if (options.output == "json") {
    console.out << yaml::dump(documents, 2) << '\n';
  }
  return status;
}

}  // namespace

void addInspect(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("inspect", "Show what an image file was built for, and its digest");
  verb->footer(
      "The devices are what networkInterfaces and blockDevices of a Unikernel must name, and the SHA-256 is "
      "what\n"
      "image.sha256 pins. With -o json the result is a list, also for one image.\n\n"
      "Examples:\n"
      "  rookery inspect images/web.hvt\n"
      "  rookery inspect -o json images/*.hvt");
  const auto options = std::make_shared<InspectOptions>();
  verb->add_option("IMAGE", options->images, "An image file; repeatable")->required()->type_name("PATH");
  verb->add_option("-o,--output", options->output, "text or json")
      ->check(oneOf({"text", "json"}))
      ->capture_default_str();
  verb->callback([options, console, &status] { status = inspect(*options, console); });
}

}  // namespace rookery::cli
