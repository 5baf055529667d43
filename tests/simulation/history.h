#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "error.h"

namespace rookery::simulation {

/// What happens to a world beside the controller's own doing.
enum class Happening {
  // People edit
  EditArguments,
  EditImage,
  EditMemory,
  Suspend,
  Remove,
  Declare,
  Move,
  RenameFile,
  RotatePassword,
  EditPolicy,
  EditVolume,
  // Mishaps in the folder, until it is mended
  BreakFile,
  MistakeInFile,
  TruncateFile,
  EmptyFile,
  BeingWritten,
  GitLock,
  FolderGone,
  FolderUnreadable,
  OtherBranch,
  HalfAnImage,
  Mend,
  // Servers and the way to them
  Refusing,
  Unreachable,
  FailOneMutation,
  FailOneQuestion,
  RefuseMutations,
  NoDaemon,
  SlowToStop,
  GuestsDie,
  OneGuestDies,
  RestartServer,
  ForgetServer,
  ExchangeServer,
  ProbesFail,
  ProbesHang,
  StreamsStall,
  StreamsBreak,
  ReceiverFails,
  ReceiverMended,
  ConsoleTaken,
  ServersMended,
  // Others at work on the servers
  StrangerDestroys,
  StrangerRestarts,
  StrangerRedeploys,
  StrangerTakesTheName,
  StrangerSetsPolicy,
  StrangerRemovesVolume,
  // People who read
  SomebodyDumps,
  SomebodyFollows,
  // The controller's machine
  ClockJumps,
  DiskFull,
  DiskBroken,
  DiskMended,
  CredentialBroken,
  CredentialMended,
  Killed,
  PowerCut,
  DiesSoon,
  LookNow,
};
inline constexpr int happenings = static_cast<int>(Happening::LookNow) + 1;
std::string_view toString(Happening happening);

struct Action {
  std::chrono::milliseconds at{0};
  Happening what = Happening::LookNow;
  std::uint32_t which = 0, howMuch = 0;  // to choose by, in the world as it is then
};

/// What a seed makes happen, in the order of time.
std::vector<Action> historyOf(std::uint64_t seed);

/// A history, or some of what happens in it: "17" or "17:3,5,9".
struct Replay {
  std::uint64_t seed = 0;
  std::optional<std::set<std::size_t>> only;  // places in historyOf(seed); absent: all

  /// Error: UsageError.
  static Result<Replay> parse(const std::string& text);
  std::string toString() const;
  std::vector<Action> actions() const;
};

}  // namespace rookery::simulation
