#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <exception>
#include <ostream>
#include <vector>

#include "cli/terminal.h"
#include "cli/visible_stream.h"
#include "text.h"

namespace rookery::cli {

namespace {

// In the order in which --help lists them.
constexpr std::array verbs = {addRun,    addApply,        addPlan,  addValidate, addGet,    addDescribe,
                              addDeploy, addConfirmPrune, addState, addInspect,  addVersion};

constexpr const char* summary =
    "Rookery keeps a fleet of Albatross servers in the state that YAML manifests declare.";

constexpr const char* examples =
    "Examples:\n"
    "  rookery validate -f manifests/         # is everything well-formed? needs no server\n"
    "  rookery plan -f manifests/             # what would be done, and why?\n"
    "  rookery apply -f manifests/            # do it, once\n"
    "  rookery run --manifests manifests/     # keep doing it\n"
    "  rookery get uk -A -w                   # how are they, and what changes?\n"
    "  rookery describe uk web -n shop        # why is it so?\n"
    "  rookery deploy web web.hvt -n shop     # send an image to the controller\n"
    "\n"
    "`rookery VERB --help` says more. Exit status: 0 done, 1 failed, 2 (only plan) there are changes.";

/// CLI11 would only say that a verb is missing.
bool isUnknownVerb(CLI::App& app, const std::string& word) {
  const auto named = [&](const CLI::App* verb) { return verb->get_name() == word; };
  return !word.starts_with('-') && app.get_subcommands(named).empty();
}

int parseAndRun(std::span<const std::string> arguments, const Console& console) {
  CLI::App app(summary, "rookery");
  app.footer(examples);
  app.require_subcommand(1);
  int status = 0;  // NOLINT(misc-const-correctness): the verbs set it
  for (const auto& addVerb : verbs) addVerb(app, console, status);
  if (arguments.empty()) {
    console.err << app.help();
    return 1;
  }
  if (isUnknownVerb(app, arguments.front())) {
    console.err << "error: There is no verb " << visible(arguments.front(), longestForeignText)
                << "; `rookery --help` lists them.\n";
    return 1;
  }
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
