#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/verbs.h"
#include "reconcile/confirmations.h"
#include "reconcile/state_dir.h"

namespace rookery::cli {

namespace {

constexpr std::chrono::seconds answerPatience{10};

struct ConfirmOptions {
  std::vector<std::string> ids;
  std::filesystem::path stateDir = reconcile::StateDir::defaultPath();
};

int confirm(const ConfirmOptions& options, const Console& console) {
  const reconcile::Confirmations confirmations(options.stateDir);
  int status = 0;
  for (const std::string& id : options.ids) {
    if (const auto said = confirmations.ask(id, answerPatience)) {
      console.out << *said << '\n';
    } else {
      status = failed(console, said.error());
    }
  }
  return status;
}

}  // namespace

void addConfirmPrune(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand(
      "confirm-prune", "Let the running controller destroy a set of unikernels that vanished at once");
  verb->footer(
      "The prune guard keeps what vanishes at once; the log, `rookery describe alba NAME` and `rookery plan` "
      "say "
      "which, and the ID of the set. Of the objects of a cluster the same is said with the annotation "
      "rookery.dev/confirm-prune on their AlbatrossInstance.\n\nExample: rookery confirm-prune 4f0c1b2a3d4e");
  const auto options = std::make_shared<ConfirmOptions>();
  verb->add_option("ID", options->ids, "Of the set; repeatable")->required();
  verb->add_option("--state-dir", options->stateDir,
                   "That of the controller; who may write there may confirm")
      ->capture_default_str();
  verb->callback([options, console, &status] { status = confirm(*options, console); });
}

}  // namespace rookery::cli
