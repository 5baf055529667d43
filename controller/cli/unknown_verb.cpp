#include "cli/unknown_verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <utility>

namespace rookery::cli {

namespace {

struct Habit {
  std::string_view word;
  std::string_view advice;
};

constexpr std::string_view removal =
    "What is to go is removed from the manifests: `rookery run` destroys it then, and `rookery apply --prune "
    "-f "
    "PATH`. What came through the API is deleted with `rookery delete`.";
constexpr std::string_view listing =
    "`rookery get uk -A` lists what there is, `rookery describe uk NAME` tells all of one.";
constexpr std::string_view sending =
    "`rookery apply -f PATH` creates and changes what manifests declare, `rookery deploy NAME IMAGE` sends "
    "one "
    "image to a running controller.";
constexpr std::string_view following =
    "`rookery run --manifests PATH` keeps the instances as declared until it is stopped.";
constexpr std::string_view consoles =
    "`rookery logs NAME` shows what a unikernel prints, with -f what comes.";
constexpr std::string_view statistics =
    "`rookery top -A` shows what unikernels use, `rookery get unikernelusages NAME -o yaml` all of one.";

/// Verbs of kubectl, albatross-client, Terraform and their kin.
constexpr std::array habits = {
    Habit{"attach", consoles},
    Habit{"check", "`rookery validate -f PATH` checks manifests, and needs no server."},
    Habit{"console", consoles},
    Habit{"create", sending},
    Habit{"destroy", removal},
    Habit{"diff", "`rookery plan -f PATH` shows what differs, field by field."},
    Habit{"edit", "Edit the manifest; what came through the API is edited with `kubectl edit`."},
    Habit{"events", "`rookery get events -A` lists what happened, `rookery describe uk NAME` of one."},
    Habit{"exec", "A unikernel has no shell."},
    Habit{"info", listing},
    Habit{"kill", removal},
    Habit{"lint", "`rookery validate -f PATH` checks manifests, and needs no server."},
    Habit{"list", listing},
    Habit{"log", consoles},
    Habit{"ls", listing},
    Habit{"ps", listing},
    Habit{"prune", "`rookery apply --prune -f PATH` destroys what is not declared any more."},
    Habit{"remove", removal},
    Habit{"rm", removal},
    Habit{"serve", following},
    Habit{"show", listing},
    Habit{"start", following},
    Habit{"stats", statistics},
    Habit{"status", listing},
    Habit{"sync", "`rookery apply -f PATH` does it once, `rookery run --manifests PATH` keeps doing it."},
    Habit{"rollout history",
          "`rookery describe uk NAME` shows the images so far, `rookery rollout undo NAME` goes back."},
    Habit{"rollout restart", "`rookery restart NAME` does that."},
    Habit{"update", sending},
    Habit{"watch", "`rookery get uk -A -w` shows every change."},
};

constexpr std::string_view asking = "It never asks: `rookery plan` shows beforehand what `apply` would do.";
constexpr std::string_view trying = "`rookery plan` shows what `apply` would do, and changes nothing.";

constexpr std::array optionHabits = {
    Habit{"--auto-approve", asking}, Habit{"-auto-approve", asking},
    Habit{"--yes", asking},          Habit{"-y", asking},
    Habit{"--dry-run", trying},
};

/// Letters to be put in, left out or exchanged to make one of the other (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t exchanged = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({exchanged, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// Empty: none is near.
std::string nearestTo(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t longest = 40, mostMistakes = 2;
  if (word.size() > longest || known.empty()) return {};
  const auto far = [&](const std::string& each) { return distance(word, each); };
  const std::string& nearest = *std::ranges::min_element(known, {}, far);
  if (far(nearest) > std::min(mostMistakes, nearest.size() / 2)) return {};
  return fmt::format("Did you mean {}?", nearest);
}

}  // namespace

std::string adviceFor(const std::string& word, const std::vector<std::string>& verbs) {
  if (const auto* habit = std::ranges::find(habits, word, &Habit::word); habit != habits.end())
    return std::string(habit->advice);
  return nearestTo(word, verbs);
}

std::string adviceForOption(const std::string& word, const std::vector<std::string>& options) {
  const std::string name = word.substr(0, word.find('='));
  if (const auto* habit = std::ranges::find(optionHabits, name, &Habit::word); habit != optionHabits.end())
    return std::string(habit->advice);
  return name.starts_with("--") ? nearestTo(name, options) : "";
}

}  // namespace rookery::cli
