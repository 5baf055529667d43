#include "simulation/history.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <ranges>
#include <string_view>

namespace rookery::simulation {

using std::chrono::milliseconds;

namespace {

constexpr std::array<std::string_view, happenings> words = {"EditArguments",
                                                            "EditImage",
                                                            "EditMemory",
                                                            "Suspend",
                                                            "Remove",
                                                            "Declare",
                                                            "Move",
                                                            "RenameFile",
                                                            "RotatePassword",
                                                            "EditPolicy",
                                                            "EditVolume",
                                                            "BreakFile",
                                                            "MistakeInFile",
                                                            "TruncateFile",
                                                            "EmptyFile",
                                                            "BeingWritten",
                                                            "GitLock",
                                                            "FolderGone",
                                                            "FolderUnreadable",
                                                            "OtherBranch",
                                                            "HalfAnImage",
                                                            "Mend",
                                                            "Refusing",
                                                            "Unreachable",
                                                            "FailOneMutation",
                                                            "FailOneQuestion",
                                                            "RefuseMutations",
                                                            "NoDaemon",
                                                            "SlowToStop",
                                                            "GuestsDie",
                                                            "OneGuestDies",
                                                            "RestartServer",
                                                            "ForgetServer",
                                                            "ExchangeServer",
                                                            "ProbesFail",
                                                            "ProbesHang",
                                                            "StreamsStall",
                                                            "StreamsBreak",
                                                            "ReceiverFails",
                                                            "ReceiverMended",
                                                            "ConsoleTaken",
                                                            "ServersMended",
                                                            "StrangerDestroys",
                                                            "StrangerRestarts",
                                                            "StrangerRedeploys",
                                                            "StrangerTakesTheName",
                                                            "StrangerSetsPolicy",
                                                            "StrangerRemovesVolume",
                                                            "SomebodyDumps",
                                                            "SomebodyFollows",
                                                            "ClockJumps",
                                                            "DiskFull",
                                                            "DiskBroken",
                                                            "DiskMended",
                                                            "CredentialBroken",
                                                            "CredentialMended",
                                                            "Killed",
                                                            "PowerCut",
                                                            "DiesSoon",
                                                            "LookNow"};

bool isMishap(Happening what) { return what >= Happening::BreakFile && what <= Happening::HalfAnImage; }

std::optional<Happening> mendingOf(Happening what) {
  if (isMishap(what)) return Happening::Mend;
  switch (what) {
    case Happening::Refusing:
    case Happening::Unreachable:
    case Happening::RefuseMutations:
    case Happening::NoDaemon:
    case Happening::GuestsDie:
    case Happening::ExchangeServer:
    case Happening::ProbesFail:
    case Happening::ProbesHang:
    case Happening::StreamsStall:
      return Happening::ServersMended;
    case Happening::ReceiverFails:
      return Happening::ReceiverMended;
    case Happening::DiskFull:
    case Happening::DiskBroken:
      return Happening::DiskMended;
    case Happening::CredentialBroken:
      return Happening::CredentialMended;
    default:
      return std::nullopt;
  }
}

template <class Number>
bool readNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string_view toString(Happening happening) { return words.at(static_cast<std::size_t>(happening)); }

/// Much happens while what happened before has not been dealt with yet.
std::vector<Action> historyOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
  std::vector<Action> actions;
  milliseconds now{0};
  const std::uint32_t many = 12 + below(24);
  for (std::uint32_t i = 0; i < many; ++i) {
    constexpr std::array<std::uint32_t, 4> pauses = {100, 3'000, 15'000, 90'000};
    now += milliseconds(1 + below(pauses.at(below(pauses.size()))));
    const Action action{now, static_cast<Happening>(below(happenings)), below(1u << 30), below(1u << 30)};
    actions.push_back(action);
    if (const auto mending = mendingOf(action.what))
      actions.push_back({now + milliseconds(500 + below(120'000)), *mending, 0, 0});
  }
  std::ranges::stable_sort(actions, {}, &Action::at);
  return actions;
}

Result<Replay> Replay::parse(const std::string& text) {
  Replay replay;
  const std::size_t colon = text.find(':');
  const auto wrong = fail(Reason::UsageError, fmt::format("{} is no SEED or SEED:PLACE,PLACE,…", text));
  if (!readNumber(std::string_view(text).substr(0, colon), replay.seed)) return wrong;
  if (colon == std::string::npos) return replay;
  replay.only.emplace();
  for (const auto part : std::views::split(std::string_view(text).substr(colon + 1), ',')) {
    std::size_t place = 0;
    const std::string_view word(part.begin(), part.end());
    if (word.empty()) continue;
    if (!readNumber(word, place)) return wrong;
    replay.only->insert(place);
  }
  return replay;
}

std::string Replay::toString() const {
  if (!only) return std::to_string(seed);
  return fmt::format("{}:{}", seed, fmt::join(*only, ","));
}

std::vector<Action> Replay::actions() const {
  const std::vector<Action> all = historyOf(seed);
  if (!only) return all;
  std::vector<Action> some;
  for (const std::size_t place : *only) {
    if (place < all.size()) some.push_back(all[place]);
  }
  return some;
}

}  // namespace rookery::simulation
