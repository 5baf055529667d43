#pragma once

#include <iostream>

namespace CLI {
class App;
}

/// One function per verb: adds its subcommand, its options and its help to `app`. When the verb was chosen it
/// runs in the subcommand's callback, writes to the streams and sets `status` to the program's exit status.
namespace rookery::cli {

struct Console {
  std::ostream& out;
  std::ostream& err;
  bool colour = false;       // out is a terminal that wants colours
  bool errTerminal = false;  // err is a terminal
  std::istream& in = std::cin;
};

void addRun(CLI::App& app, Console console, int& status);
void addApply(CLI::App& app, Console console, int& status);
void addPlan(CLI::App& app, Console console, int& status);
void addValidate(CLI::App& app, Console console, int& status);
void addGet(CLI::App& app, Console console, int& status);
void addDescribe(CLI::App& app, Console console, int& status);
void addLogs(CLI::App& app, Console console, int& status);
void addTop(CLI::App& app, Console console, int& status);
void addRestart(CLI::App& app, Console console, int& status);
void addRollout(CLI::App& app, Console console, int& status);
void addDelete(CLI::App& app, Console console, int& status);
void addVolume(CLI::App& app, Console console, int& status);
void addDeploy(CLI::App& app, Console console, int& status);
void addNotify(CLI::App& app, Console console, int& status);
void addConfirmPrune(CLI::App& app, Console console, int& status);
void addState(CLI::App& app, Console console, int& status);
void addExport(CLI::App& app, Console console, int& status);
void addInspect(CLI::App& app, Console console, int& status);
void addVersion(CLI::App& app, Console console, int& status);
void addCompletion(CLI::App& app, Console console, int& status);
// For the shells, and for who makes a package or the documents: --help does not show them.
void addComplete(CLI::App& app, Console console, int& status);
void addReference(CLI::App& app, Console console, int& status);

}  // namespace rookery::cli
