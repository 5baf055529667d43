#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "file/stamp.h"

namespace rookery::file {

/// Who has a file open for writing.
enum class Writers {
  None,
  Some,
  Unknown,  // the kernel does not tell, or knows nothing of other machines' writers
};

/// Asks the kernel about an open regular file, by a read lease that is given back at once (fcntl(2),
/// F_SETLEASE). Known for file systems of this machine, and only to the file's owner or with CAP_LEASE.
/// Somebody who opens the file for writing at that very moment waits for some microseconds.
Writers writersOf(int descriptor);

/// The longest that quietTime() gives.
inline constexpr std::chrono::milliseconds longestQuiet{60'000};
/// How long a file of `size` bytes of whose writers nothing is known must look the same to count as
/// whole: 2 s, a second more for each 4 MiB, at most a minute.
std::chrono::milliseconds quietTime(std::uint64_t size);

/// Why a file does not count yet.
struct BeingWritten {
  bool open = false;                         // somebody has it open for writing; else it was not left alone
  std::chrono::milliseconds lookAgainIn{0};  // when it may count, should nobody tell before

  /// "somebody has it open for writing", say: for a message.
  std::string why() const;
};

/// The decision, without I/O or a clock: nothing when the file is whole. `closed`: its last writer was seen
/// to close it, or somebody to rename it to where it is, as `stamp` says. `unchangedFor`: how long it has
/// been seen with that stamp. `now` is compared with the file's times, unless they lie in the future: those
/// of another machine may.
std::optional<BeingWritten> beingWritten(Writers writers, const Stamp& stamp, bool closed,
                                         std::chrono::nanoseconds unchangedFor,
                                         std::chrono::system_clock::time_point now);

/// Tells whether somebody is still writing a file: a copy that is on its way (scp, rsync --inplace, cp) is
/// not what its author meant, however well it parses. Remembers what it was asked about since when, and what
/// others saw being closed. Thread-safe.
class Settling {
 public:
  /// What time it is: to compare with files' times, and to measure by.
  struct Clocks {
    std::function<std::chrono::system_clock::time_point()> wall = std::chrono::system_clock::now;
    std::function<std::chrono::steady_clock::time_point()> steady = std::chrono::steady_clock::now;
  };

  Settling() : Settling(Clocks{}) {}
  explicit Settling(Clocks clocks) : clocks_(std::move(clocks)) {}
  ~Settling() = default;
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

  /// Nothing when the open file, which looks as `stamp` says, is whole.
  std::optional<BeingWritten> beingWritten(int descriptor, const Stamp& stamp);

  /// Who watches the folder saw a writer close the file (IN_CLOSE_WRITE), or somebody rename it to this name
  /// (IN_MOVED_TO): as it is now it is whole, unless the kernel knows of another writer.
  void closed(const std::filesystem::path& path);

 private:
  using Id = std::pair<std::uint64_t, std::uint64_t>;
  struct Seen {
    Stamp stamp;
    std::chrono::steady_clock::time_point since;
  };

  std::chrono::nanoseconds unchangedFor(const Stamp& stamp);
  bool closedAs(const Stamp& stamp) const;

  Clocks clocks_;
  mutable std::mutex mutex_;
  std::map<Id, Seen> seen_;     // bounded, under the mutex, as is
  std::map<Id, Stamp> closed_;  // how a file was when it was seen to be closed
};

}  // namespace rookery::file
