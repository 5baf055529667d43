#include "cli/version.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <CLI/CLI.hpp>
#include <boost/version.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "cli/choice.h"
#include "cli/verbs.h"

namespace rookery::cli {

namespace {

#if defined(__clang__)
constexpr const char* compiler = "clang " __clang_version__;
#else
constexpr const char* compiler = "g++ " __VERSION__;
#endif

nlohmann::json libraries() {
  return {{"boost",
           fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)},
          {"cli11", CLI11_VERSION},
          {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

void printText(std::ostream& out) {
  const serve::BuildInfo build = buildInfo();
  out << fmt::format("rookery {} (revision {})\n", build.version, build.revision);
  out << fmt::format("compiler: {}\n", compiler);
  const nlohmann::json built = libraries();
  for (const auto& [name, version] : built.items()) {
    out << fmt::format("{}: {}\n", name, version.get<std::string>());
  }
}

void printJson(std::ostream& out) {
  const serve::BuildInfo build = buildInfo();
  const nlohmann::json document = {{"version", build.version},
                                   {"revision", build.revision},
                                   {"compiler", compiler},
                                   {"libraries", libraries()}};
  out << document.dump(2) << '\n';
}

}  // namespace

serve::BuildInfo buildInfo() { return {.version = ROOKERY_VERSION, .revision = ROOKERY_REVISION}; }

void addVersion(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("version", "Print the version of rookery and of what it is built with");
  verb->footer("Examples:\n  rookery version\n  rookery version -o json");
  const auto output = std::make_shared<std::string>("text");
  verb->add_option("-o,--output", *output, "text or json")
      ->check(oneOf({"text", "json"}))
      ->capture_default_str();
  verb->callback([output, console, &status] {
    *output == "json" ? printJson(console.out) : printText(console.out);
    status = 0;
  });
}

}  // namespace rookery::cli
