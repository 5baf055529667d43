#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "images/image_maker.h"

namespace {

const std::map<std::string, std::uint32_t> targets{{"hvt", 1},  {"spt", 2},    {"virtio", 3},
                                                   {"muen", 4}, {"genode", 5}, {"xen", 6}};

std::string checkDeviceName(const std::string& name) {
  return name.empty() || name.size() > 67 ? "a device name has 1 to 67 bytes" : "";
}

}  // namespace

int main(int argc, char** argv) {
  rookery::images::ImageSpec spec;
  std::string output;
  CLI::App app{
      "Writes an image in Solo5's format: what a deployer looks at is there, but nothing in it boots."};
  app.add_option("--target", spec.target, "Tender: hvt, spt, virtio, muen, genode or xen")
      ->transform(CLI::CheckedTransformer(targets))
      ->default_str("hvt");
  app.add_option("--net", spec.networks, "Name of a network device (repeatable)")
      ->check(checkDeviceName)
      ->allow_extra_args(false);
  app.add_option("--block", spec.blocks, "Name of a block device (repeatable)")
      ->check(checkDeviceName)
      ->allow_extra_args(false);
  app.add_option("--size", spec.size, "Size of the file, such as 4096, 4KiB or 512MiB")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--content", spec.content, "Text for the body: other content, other digest");
  app.add_option("output", output, "The file to write")->required();
  CLI11_PARSE(app, argc, argv);

  const rookery::Result<void> written = rookery::images::writeImage(spec, output);
  if (!written) {
    fmt::print(stderr, "solo5-image: {}\n", written.error().message);
    return 1;
  }
  return 0;
}
