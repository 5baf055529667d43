#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/uid.h"
#include "cli/failure.h"
#include "cli/verbs.h"
#include "notify/settings.h"
#include "notify/transfers.h"
#include "source/git.h"

namespace rookery::cli {

namespace {

struct NotifyTestOptions {
  std::filesystem::path file;
  std::vector<std::string> receivers;  // none: all
};

/// The commit that a root has now.
std::optional<std::string> commitOf(const std::filesystem::path& root) {
  const auto entry = source::enclosingGit(root);
  const auto folder = entry ? source::gitFolder(*entry) : std::nullopt;
  const auto revision = folder ? source::readHead(*folder).revision : std::nullopt;
  return revision ? std::optional(revision->commit) : std::nullopt;
}

/// What a receiver is sent to try it. Error: UsageError.
Result<notify::Request> trialOf(notify::Receiver receiver) {
  notify::Notification trial{.id = api::newUid(),
                             .time = std::chrono::system_clock::now(),
                             .type = notify::Type::Test,
                             .message = "Somebody ran `rookery notify test`. Nothing has happened."};
  if (auto* way = std::get_if<notify::CommitStatusWay>(&receiver.way)) {
    const auto commit = commitOf(way->root);
    if (!commit)
      return fail(Reason::UsageError, fmt::format("{} is no checkout that has a commit", way->root.string()));
    trial.commit = *commit;
    trial.state = "success";
    way->context += "/test";
  }
  return notify::requestFor(receiver, {trial});
}

Result<std::vector<notify::Receiver>> chosenOf(const notify::Settings& settings,
                                               const NotifyTestOptions& options) {
  std::vector<notify::Receiver> chosen;
  std::set<std::string> missing(options.receivers.begin(), options.receivers.end());
  for (const notify::Receiver& receiver : settings.receivers) {
    if (options.receivers.empty() || missing.erase(receiver.name) > 0) chosen.push_back(receiver);
  }
  if (!missing.empty()) {
    return fail(Reason::UsageError,
                fmt::format("{} names no receiver {}.", options.file.string(), fmt::join(missing, ", ")));
  }
  if (chosen.empty())
    return fail(Reason::UsageError, fmt::format("{} names no receiver.", options.file.string()));
  return chosen;
}

int testNotifications(const NotifyTestOptions& options, const Console& console) {
  const auto settings = notify::readSettings(options.file);
  if (!settings) return failed(console, settings.error());
  const auto receivers = chosenOf(*settings, options);
  if (!receivers) return failed(console, receivers.error());
  std::vector<std::pair<std::string, std::future<notify::Outcome>>> outcomes;
  notify::Transfers transfers;
  for (const notify::Receiver& receiver : *receivers) {
    const auto promise = std::make_shared<std::promise<notify::Outcome>>();
    outcomes.emplace_back(receiver.name, promise->get_future());
    const auto done = [promise](const notify::Outcome& outcome) { promise->set_value(outcome); };
    if (auto request = trialOf(receiver)) {
      transfers.send(receiver, *std::move(request), done);
    } else {
      done({.end = notify::Outcome::End::Refused, .answer = request.error().message});
    }
  }
  int status = 0;
  for (auto& [name, future] : outcomes) {
    const notify::Outcome outcome = future.get();
    console.out << fmt::format("{}: {}\n", name, outcome.answer);
    if (outcome.end != notify::Outcome::End::Sent) status = 1;
  }
  return status;
}

constexpr const char* notifyNotes =
    "`rookery notify test --notifications FILE [--receiver NAME]` sends a test to each receiver that the "
    "file "
    "names, or to those that are named, and shows what each answers. Exit status: 1 where one does not take "
    "it. A commit status has \"/test\" behind its context.\n\n"
    "Examples:\n"
    "  rookery notify test --notifications /etc/rookery/notifications.yaml\n"
    "  rookery notify test --notifications notifications.yaml --receiver ops";

}  // namespace

void addNotify(CLI::App& app, Console console, int& status) {
  auto* verb = app.add_subcommand("notify", "Try the receivers of notifications");
  verb->require_subcommand(1)->footer(notifyNotes);
  auto* trying = verb->add_subcommand("test", "Send a test to each receiver, and show what it answers");
  const auto options = std::make_shared<NotifyTestOptions>();
  trying->add_option("--notifications", options->file, "The file of run --notifications")
      ->required()
      ->type_name("FILE");
  trying->add_option("--receiver", options->receivers, "Only this one; repeatable")->type_name("NAME");
  trying->callback([options, console, &status] { status = testNotifications(*options, console); });
}

}  // namespace rookery::cli
