#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "emulator/server.h"

namespace rookery::emulator {

/// The word for a command in the journal: info, create, force-create, restart, destroy, get, policy-info,
/// block-info, …
std::string kindOf(const albatross::Command& command);

/// What happened to a connection.
enum class Outcome {
  Ok,       // answered with success
  Failed,   // answered with a failure
  Closed,   // closed without an answer
  Aborted,  // the image's stream broke off: nothing was done
  Unsent,   // carried out, but the reply was not sent (the fault drop-reply)
};

/// What the emulator was asked and what came of it, for tests to look at. Not thread-safe.
class Journal {
 public:
  struct Entry {
    std::string command;  // kindOf(), or "policy-add" for one that came along and changed something; "none"
                          // where it could not be told
    std::string name;     // on the wire
    std::uint64_t bytes = 0;  // of the image's stream
    Outcome outcome = Outcome::Ok;
    std::string result;  // the server's text; how many entries a list has; why it was closed

    /// One line, without its end: command=create name=shop:web bytes=4096 outcome=ok result="created
    /// unikernel"
    std::string logfmt() const;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  using Sink = std::function<void(const Entry&)>;
  explicit Journal(Sink sink = [](const Entry&) {}) : sink_(std::move(sink)) {}

  void add(Entry entry);
  void countImageBytes(std::uint64_t bytes) { imageBytes_ += bytes; }

  /// The last ten thousand.
  const std::deque<Entry>& entries() const { return entries_; }
  /// How many there have been of a kind.
  std::uint64_t count(const std::string& command) const;
  /// How many commands there have been that change something, and policies that were changed.
  std::uint64_t mutations() const;
  /// Of all images' streams, also of those that broke off.
  std::uint64_t imageBytes() const { return imageBytes_; }

 private:
  Sink sink_;
  std::deque<Entry> entries_;
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t imageBytes_ = 0;
};

/// What an answer says, in a few words without the contents of lists.
std::string summary(const Answer& answer);

}  // namespace rookery::emulator
