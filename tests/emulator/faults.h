#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "error.h"

namespace rookery::emulator {

/// What the emulated server does wrong, or other than by default. All may be switched while it runs.
struct Faults {
  struct ExitAfter {
    std::chrono::milliseconds after{};
    int code = 0;
    friend bool operator==(const ExitAfter&, const ExitAfter&) = default;
  };

  bool refuse = false;                     // every mutation is answered with a Failure
  bool restartIgnoresMemory = false;       // as servers up to 2.7.2 do
  std::optional<ExitAfter> exitAfter;      // every guest that starts from now on ends so
  std::chrono::milliseconds stopAfter{0};  // how long a guest takes to end when it is told to
  bool endpointError = false;              // the endpoint cannot reach the daemon
  bool hang = false;                       // connections are accepted, nothing ever comes back
  bool dropReply = false;                  // mutations are carried out, their replies are not sent
  std::optional<std::uint64_t> cutAfter;   // the connection breaks after so many bytes of an image
  std::chrono::milliseconds delay{0};      // before each reply
  std::optional<std::uint64_t>
      cutStreamAfter;         // a stream breaks off in the midst of the message after so many
  bool stallStreams = false;  // subscriptions are accepted, and nothing more is said
  bool unknownData = false;   // in a stream, something that no client knows goes before each message
  bool noStatistics = false;  // there is no statistics daemon: the connection is closed
  friend bool operator==(const Faults&, const Faults&) = default;

  /// A comma list: refuse, restart-ignores-memory, exit-after=300ms:2, stop-after=1s, endpoint-error, hang,
  /// drop-reply, cut-after=65536, delay=2s, cut-stream-after=3, stall-streams, unknown-data, no-statistics.
  /// Empty: none. Durations are whole numbers of ms, s or m. Error:
  /// UsageError.
  static Result<Faults> parse(std::string_view spec);
};

}  // namespace rookery::emulator
