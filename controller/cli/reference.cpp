#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <string>

#include "cli/failure.h"
#include "cli/manual/manual.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "notify/fields.h"

namespace rookery::cli {

namespace {

Result<void> writeFiles(const std::filesystem::path& folder,
                        const std::map<std::string, std::string>& texts) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (const auto& [name, text] : texts) {
    std::ofstream out(folder / name, std::ios::trunc | std::ios::binary);
    out << text;
    out.close();
    if (!out)
      return fail(Reason::SystemError, fmt::format("{} cannot be written.", (folder / name).string()));
  }
  return {};
}

std::map<std::string, std::string> manPages(const CLI::App& app) {
  const std::vector<VerbDescription> verbs = describeVerbs(app);
  const std::string version = buildInfo().version;
  std::map<std::string, std::string> pages;
  pages["rookery.1"] = manPage(verbs, app.get_description(), app.get_footer(), version);
  for (const VerbDescription& verb : verbs) pages["rookery-" + verb.name + ".1"] = manPage(verb, version);
  return pages;
}

std::map<std::string, std::string> documents(const CLI::App& app) {
  return {{"commands.md", commandReference(describeVerbs(app))},
          {"kinds.md", kindReference()},
          {"notifications.md", notify::settingsReference()}};
}

}  // namespace

void addReference(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("__reference", "Write man pages, or documents, into a folder")->group("");
  struct Options {
    std::string form;
    std::filesystem::path folder;
  };
  const auto options = std::make_shared<Options>();
  verb->add_option("FORM", options->form, "man or markdown")->required();
  verb->add_option("DIR", options->folder, "Where they go")->required();
  verb->callback([&app, options, console, &status] {
    const auto written = writeFiles(options->folder, options->form == "man" ? manPages(app) : documents(app));
    status = written ? 0 : failed(console, written.error());
  });
}

}  // namespace rookery::cli
