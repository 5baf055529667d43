#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <exception>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "cli/unknown_verb.h"
#include "cli/visible_stream.h"
#include "sentence.h"
#include "text.h"

namespace rookery::cli {

namespace {

// In the order in which --help lists them.
constexpr std::array verbs = {
    addRun,     addApply,   addPlan,       addValidate, addGet,      addDescribe,     addLogs,   addTop,
    addRestart, addRollout, addDelete,     addVolume,   addDeploy,   addConfirmPrune, addNotify, addState,
    addExport,  addInspect, addCompletion, addVersion,  addComplete, addReference};

constexpr const char* summary =
    "Rookery keeps a fleet of Albatross servers in the state that YAML manifests declare.";

constexpr const char* notes =
    "`rookery help VERB` says more. Options that many verbs have can be set in the environment, too: "
    "ROOKERY_SERVER, ROOKERY_TOKEN_FILE, ROOKERY_CERTIFICATE_AUTHORITY, ROOKERY_NAMESPACE, "
    "ROOKERY_STATE_DIR, ROOKERY_IMAGE_ROOT, ROOKERY_IMAGE_HOSTS, ROOKERY_LOG_FORMAT.\n\nExit status: 0 done, "
    "1 failed, 2 (only plan) there are changes.\n\n"
    "Examples:\n"
    "  rookery validate manifests/            # is everything well-formed? needs no server\n"
    "  rookery plan manifests/                # what would be done, and why?\n"
    "  rookery apply manifests/               # do it, once\n"
    "  rookery run --manifests manifests/     # keep doing it\n"
    "  rookery get uk -A -w                   # how are they, and what changes?\n"
    "  rookery describe uk web -n shop        # why is it so?\n"
    "  rookery logs web -n shop -f            # what does it print?\n"
    "  rookery deploy web web.hvt -n shop     # send an image to the controller";

std::vector<std::string> verbsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

/// As other programs let one write it: `help VERB` for `VERB --help`, `--version` for `version`.
std::vector<std::string> withoutHabits(std::span<const std::string> arguments) {
  constexpr std::array versions = {"--version", "-version", "-v", "-V"};
  std::vector<std::string> plain(arguments.begin(), arguments.end());
  if (plain.empty()) return plain;
  if (std::ranges::find(versions, plain.front()) != versions.end()) plain.front() = "version";
  if (plain.front() != "help") return plain;
  if (plain.size() > 1 && plain[1] == "help") plain.erase(plain.begin());
  std::rotate(plain.begin(), plain.begin() + 1, plain.end());
  plain.back() = "--help";
  return plain;
}

/// CLI11 would only say that a verb is missing.
int refuseVerb(const std::string& word, const std::string& advice, const Console& console) {
  console.err << "error: There is no verb " << visible(word, longestForeignText)
              << "; `rookery --help` lists them.";
  if (!advice.empty()) console.err << ' ' << advice;
  console.err << '\n';
  return 1;
}

/// Where a word stands for a verb, or for a part of one, and there is no such: says so. Nothing: all are
/// known.
std::optional<int> refuseUnknownVerb(const CLI::App& app, std::span<const std::string> arguments,
                                     const Console& console) {
  const CLI::App* above = &app;
  std::string before;
  for (const std::string& word : arguments) {
    std::vector<std::string> known = verbsOf(*above);
    if (known.empty() || word.starts_with('-')) break;
    if (std::ranges::find(known, word) == known.end()) {
      for (std::string& each : known) each.insert(0, before);
      return refuseVerb(before + word, adviceFor(before + word, known), console);
    }
    above = above->get_subcommand(word);
    before += word + " ";
  }
  return std::nullopt;
}

/// What is wrong with a command line, and what may have been meant. CLI11 knows only the former.
std::string wrongUse(const CLI::App* app, const CLI::Error& error) {
  std::string verb = "rookery";
  const CLI::App* chosen = app;
  while (!chosen->get_subcommands().empty()) {
    chosen = chosen->get_subcommands().front();
    verb += " " + chosen->get_name();
  }
  std::vector<std::string> options = {"--help"};
  for (const CLI::Option* option : chosen->get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  std::string advice;
  for (const std::string& extra : app->remaining(true)) {
    if (advice.empty()) advice = adviceForOption(extra, options);
  }
  return fmt::format("error: {}\n",
                     sentences({error.what(), advice, fmt::format("`{} --help` says more.", verb)}));
}

/// An empty path is a shell's variable that is not set, and names no file.
void refuseEmptyPaths(CLI::App& app) {
  const CLI::Validator named([](const std::string& path) { return path.empty() ? "the path is empty" : ""; },
                             "");
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    for (const char* path : {"PATH", "FILE", "DIR", "CONFIG"}) {
      if (type == path) option->check(named);
    }
  }
  for (CLI::App* verb : app.get_subcommands({})) refuseEmptyPaths(*verb);
}

int parseAndRun(std::span<const std::string> given, const Console& console) {
  CLI::App app(summary, "rookery");
  app.footer(notes);
  app.require_subcommand(1);
  app.failure_message(wrongUse);
  int status = 0;  // NOLINT(misc-const-correctness): the verbs set it
  for (const auto& addVerb : verbs) addVerb(app, console, status);
  refuseEmptyPaths(app);
  const std::vector<std::string> arguments = withoutHabits(given);
  if (arguments.empty()) {
    console.err << app.help();
    return 1;
  }
  if (const auto refused = refuseUnknownVerb(app, arguments, console)) return *refused;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error, console.out, console.err) == 0 ? 0 : 1;
  }
  return status;
}

}  // namespace

int run(std::span<const std::string> arguments, const Console& console) {
  VisibleStream out(console.out), err(console.err);
  const Console shown{
      .out = out, .err = err, .colour = console.colour, .errTerminal = console.errTerminal, .in = console.in};
  int status = 1;
  try {
    status = parseAndRun(arguments, shown);
  } catch (const std::exception& unexpected) {
    err << "error: " << unexpected.what() << '\n';
  }
  const bool written = static_cast<bool>(out.flush());
  if (!written) err << "error: Standard output cannot be written.\n";
  err.flush();
  return written ? status : 1;
}

int run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return run(arguments, standardConsole());
}

}  // namespace rookery::cli
